/**
 * `POST /logs`: log lines in the body of a request, as log-shuttle and add-ons send them (spec/logplex.md
 * §1.5). The token of the request says whose they are; those in the messages are not looked at.
 *
 * 204 says that the lines are stored. A body is taken whole or not at all. One that finds no room, or is not
 * stored in time, is answered so that its sender comes again, and is known by its id then.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { FrameParser, parseMessage } from '../../../src/syslog/parse.ts'
import type { Clock } from '../../../src/ports/clock.ts'
import type { Line } from '../../protocols/channel.ts'
import { addLines } from './arrived.ts'
import { readBody } from './body.ts'
import { laneLimits, type Lanes } from './lanes.ts'
import { createRepeats } from './repeats.ts'
import type { Destination, Tokens } from './tokens.ts'

export type LogsDeps = {
  readonly tokens: Tokens
  readonly lanes: Lanes
  readonly clock: Clock
  /** Nothing more is taken: this process is about to end. */
  readonly isClosing: () => boolean
}
type Answer = {
  readonly status: number
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
}

const requestsMax = 1_024
const answerMsMax = 15_000
const retryAfterSeconds = '2'
const contentTypes = new Set(['application/logplex-1', 'application/x-logplex-1'])

const stored: Answer = { status: 204 }
const unauthorized: Answer = { status: 401, headers: { 'www-authenticate': 'Basic realm=Logplex' } }
const bad = (text: string): Answer => ({ status: 400, text })
const later = (text: string): Answer => ({ status: 503, text, headers: { 'retry-after': retryAfterSeconds } })

const refusals = {
  malformed: bad('Malformed log messages'),
  broken: bad('Bad request'),
  'too-large': {
    status: 413,
    text: `A body may have ${laneLimits.appBytesMax} bytes, and each line in it counts as 256 more`,
    headers: { connection: 'close' },
  },
  'no-room': later('Too many log lines wait to be stored'),
} satisfies Readonly<Record<string, Answer>>
type Refusal = keyof typeof refusals

export type LogsHandler = (req: IncomingMessage, res: ServerResponse) => Promise<void>

export const logsHandler = (deps: LogsDeps): LogsHandler => {
  const { tokens, lanes, clock, isClosing } = deps
  const repeats = createRepeats(clock)
  let requests = 0

  const take = async (req: IncomingMessage, to: Destination, isGzip: boolean): Promise<Answer> => {
    const { appId, name } = to
    const nowUs = Math.round(clock.now() * 1000)
    const parser = new FrameParser()
    const id = idOf(req)
    // An id may be as long as a header.
    const sum = createHash('sha256').update(JSON.stringify([appId, name, id]))
    const lines: Line[] = []
    let messages = 0
    let reserved = 0
    const refusal = await readBody(req, isGzip, (piece): Refusal | undefined => {
      if (id !== undefined) sum.update(piece)
      let cost = piece.length
      for (const frame of parser.feed(piece)) {
        const message = parseMessage(frame)
        if (message === undefined) return 'malformed'
        messages += 1
        cost += addLines(message, name, nowUs, lines)
      }
      if (parser.malformed > 0) return 'malformed'
      if (reserved + cost > laneLimits.appBytesMax) return 'too-large'
      if (!lanes.reserve(appId, cost)) return 'no-room'
      reserved += cost
      return undefined
    })
    // A frame that has not wholly come is none.
    const fault = refusal === undefined ? countFault(req, messages) : refusals[refusal]
    if (fault !== undefined) {
      lanes.release(appId, reserved)
      return fault
    }
    if (lines.length === 0) {
      lanes.release(appId, reserved)
      return stored
    }
    const known = id === undefined ? undefined : sum.digest('base64')
    const { done, isRepeat } = repeats.once(known, () => lanes.push(appId, lines, reserved))
    if (isRepeat) lanes.release(appId, reserved)
    return (await isWithin(done, answerMsMax, clock)) ? stored : later('The log lines are not stored yet')
  }

  const answerTo = async (req: IncomingMessage): Promise<Answer> => {
    if (req.method !== 'POST') return { status: 405, headers: { allow: 'POST' } }
    if (isClosing()) return later('This host is about to end')
    if (requests > requestsMax) return refusals['no-room']
    const token = tokenIn(req.headers.authorization)
    if (token === undefined) return unauthorized
    let to: Destination | undefined
    try {
      to = await tokens.find(token)
    } catch {
      return later('Tokens cannot be looked up now')
    }
    if (to === undefined) return unauthorized
    const type = (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
    if (!contentTypes.has(type)) return { status: 415, text: 'Content-Type must be application/logplex-1' }
    const encoding = (req.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
    if (encoding === 'gzip' || encoding === 'identity') return take(req, to, encoding === 'gzip')
    return { status: 415, text: 'Content-Encoding must be gzip, or left out' }
  }

  return async (req, res) => {
    requests += 1
    try {
      const { status, text = '', headers = {} } = await answerTo(req)
      const length = status === 204 ? {} : { 'content-length': Buffer.byteLength(text) }
      res.writeHead(status, { ...(text !== '' && { 'content-type': 'text/plain' }), ...length, ...headers })
      res.end(text)
    } finally {
      requests -= 1
    }
  }
}

/** Of `Basic token:<token>`, or of `Bearer <token>`, as log-shuttle may say it. */
const tokenIn = (authorization = ''): string | undefined => {
  const [, scheme = '', value = ''] = /^(\w+) +(\S+) *$/.exec(authorization) ?? []
  if (/^bearer$/i.test(scheme)) return value
  if (!/^basic$/i.test(scheme)) return undefined
  const pair = Buffer.from(value, 'base64').toString()
  return pair.startsWith('token:') ? pair.slice('token:'.length) : undefined
}

/** How a batch is known when it comes again; a sender may be wrong, so its bytes must be the same too. */
const idOf = ({ headers }: IncomingMessage): string | undefined => {
  const id = headers['logplex-frame-id'] ?? headers['x-request-id']
  return typeof id === 'string' && id !== '' ? id : undefined
}

const countFault = ({ headers }: IncomingMessage, messages: number): Answer | undefined => {
  const told = headers['logplex-msg-count']
  if (told === undefined) return undefined
  if (typeof told !== 'string' || !/^\d{1,9}$/.test(told)) return refusals.broken
  return Number(told) === messages ? undefined : bad('Message count mismatch')
}

const isWithin = (done: Promise<void>, ms: number, clock: Clock): Promise<boolean> =>
  new Promise((resolve) => {
    const late = clock.after(ms, () => resolve(false))
    void done.then(() => {
      late.cancel()
      resolve(true)
    })
  })
