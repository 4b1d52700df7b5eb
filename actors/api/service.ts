/**
 * Service: the endpoints as handlers of requests over NATS, and the only place where a call is authenticated.
 *
 * Without an `Authorization` header a call is the operator's: the server lets only authenticated
 * connections publish on these subjects. The HTTP face always sends one.
 */
import { statusHeader, subjectOf } from '../../src/client/over-nats.ts'
import { needOperator, needScope, type Caller } from './access.ts'
import type { Audit, Change } from './audit.ts'
import { App } from '../protocols/app.ts'
import type { Who } from '../protocols/shapes.ts'
import { metadataOf } from './metadata.ts'
import { callReader } from './call.ts'
import { exchangeIn } from './exchange.ts'
import type { Edge } from './edge.ts'
import { idFrom, keyIn, type Begun } from './retries.ts'
import type { ServiceAnswer } from './service-answer.ts'
import { ranged } from './range.ts'
import type { Endpoint, Reply, Request } from './endpoint.ts'
import { appIdOf, uuid } from './name-index.ts'
import { ApiError, askFailureOf, fromAskFailure } from './errors.ts'

export type ServiceEndpoint = {
  readonly name: string
  readonly subject: string
  /** For whoever looks the service up: what it is for, takes and answers. Each is text; schemas are JSON. */
  readonly metadata: Readonly<Record<string, string>>
  /** @param userId who asks, as the bus vouches; left out: as the header `Authorization` says */
  readonly handle: (
    bytes: Uint8Array,
    header: (name: string) => string | undefined,
    userId?: string,
  ) => Promise<ServiceAnswer>
}

/** The address that an HTTP client called from. */
export const clientHeader = 'Manifold-Client'

/** `Request-Id` as the client of the HTTP face gave it: its answer has another. */
export const givenIdHeader = 'Manifold-Request-Id'
/** The answer is that of the same call before. */
export const replayedHeader = 'Idempotent-Replayed'

const headersOfUsers: ReadonlySet<string> = new Set(['Request-Id', 'Range', 'Traceparent', 'Idempotency-Key'])

/** A write waits for the record's next leader: an election takes 4 to 9 s, and longer on a busy machine. */
const askTimeoutMs = 20_000

export const apiService = (endpoints: readonly Endpoint[], edge: Edge): readonly ServiceEndpoint[] =>
  endpoints.map((endpoint) => ({
    name: endpoint.name.replaceAll('.', '_'),
    subject: subjectOf(endpoint.name),
    metadata: metadataOf(endpoint),
    handle: handlerOf(endpoint, edge),
  }))

