/**
 * What the API answers when it cannot do as asked: Heroku's ids, statuses and texts, once.
 *
 * Callers match on `id`; the stock CLI prints `message` and exits 2.
 */
import type { AskFailure } from '../../src/runtime/index.ts'

/** Each id with its HTTP status. */
export const errorStatus = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  suspended: 403,
  not_found: 404,
  not_acceptable: 406,
  conflict: 409,
  gone: 410,
  precondition_failed: 412,
  payload_too_large: 413,
  requested_range_not_satisfiable: 416,
  invalid_params: 422,
  rate_limit: 429,
  internal_server_error: 500,
  service_unavailable: 503,
} as const
export type ErrorId = keyof typeof errorStatus

export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ErrorId
  readonly resource: string | undefined
  /** The code that an actor refused with, when one did. */
  readonly refusal: string | undefined
  constructor(
    code: ErrorId,
    message: string,
    options?: ErrorOptions & { readonly resource?: string; readonly refusal?: string },
  ) {
    super(message, options)
    this.code = code
    this.resource = options?.resource
    this.refusal = options?.refusal
  }
  /** Surely nothing was changed: it may be asked again. */
  get isUndone(): boolean {
    return this.status < 500 || askFailureOf(this.cause)?.kind === 'nobody'
  }
  get status(): number {
    return errorStatus[this.code]
  }
  /** `{ id, message, resource? }` */
  body(): { readonly id: string; readonly message: string; readonly resource?: string } {
    const { code: id, message, resource } = this
    return resource === undefined ? { id, message } : { id, message, resource }
  }
}

/** `notFound('app')`: Couldn't find that app. */
export const notFound = (resource: string): ApiError =>
  new ApiError('not_found', `Couldn't find that ${resource.replaceAll('_', ' ')}.`, { resource })
export const invalid = (message: string): ApiError => new ApiError('invalid_params', message)
export const unauthorized = (): ApiError => new ApiError('unauthorized', 'Invalid credentials provided.')
export const noEndpoint = (): ApiError =>
  new ApiError(
    'not_found',
    'The requested API endpoint was not found. Are you using the right HTTP verb (i.e. `GET` vs. `POST`), ' +
      'and did you specify your intended version with the `Accept` header?',
  )

/** Seconds: an election of the record's leader, or the return of a host, takes a few. */
export const retryAfter = '2'
/** @param isUndone surely nothing was done */
export const unavailable = (isUndone: boolean, cause?: unknown): ApiError =>
  new ApiError(
    'service_unavailable',
    isUndone
      ? 'The service is temporarily unavailable and nothing was changed. Please try again in a moment.'
      : 'The service did not answer in time. The change may have been made: look before you try again.',
    { cause },
  )

/** What actors refuse with, as Heroku's ids. */
const refusals: Readonly<Record<string, ErrorId>> = {
  not_found: 'not_found',
  invalid_params: 'invalid_params',
  name_taken: 'invalid_params',
  hostname_taken: 'invalid_params',
  conflict: 'conflict',
  forbidden: 'forbidden',
  no_room: 'service_unavailable',
  too_many: 'service_unavailable',
  platform: 'service_unavailable',
  key_missing: 'service_unavailable',
  busy: 'conflict',
}

/** @param resource what a `not_found` of this ask is about */
export const fromAskFailure = (failure: AskFailure, resource: string, cause: unknown): ApiError => {
  if (failure.kind === 'refused') {
    const id = refusals[failure.code] ?? 'internal_server_error'
    return id === 'not_found'
      ? notFound(resource)
      : new ApiError(id, failure.reason, { cause, refusal: failure.code })
  }
  const text =
    failure.kind === 'nobody'
      ? 'The service is temporarily unavailable and nothing was changed. Please try again in a moment.'
      : 'The service did not answer in time. The change may have been made: look before you try again.'
  return new ApiError('service_unavailable', text, { cause })
}

export const askFailureOf = (error: unknown): AskFailure | undefined => {
  if (typeof error !== 'object' || error === null || !('kind' in error) || !('reason' in error))
    return undefined
  const { kind } = error
  return kind === 'refused' || kind === 'nobody' || kind === 'unknown' ? (error as AskFailure) : undefined
}
