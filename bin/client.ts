/**
 * The way to the host that runs here: where its API is and the owner's key, both read from its home. Loopback
 * only, as the API itself.
 */
import { readFileSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { loadUserToken } from '../config/load.ts'
import { apiClient, ApiRefused, type ApiClient } from '../src/client/client.ts'
import { headerOf, overHttp } from '../src/client/over-http.ts'

/** It was not done, in words for the operator. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** As the host says it: `done/total`. */
export type Told = (progress: string) => void

export type Client = {
  /** A call of the API. @throws Refused */
  readonly call: ApiClient['call']
  /** What is asked of the host besides its API: JSON. @throws Refused */
  readonly ask: <T>(method: string, path: string) => Promise<T>
  /** Streams an answer into `to`; `told` hears how far the host is until it comes. @throws Refused */
  readonly download: (path: string, to: NodeJS.WritableStream, told: Told) => Promise<void>
  /** Streams a file up; `told` hears how far the host is with it. @throws Refused */
  readonly upload: <T>(path: string, from: Readable, told: Told) => Promise<T>
  /**
   * Server-Sent Events at a path, which needs no credentials. Undefined: they are not there (any more).
   *
   * @param lastId of the event to go on behind
   * @throws Refused
   */
  readonly events: (path: string, lastId: string | undefined) => Promise<IncomingMessage | undefined>
}

/** Longer than the API itself takes to give up. */
const silenceMs = 60_000
const agent = 'manifold'
const progressHeader = 'manifold-progress'

/** @throws Refused when no host ever ran with this home */
export const openClient = (home: string): Client => {
  const { url, token } = readEnv(home)
  const authorized = {
    authorization: `Bearer ${token}`,
    accept: 'application/json',
    'user-agent': agent,
  }
  const send = (
    method: string,
    path: string,
    from?: Readable | Buffer,
    own: Readonly<Record<string, string>> = authorized,
    told?: Told,
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = {
        ...own,
        ...(Buffer.isBuffer(from) && { 'content-length': from.length }),
        ...(told && { [progressHeader]: '1' }),
      }
      const sent = request(new URL(path, url), { method, headers }, resolve)
      sent.on('information', ({ headers: { [progressHeader]: progress } }) => {
        if (typeof progress === 'string') told?.(progress)
      })
      const fail = (error: Error): void => {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'ECONNREFUSED')
          reject(new Refused('down', `no host answers at ${url}: start it with npm start`, { cause: error }))
        else
          reject(
            new Refused('broken', `the host at ${url} did not answer: ${error.message}`, { cause: error }),
          )
      }
      sent.once('error', fail)
      sent.setTimeout(silenceMs, () => sent.destroy(new Error(`silent for ${silenceMs / 1000} s`)))
      if (from === undefined || Buffer.isBuffer(from)) sent.end(from)
      // An answer that comes before all was sent ends the sending: it is what counts.
      else pipeline(from, sent).catch((error: unknown) => fail(error as Error))
    })
  const answerOf = async <T>(answer: IncomingMessage): Promise<T> => {
    const said = await text(answer)
    const { statusCode = 500 } = answer
    let body: unknown
    try {
      body = JSON.parse(said)
    } catch (error) {
      throw new Refused('broken', `the host answered ${statusCode}: ${said.trim()}`, { cause: error })
    }
    if (statusCode < 300) return body as T
    const { id = 'broken', message = said } = body as { id?: string; message?: string }
    throw new Refused(id, message)
  }
  const api = apiClient(
    overHttp(async ({ method, path, headers, body }) => {
      const bytes = body === undefined ? undefined : Buffer.from(body)
      const answer = await send(method, path, bytes, { ...headers, 'user-agent': agent })
      const header = headerOf(answer.headers)
      return { status: answer.statusCode ?? 500, text: await text(answer), header }
    }, token),
  )
  return {
    async call(name, ...args) {
      try {
        return await api.call(name, ...args)
      } catch (error) {
        throw error instanceof ApiRefused ? new Refused(error.code, error.message, { cause: error }) : error
      }
    },
    ask: async (method, path) => answerOf(await send(method, path)),
    async download(path, to, told) {
      const answer = await send('GET', path, undefined, authorized, told)
      if (answer.statusCode !== 200) await answerOf(answer)
      try {
        await pipeline(answer, to, { end: false })
      } catch (error) {
        throw new Refused('broken', 'the connection ended before the backup was whole', { cause: error })
      }
    },
    upload: async (path, from, told) => answerOf(await send('PUT', path, from, authorized, told)),
    async events(path, lastId) {
      const headers = { accept: 'text/event-stream', ...(lastId && { 'last-event-id': lastId }) }
      const answer = await send('GET', path, undefined, headers)
      if (answer.statusCode === 200) return answer
      if (answer.statusCode !== 404) throw new Refused('refused', (await text(answer)).trim())
      answer.resume()
      return undefined
    },
  }
}

/** The file that the host writes for the heroku CLI says all that is needed. */
const readEnv = (home: string): { readonly url: string; readonly token: string } => {
  const file = join(home, 'env')
  let env: string
  try {
    env = readFileSync(file, 'utf8')
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const why = missing
      ? `no host has run with MANIFOLD_HOME=${home}: start one with npm start`
      : `cannot read ${file}: run this as the user who runs the host`
    throw new Refused('no_home', why, { cause: error })
  }
  const value = (name: string): string => new RegExp(`^export ${name}='([^']+)'$`, 'm').exec(env)?.[1] ?? ''
  // A host that has no token leaves it to its users.
  const token = value('HEROKU_API_KEY') || loadUserToken()
  if (token === undefined)
    throw new Refused('no_token', 'no token lies on this host: export HEROKU_API_KEY with your own')
  return { url: value('HEROKU_HOST'), token }
}
