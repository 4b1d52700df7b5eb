/**
 * The API, typed: names of calls, what each takes and answers, and how each may fail. The contract is written
 * from the endpoints themselves (`npm run api-page`), so that what it lets through is what they take; over
 * NATS or HTTP, as the way that it is given goes.
 */
import type { Answers } from './answers.ts'
import type { FirstCalls } from './calls-first.ts'
import type { SecondCalls } from './calls-second.ts'
import { errorIds, type ErrorId } from './errors.ts'
import { routes } from './routes.ts'

export type Calls = FirstCalls & SecondCalls
export type CallName = keyof Calls & keyof typeof routes & keyof Answers

type Listing = {
  readonly query?: Readonly<Record<string, string>>
  /** `version ..; max=15, order=desc` */
  readonly range?: string
}
type Sent<N extends CallName> = Calls[N] & Listing
/** Nothing has to be said where nothing is asked for. */
type Args<N extends CallName> = object extends Calls[N] ? [sent?: Sent<N>] : [sent: Sent<N>]

export type Answer<N extends CallName> = {
  readonly status: number
  readonly body: Answers[N]
  /** Of a list that goes on: the range of what follows. */
  readonly nextRange: string | undefined
}

/** It was refused, in the API's words; or there was no answer that it could have given. */
export class ApiRefused extends Error {
  override readonly name = 'ApiRefused'
  readonly code: ErrorId | 'broken'
  readonly status: number
  /** What was not found. */
  readonly resource: string | undefined
  constructor(code: ErrorId | 'broken', status: number, message: string, resource?: string) {
    super(message)
    this.code = code
    this.status = status
    this.resource = resource
  }
}

export type RawCall = {
  readonly name: CallName
  readonly method: string
  /** With its params in it. */
  readonly path: string
  readonly params: Readonly<Record<string, string>>
  readonly body: unknown
  readonly query: Readonly<Record<string, string>>
  readonly range: string | undefined
}
export type RawAnswer = {
  readonly status: number
  readonly text: string
  readonly header: (name: string) => string | undefined
}
/** How a call gets there. */
export type Way = (call: RawCall) => Promise<RawAnswer>

export type ApiClient = {
  /** The body alone. @throws ApiRefused, and what the way throws when there is no answer */
  readonly call: <N extends CallName>(name: N, ...args: Args<N>) => Promise<Answers[N]>
  readonly answer: <N extends CallName>(name: N, ...args: Args<N>) => Promise<Answer<N>>
}

export const apiClient = (way: Way): ApiClient => {
  const answer = async <N extends CallName>(name: N, ...[sent]: Args<N>): Promise<Answer<N>> => {
    const raw = await way(rawCall(name, sent ?? {}))
    const body = parse(raw)
    if (raw.status < 200 || raw.status >= 300) throw refusalOf(raw.status, body)
    // What it is like is the service's word: the tests of the API hold each answer against its shape.
    return { status: raw.status, body: body as Answers[N], nextRange: raw.header('Next-Range') }
  }
  return { answer, call: async (name, ...args) => (await answer(name, ...args)).body }
}

const rawCall = (name: CallName, { params = {}, body, query = {}, range }: Partial<RawCall>): RawCall => {
  const [method = '', pattern = ''] = routes[name].split(' ')
  const path = pattern.replaceAll(/:(\w+)/g, (_, param: string) => {
    const value = params[param]
    if (value === undefined || value === '') throw new ApiRefused('broken', 0, `${name} needs ${param}`)
    return encodeURIComponent(value)
  })
  const search = new URLSearchParams(query).toString()
  return { name, method, path: search === '' ? path : `${path}?${search}`, params, body, query, range }
}

const parse = ({ status, text }: RawAnswer): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new ApiRefused('broken', status, `the answer ${status} is no JSON: ${text.trim().slice(0, 200)}`)
  }
}

const refusalOf = (status: number, body: unknown): ApiRefused => {
  const { id, message, resource } = (body ?? {}) as Readonly<Record<string, unknown>>
  const known = errorIds.find((one) => one === id)
  const text = typeof message === 'string' ? message : `the answer was ${status}`
  return new ApiRefused(known ?? 'broken', status, text, typeof resource === 'string' ? resource : undefined)
}
