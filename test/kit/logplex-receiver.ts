/**
 * A receiver of HTTP drains that takes nothing which could be understood in two ways: exact headers in
 * their order, bytes as counted, frames to the last byte. It shares no line with the product. The body is
 * also read by lines, as receivers do that trust the dialect.
 */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'
import { drainToken, type Identity } from './drains.ts'

export type Answer =
  | number
  | { readonly status: number; readonly headers: Readonly<Record<string, string>> }
  /** Never, or byte by byte without an end, in the head or in the body. */
  | 'hang'
  | 'drip-head'
  | 'drip-body'
  /** A body without an end, as fast as it can. */
  | 'flood'
  /** After reading all of the request. */
  | 'reset'
  | 'close'

export type Received = {
  readonly headers: readonly string[]
  readonly target: string
  readonly frameId: string
  /** What follows `<PRI>1 TIME host SOURCE PROC - `, in Latin-1. */
  readonly texts: readonly string[]
  readonly messages: readonly string[]
  readonly connection: number
}

export type LogplexReceiver = {
  readonly port: number
  readonly received: Received[]
  /** What was wrong with requests. */
  readonly problems: string[]
  /** Connections so far, and those open now. */
  readonly connections: () => { readonly made: number; readonly open: number }
  readonly endAll: () => void
}

const names = [
  'Content-Type',
  'Logplex-Msg-Count',
  'Logplex-Frame-Id',
  'Logplex-Drain-Token',
  'User-Agent',
] as const

type Options = { readonly answers?: readonly Answer[]; readonly identity?: Identity }

/** Answers the n-th request with the n-th of `answers`, all others with 200. */
export const startLogplexReceiver = async (
  t: Test,
  { answers = [], identity }: Options = {},
): Promise<LogplexReceiver> => {
  const received: Received[] = []
  const problems: string[] = []
  const sockets: Socket[] = []
  const take: RequestListener = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1')
      const found = readRequest(request, body)
      problems.push(...found.problems)
      const at = received.push({ ...found, connection: sockets.indexOf(request.socket) })
      answerWith(answers[at - 1] ?? 200, response)
    })
  }
  const server =
    identity === undefined
      ? createServer(take)
      : createTlsServer({ cert: identity.certificate, key: identity.key }, take)
  server.on(identity === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endAll = (): void => server.closeAllConnections()
  t.teardown(() => {
    endAll()
    server.close()
  })
  const connections = () => ({
    made: sockets.length,
    open: sockets.filter(({ destroyed }) => !destroyed).length,
  })
  return { port: (server.address() as AddressInfo).port, received, problems, connections, endAll }
}

const readRequest = (request: IncomingMessage, body: string) => {
  const problems: string[] = []
  const want = (holds: boolean, what: string): void => void (holds || problems.push(what))
  const { headers, method, rawHeaders, url: target = '' } = request
  want(method === 'POST', `method ${method}`)
  const ours = rawHeaders.filter((name, at) => at % 2 === 0 && names.some((one) => one === name))
  want(ours.join() === names.join(), `headers ${ours.join()}`)
  want(headers['content-type'] === 'application/logplex-1', 'type')
  want(headers['transfer-encoding'] === undefined, 'chunked')
  want(Number(headers['content-length']) === body.length, 'length')
  want(/^Logplex\/\S+$/.test(String(headers['user-agent'])), 'agent')
  const frameId = String(headers['logplex-frame-id'])
  want(/^[0-9A-F]{32}$/.test(frameId), `frame id ${frameId}`)
  want(headers['logplex-drain-token'] === drainToken, 'token')
  const messages = octetsCounted(body, want)
  const texts = messages.map((message) => {
    const found = /^<\d{1,3}>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 host \S+ \S+ - ([^]*)\n$/.exec(
      message,
    )
    want(found !== null, `message ${JSON.stringify(message)}`)
    return found?.[1] ?? ''
  })
  want(messages.length === Number(headers['logplex-msg-count']), `count of ${messages.length}`)
  // By lines only where no text has an LF of its own.
  if (!texts.some((text) => text.includes('\n'))) {
    const lines = body.split('\n').slice(0, -1)
    want(lines.length === messages.length, `${lines.length} lines`)
    for (const line of lines) want(/^\d+ <\d+>1( \S+){4} - /.test(line), `line ${JSON.stringify(line)}`)
  }
  return { headers: rawHeaders, target, frameId, texts, messages, problems }
}

const octetsCounted = (body: string, want: (holds: boolean, what: string) => void): string[] => {
  const messages: string[] = []
  for (let at = 0; at < body.length;) {
    const length = /^[1-9]\d{0,6} /.exec(body.slice(at, at + 8))?.[0]
    want(length !== undefined, `length at ${at}`)
    if (length === undefined) break
    at += length.length
    messages.push(body.slice(at, at + Number(length)))
    at += Number(length)
    want(at <= body.length, 'the last frame is cut')
  }
  return messages
}

const answerWith = (answer: Answer, response: ServerResponse): void => {
  if (typeof answer === 'number') return void response.writeHead(answer).end()
  if (typeof answer === 'object') return void response.writeHead(answer.status, answer.headers).end('why')
  const socket = response.socket as Socket
  if (answer === 'reset') socket.resetAndDestroy()
  else if (answer === 'close') socket.destroy()
  else if (answer === 'flood') {
    const more = (): void => {
      while (!socket.destroyed && response.write(Buffer.alloc(16_384)));
    }
    response.on('drain', more)
    more()
  } else if (answer !== 'hang') {
    socket.write(
      answer === 'drip-head' ? 'HTTP/1.1 200 OK\r\n' : 'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n',
    )
    const drip = setInterval(() => socket.write('x'), 10)
    socket.on('close', () => clearInterval(drip))
  }
}
