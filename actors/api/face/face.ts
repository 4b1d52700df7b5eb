/**
 * Face: the HTTP side of the API. It maps method and path to a NATS request and its answer back, and
 * nothing else.
 *
 * The only importer of fastify. Every request carries an `Authorization` to the service: one without is
 * sent on as `anonymous`, which is nobody's, so that no one at the HTTP door is taken for an operator.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { bytesOf, statusOf, subjectOf } from '../../../src/client/over-nats.ts'
import { clientOf } from '../../../src/http/client-address.ts'
import type { Log } from '../../../src/ports/log.ts'
import type { Random } from '../../../src/ports/random.ts'
import { parseJson, textIn } from '../call.ts'
import { paramNames, type Endpoint } from '../endpoint.ts'
import { ApiError, noEndpoint, retryAfter, unavailable } from '../errors.ts'
import { clientHeader, givenIdHeader, replayedHeader } from '../service.ts'
import { etagOf, matches, preconditionFailed, shownBy } from './conditions.ts'
import { sayText, type Mount } from './mount.ts'

/**
 * Requests over NATS, as src/nats/requests.ts makes them. Rejects with `undone` true when surely
 * nothing was done.
 */
export type ApiRequests = {
  readonly ask: (
    subject: string,
    bytes: Uint8Array,
    timeoutMs: number,
    headers: Readonly<Record<string, string>>,
  ) => Promise<{ readonly bytes: Uint8Array; readonly header: (name: string) => string | undefined }>
}

export type FaceOptions = {
  readonly endpoints: readonly Endpoint[]
  readonly requests: ApiRequests
  readonly mounts: readonly Mount[]
  readonly random: Random
  readonly log: Log
  readonly timeouts?: FaceTimeouts
}
export type FaceTimeouts = {
  readonly requestTimeout: number
  readonly headersTimeout: number
  readonly keepAliveTimeout: number
}

/** A large push over a slow line takes its time; a client that dawdles over its head does not get it. */
export const faceTimeouts = { requestTimeout: 30 * 60_000, headersTimeout: 60_000, keepAliveTimeout: 65_000 }
const bodyBytesMax = 1024 * 1024
/** The service's own answer to a slow actor must win over ours. */
const graceMs = 5_000
/** What clients that can only POST may mean (`X-HTTP-Method-Override`). */
const overrides = new Set(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'])
const passedBack = [
  'Accept-Ranges',
  'Content-Range',
  'Next-Range',
  'RateLimit-Remaining',
  'Heroku-Webhook-Secret',
  replayedHeader,
  'Warning-Message',
]

/** An HTTP server that listens nowhere: connections are handed to it (src/http/shared-port.ts). */
export const createFace = async (options: FaceOptions): Promise<Server> => {
  let route: (req: IncomingMessage, res: ServerResponse) => void = () => undefined
  const { timeouts = faceTimeouts } = options
  const server = createServer(timeouts, (req, res) => void mounted(req, res, options, route))
  const app = fastify({
    serverFactory: (handler) => {
      route = handler
      return server
    },
    bodyLimit: bodyBytesMax,
    routerOptions: { maxParamLength: 1024, ignoreTrailingSlash: true },
  })
  app.removeAllContentTypeParsers()
  // Some clients put a content type on requests without a body; the body alone says whether there is one.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, bytes, done) => done(null, bytes))
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('Request-Id', options.random.uuid())
    reply.header('Cache-Control', 'private, no-cache')
    done(misnamed(request.headers))
  })
  app.setNotFoundHandler((_request, reply) => refuse(reply, noEndpoint()))
  app.setErrorHandler((error, _request, reply) => refuse(reply, asApiError(error, options.log)))
  for (const endpoint of options.endpoints) {
    const { method, path, also = [] } = endpoint.http
    for (const url of [path, ...also])
      app.route({
        method,
        url,
        handler: forward(endpoint, shownBy(endpoint, options.endpoints), options.requests),
      })
  }
  await app.ready()
  return server
}

const mounted = async (
  req: IncomingMessage,
  res: ServerResponse,
  { mounts, log }: FaceOptions,
  route: (req: IncomingMessage, res: ServerResponse) => void,
): Promise<void> => {
  const path = (req.url ?? '/').split('?', 1)[0] ?? '/'
  for (const mount of mounts) {
    const handle = mount.at(req.method ?? 'GET', path)
    if (handle === undefined) continue
    try {
      await handle(req, res)
    } catch (error) {
      log({ at: 'face-failed', path, error: error instanceof Error ? error.message : String(error) })
      if (res.headersSent) res.destroy()
      else sayText(res, 503, 'The service is temporarily unavailable.\n')
    }
    return
  }
  const method = overrideIn(req.headers)
  if (req.method === 'POST' && method !== undefined && overrides.has(method)) req.method = method
  route(req, res)
}

const overrideIn = ({ 'x-http-method-override': method }: IncomingHttpHeaders): string | undefined =>
  typeof method === 'string' && method !== '' ? method.toUpperCase() : undefined

