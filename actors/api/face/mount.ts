/** Mounts: parts of the HTTP face that are streams rather than JSON (git, logs, build output, slugs). */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ApiError } from '../errors.ts'

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

export const sayJson = (res: ServerResponse, status: number, body: unknown): void => {
  const bytes = Buffer.from(JSON.stringify(body))
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': bytes.length })
  res.end(bytes)
}

/** Runs it; what it refuses with an `ApiError` before it answered is answered as every endpoint does. */
export const refusing = async (res: ServerResponse, run: () => Promise<void> | void): Promise<void> => {
  try {
    await run()
  } catch (error) {
    if (!(error instanceof ApiError) || res.headersSent) throw error
    // What is not read of the request goes with the connection.
    res.setHeader('connection', 'close')
    sayJson(res, error.status, error.body())
  }
}
