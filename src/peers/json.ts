/** JSON bodies between hosts: read within bounds, sent whole, and refusals as code and line. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { PeerRefusal } from './contract.ts'

/** @throws PeerRefusal: `too_large`, `not_json` */
export const readJson = async (request: IncomingMessage, bytesMax: number): Promise<unknown> => {
  const text = await readText(request, bytesMax)
  if (text === undefined) throw new PeerRefusal('too_large', `a body has at most ${bytesMax} bytes`)
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch (error) {
    throw new PeerRefusal('not_json', 'the body is no JSON', { cause: error })
  }
}

/** Undefined: it has more than `bytesMax`; the rest is not read. */
export const readText = async (
  source: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<string | undefined> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of source) {
    bytes += chunk.length
    if (bytes > bytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

export const sendJson = (response: ServerResponse, status: number, body: unknown): void => {
  const text = JSON.stringify(body ?? null)
  // What was not read of the request would be taken for the next one.
  if (!response.req.complete) response.shouldKeepAlive = false
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}

/** The same where HTTP has already let go of the socket. */
export const sendRaw = (socket: Duplex, status: number, body: unknown): void => {
  const text = JSON.stringify(body)
  const head = ['HTTP/1.1', status, 'Refused\r\nConnection: close\r\nContent-Type: application/json'].join(
    ' ',
  )
  socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`, () => socket.destroy())
}

const statusOf: Readonly<Record<string, number>> = {
  not_json: 400,
  certificate_wanted: 403,
  not_admitted: 403,
  not_found: 404,
  too_large: 413,
  busy: 503,
}
const refused = 409

/** Undefined: it is no refusal, the reason is nobody else's business. */
export const refusalOf = (
  error: unknown,
):
  | { readonly status: number; readonly body: { readonly error: string; readonly message: string } }
  | undefined =>
  error instanceof PeerRefusal
    ? {
        status: statusOf[error.code] ?? refused,
        body: { error: error.code, message: error.message },
      }
    : undefined

/** Code and line of what `refusalOf` made of a refusal. */
export const refusalIn = (said: string): readonly [reason?: string, message?: string] => {
  try {
    const { error, message } = JSON.parse(said) as { readonly error?: unknown; readonly message?: unknown }
    return typeof error === 'string' && typeof message === 'string' ? [error, message] : []
  } catch {
    // Not one of ours who answered.
    return []
  }
}