const handlerOf = (endpoint: Endpoint, edge: Edge): ServiceEndpoint['handle'] => {
  const read = callReader(endpoint)
  return async (bytes, given, userId) => {
    // Of what a user of the bus says of a request, the rest is nobody's word but theirs.
    const header: typeof given = (name) =>
      userId === undefined || headersOfUsers.has(name) ? given(name) : undefined
    const startedAt = edge.now()
    const requestId = header('Request-Id') ?? edge.random.uuid()
    let caller: Caller | undefined
    let audited: Awaited<ReturnType<Audit['begin']>> | undefined
    let mine: Begun | undefined
    const limits = (): Record<string, string> =>
      caller === undefined ? {} : { 'RateLimit-Remaining': String(edge.rates.remaining(caller.user.id)) }
    const done = (status: number, failure?: Readonly<Record<string, string>>): void =>
      edge.log({
        at: 'request',
        name: endpoint.name,
        status,
        ms: edge.now() - startedAt,
        request_id: requestId,
        ...failure,
      })
    try {
      const called = once(() => read(bytes))
      caller = await identify(endpoint, edge, header, userId, () => called().body)
      if (endpoint.needs === 'operator') needOperator(caller)
      needScope(caller, endpoint.scope)
      const call = called()
      // Who calls what is open to all is nobody, and has no calls of its own.
      const key = endpoint.changes && endpoint.open !== true ? keyOf(header) : undefined
      if (key !== undefined) {
        const said = { userId: caller.user.id, name: endpoint.name, key }
        const begun = edge.retries.begin(said, bytes)
        if ('answer' in begun) return await replayed(begun.answer, done)
        mine = begun
      }
      const traceparent = header('Traceparent') ?? traceOf(requestId)
      const range = call.range ?? header('Range')
      const { id, email } = caller.user
      const needs = endpoint.needs === 'operator' ? 'manage' : endpoint.needs
      const newId = newIdOf(edge, mine)
      const from = { who: { id, email }, caller, needs, requestId, newId }
      const request: Request = { ...call, range, ...from, ...asksOf(edge, from.who, traceparent) }
      if (endpoint.changes) {
        const onceId = mine === undefined || mine.isFree ? undefined : mine.id
        audited = await edge.audit.begin(await changeOf(endpoint, request, header, edge), onceId)
        if (audited.before !== undefined && !endpoint.again) needUndone(audited.before)
      }
      const made = await endpoint.run(request as Request<never, never>, edge)
      const reply = endpoint.http.method === 'GET' ? ranged(made, range) : made
      audited?.end(reply.status, reply.release)
      done(reply.status)
      const answered = answer(reply, limits())
      mine?.end(answered, 'done')
      return answered
    } catch (error) {
      const failure = asApiError(error)
      audited?.end(failure.status)
      done(failure.status, {
        code: failure.code,
        ...(failure.code === 'internal_server_error' ? { error: textOf(error) } : {}),
      })
      const { status: code, message: description } = failure
      const answered = {
        ...answer({ status: code, body: failure.body() }, limits()),
        error: { code, description },
      }
      // Of one that was begun before nobody here knows whether it was done.
      const isUndone = failure.isUndone && audited?.before === undefined
      mine?.end(answered, isUndone ? 'undone' : 'unknown')
      return answered
    }
  }
}

const keyOf = (header: (name: string) => string | undefined): string | undefined =>
  keyIn({ idempotencyKey: header('Idempotency-Key'), requestId: header(givenIdHeader) })

const newIdOf = (edge: Edge, mine: Begun | undefined) => (): string =>
  mine === undefined ? edge.random.uuid() : idFrom(mine.id, 'made')

const replayed = async (
  answer: Promise<ServiceAnswer>,
  done: (status: number) => void,
): Promise<ServiceAnswer> => {
  const same = await answer
  done(Number(same.headers[statusHeader]))
  return { ...same, headers: { ...same.headers, [replayedHeader]: 'true' } }
}

/** @throws ApiError `conflict`: it was begun before, and may have been done */
const needUndone = ({ status }: { readonly status: number | null }): void => {
  if (status !== null && status >= 400 && status < 500) return
  const outcome =
    status === null || status >= 500 ? 'what came of it is not known' : `was answered with ${status}`
  throw new ApiError('conflict', `This call was made before, and ${outcome}: look before you make another.`)
}

/** All that actors say of a request has its id: as the trace that they hand on, if the client began none. */
const traceOf = (requestId: string): string | undefined => {
  const hex = requestId.replaceAll('-', '')
  return /^[0-9a-f]{32}$/.test(hex) ? `00-${hex}-${hex.slice(16)}-01` : undefined
}

const identify = async (
  endpoint: Endpoint,
  edge: Edge,
  header: (name: string) => string | undefined,
  userId: string | undefined,
  body: () => unknown,
): Promise<Caller> => {
  if (endpoint.open === true) return operatorOf(edge)
  const caller =
    endpoint.open === 'exchange'
      ? await byExchange(edge, body())
      : userId === undefined
        ? await callerBy(endpoint, edge, header)
        : await edge.accounts.byId(userId)
  if (caller === undefined) return operatorOf(edge)
  if (!endpoint.free && !edge.rates.take(caller.user.id)) {
    throw new ApiError(
      'rate_limit',
      'Your account reached the API rate limit. Please wait a few minutes before making new requests.',
    )
  }
  return caller
}