/** It would be done as a POST, which it is not meant to be. */
const misnamed = (headers: IncomingHttpHeaders): ApiError | undefined => {
  const method = overrideIn(headers)
  if (method === undefined || method === 'POST' || overrides.has(method)) return undefined
  const allowed = [...overrides].join(', ')
  return new ApiError('bad_request', `X-HTTP-Method-Override must be one of POST, ${allowed}.`)
}

const forward =
  (endpoint: Endpoint, shown: Endpoint | undefined, requests: ApiRequests) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    needAcceptable(request.headers.accept)
    const names = paramNames(endpoint.http.path)
    const given = request.params as Readonly<Record<string, string>>
    const text = request.body instanceof Uint8Array ? textIn(request.body).trim() : ''
    const { range, traceparent, authorization, 'user-agent': agent, 'if-match': expected } = request.headers
    const { 'request-id': givenId, 'idempotency-key': key } = request.headers
    const headers = {
      // Never empty: an empty header may get lost on the way, and its absence means the operator.
      Authorization: authorization === undefined || authorization === '' ? 'anonymous' : authorization,
      [clientHeader]: clientOf(request.raw) ?? '',
      ...(typeof agent === 'string' && agent !== '' ? { 'User-Agent': agent } : {}),
      'Request-Id': String(reply.getHeader('Request-Id')),
      ...(typeof range === 'string' ? { Range: range } : {}),
      ...(typeof givenId === 'string' ? { [givenIdHeader]: givenId } : {}),
      ...(typeof key === 'string' ? { 'Idempotency-Key': key } : {}),
      ...(typeof traceparent === 'string' ? { Traceparent: traceparent } : {}),
    }
    const bytes = bytesOf({
      params: Object.fromEntries(names.map((name) => [name, given[name] ?? ''])),
      query: request.query as Readonly<Record<string, string>>,
      body: text === '' ? undefined : parseJson(text),
      range: undefined,
    })
    if (expected !== undefined && shown !== undefined) {
      const { Range: _part, ...whole } = headers
      const seen = await requests.ask(subjectOf(shown.name), bytes, shown.timeoutMs + graceMs, whole)
      const isThere = statusOf(seen.header) === 200
      if (isThere && !matches(expected, etagOf(seen.bytes))) throw preconditionFailed()
    }
    const answer = await requests.ask(subjectOf(endpoint.name), bytes, endpoint.timeoutMs + graceMs, headers)
    for (const name of passedBack) {
      const value = answer.header(name)
      if (value !== undefined) reply.header(name, value)
    }
    const status = statusOf(answer.header) ?? 500
    // Without a body it is the service's own refusal: too busy, or broken.
    if (answer.bytes.length === 0)
      throw Object.assign(new Error(`the service answered ${status}`), { undone: status === 503 })
    return send(request, reply, status, answer.bytes)
  }

/** What we answer: version 3 of the API, with or without a variant (`3.sdk`), and JSON in general. */
const acceptable = new Set(['*/*', 'application/*', 'application/json', 'application/vnd.heroku+json'])
const isAcceptable = (range: string): boolean => {
  const [type = '', ...options] = range.split(';').map((part) => part.trim().toLowerCase())
  const version = options.find((option) => option.startsWith('version='))
  return acceptable.has(type) && (version === undefined || /^version=3(?:\.[a-z-]+)*$/.test(version))
}

const needAcceptable = (accept: string | undefined): void => {
  if (accept === undefined || accept.trim() === '') return
  if (accept.split(',').some(isAcceptable)) return
  throw new ApiError(
    'not_acceptable',
    'No acceptable format: send Accept: application/vnd.heroku+json; version=3, or application/json.',
  )
}

const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD'

const send = (
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  bytes: Uint8Array,
): FastifyReply => {
  const etag = etagOf(bytes)
  if (status < 300) reply.header('ETag', etag)
  if (status === 503) reply.header('Retry-After', retryAfter)
  const known = request.headers['if-none-match']
  if (status === 200 && isRead(request.method) && known !== undefined && matches(known, etag)) {
    return reply.code(304).send()
  }
  return reply.code(status).type('application/json; charset=utf-8').send(Buffer.from(bytes))
}

const refuse = (reply: FastifyReply, error: ApiError): FastifyReply => {
  if (error.status === 503) reply.header('Retry-After', retryAfter)
  return reply
    .code(error.status)
    .type('application/json; charset=utf-8')
    .send(Buffer.from(JSON.stringify(error.body())))
}

/**
 * Fastify's own errors (a body too large, a broken request) have a status; a request's failure says if
 * it was done.
 */
const asApiError = (error: unknown, log: Log): ApiError => {
  if (error instanceof ApiError) return error
  const { statusCode, undone, message } = error as { statusCode?: number; undone?: boolean; message?: string }
  if (statusCode === 413)
    return new ApiError('payload_too_large', `The body of a request may have ${bodyBytesMax} bytes.`)
  if (statusCode !== undefined && statusCode < 500)
    return new ApiError('bad_request', message ?? 'Bad request.')
  log({ at: 'face-failed', error: message ?? String(error), undone })
  return unavailable(undone === true, error)
}
