/** One request of the load, and whether the answer to it is whole and right. */
import { randomUUID } from 'node:crypto'
import { request, type Agent, type ClientRequest } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { readSaid, slowMs, type Said } from './app.ts'

export type Ask = {
  /** Of the router on this machine. */
  readonly port: number
  readonly host: string
  readonly path: 'quick' | 'slow' | 'stream'
  /** Of its body; 0: a GET without one. */
  readonly bytes: number
  /** The body is sent piece by piece, as slowly as a slow answer comes. */
  readonly isSlow: boolean
  /** Keeps connections; false: the request has its own. */
  readonly agent: Agent | false
}

/** Longer than a router ever holds a request: what comes at all is waited for. */
const answerMsMax = 120_000
const pieces = 8

/** Rejects, saying how, when the request is lost: refused, cut, or not answered by the app. */
export const exchange = async (ask: Ask): Promise<Said> => {
  const path = `/${ask.path}/${randomUUID()}`
  const body = Buffer.alloc(ask.bytes, randomUUID())
  const { status, text } = await send(ask, path, body)
  const said = status === 200 ? readSaid(text, path, body) : undefined
  if (said === undefined) throw new Error(`${status} ${codeOf(text)}`)
  return said
}

/** Of a router's page, or what came in its place. */
const codeOf = (text: string): string => /\bH\d\d\b/.exec(text)?.[0] ?? JSON.stringify(text.slice(0, 200))

const send = (ask: Ask, path: string, body: Buffer): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const hasBody = ask.bytes > 0
    const call = request({
      host: '127.0.0.1',
      port: ask.port,
      method: hasBody ? 'POST' : 'GET',
      path,
      headers: { host: ask.host, ...(hasBody && { 'content-length': ask.bytes }) },
      agent: ask.agent,
      timeout: answerMsMax,
    })
    call.once('timeout', () => call.destroy(new Error('no answer')))
    call.once('error', reject)
    call.once('response', (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      answer.once('error', (error) => reject(new Error(`cut within its answer: ${error.message}`)))
    })
    if (ask.isSlow) void sendSlowly(call, body)
    else if (hasBody) call.end(body)
    else call.end()
  })

const sendSlowly = async (call: ClientRequest, body: Buffer): Promise<void> => {
  const pieceBytes = Math.ceil(body.length / pieces)
  for (let at = 0; at < body.length && !call.destroyed; at += pieceBytes) {
    call.write(body.subarray(at, at + pieceBytes))
    await pause(slowMs / pieces)
  }
  call.end()
}
