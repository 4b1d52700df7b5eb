/** Mounts: parts of the HTTP face that are streams rather than JSON (git, logs, build output, slugs). */
import type { IncomingMessage, ServerResponse } from 'node:http'

export type Mount = {
  /** Undefined when the path is not of this mount; else what to do. @param path without the query, as sent */
  readonly at: (method: string, path: string) => Handler | undefined
}
export type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<void> | void

/** A short text answer that ends the response. */
export const sayText = (
  res: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void => {
  res.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'private, no-cache',
    ...headers,
  })
  res.end(text)
}