/** A client says whose it is by what it shows, and by nothing else. */
const byExchange = (edge: Edge, body: unknown): Promise<Caller> => {
  const { secret, clientSecret } = exchangeIn(body)
  return edge.accounts.byExchange(secret, clientSecret)
}

const once = <T extends object>(make: () => T): (() => T) => {
  let made: T | undefined
  return () => (made ??= make())
}

/** Undefined: nobody is named, which only the operator's own connections may leave out. */
const callerBy = async (
  endpoint: Endpoint,
  edge: Edge,
  header: (name: string) => string | undefined,
): Promise<Caller | undefined> => {
  const authorization = header('Authorization')
  return authorization === undefined
    ? undefined
    : callerOf(endpoint, edge, authorization, header(clientHeader))
}

const operatorOf = (edge: Edge): Caller => ({
  user: edge.accounts.owner(),
  scopes: ['global'],
  authorizationId: null,
})

/** Where a password is taken, a token is as well: both come as the second half of a pair. */
const callerOf = async (
  endpoint: Endpoint,
  edge: Edge,
  authorization: string,
  from: string | undefined,
): Promise<Caller> => {
  if (endpoint.open !== 'password' || !/^basic\s/i.test(authorization))
    return edge.authenticate(authorization === 'anonymous' ? '' : authorization, from)
  try {
    return await edge.accounts.authenticate(authorization)
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'unauthorized') throw error
    return edge.accounts.byPassword(authorization)
  }
}

const changeOf = async (
  { name }: Endpoint,
  { params, body, who, caller, requestId }: Request,
  header: (name: string) => string | undefined,
  { store }: Edge,
): Promise<Change> => {
  const named = params as Readonly<Record<string, string>>
  const { app } = named
  return {
    requestId,
    action: name,
    who,
    authorizationId: caller.authorizationId,
    from: { address: header(clientHeader) ?? 'nats', agent: header('User-Agent') ?? '' },
    appId: app === undefined ? null : uuid.test(app) ? app : ((await appIdOf(store, app)) ?? null),
    params: named,
    fields: typeof body === 'object' && body !== null && !Array.isArray(body) ? Object.keys(body) : [],
  }
}

const asksOf = (edge: Edge, who: Who, traceparent: string | undefined): Pick<Request, 'ask' | 'tell'> => {
  const traced = traceparent === undefined ? {} : { traceparent }
  return {
    async ask(to, message, about) {
      try {
        return await edge.ask(to, onBehalf(to, message, who), {
          timeoutMs: about?.timeoutMs ?? askTimeoutMs,
          ...traced,
        })
      } catch (error) {
        const failure = askFailureOf(error)
        throw failure === undefined ? error : fromAskFailure(failure, about?.resource ?? 'app', error)
      }
    },
    tell: (to, message) => edge.tell(to, message, traced),
  }
}

/** An app tells who changed it. */
const onBehalf = <M extends object>(to: { readonly to: string }, message: M, by: Who): M =>
  to.to === App.name ? { ...message, by } : message

const answer = (
  { status, body, headers }: Reply,
  limits: Readonly<Record<string, string>>,
): ServiceAnswer => ({
  bytes: Buffer.from(JSON.stringify(body)),
  headers: { ...headers, ...limits, [statusHeader]: String(status) },
})

/**
 * What is not an answer of ours is a fault of ours, or of the store: the record could not be read or
 * written.
 */
const asApiError = (error: unknown): ApiError => {
  if (error instanceof ApiError) return error
  if (error instanceof Error && 'code' in error && error.code === 'store_unavailable') {
    return fromAskFailure({ kind: 'unknown', reason: error.message }, 'app', error)
  }
  return new ApiError('internal_server_error', 'Internal server error.', { cause: error })
}

const textOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)
