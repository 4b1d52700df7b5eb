/**
 * Conditional requests (RFC 9110 §13): what one has seen already is not sent again, and what is not any more
 * as one has seen it is not changed. The latter is looked at just before the change: of two that come at the
 * very same moment both may pass.
 */
import { createHash } from 'node:crypto'
import type { Endpoint } from '../endpoint.ts'
import { ApiError } from '../errors.ts'

/** Weak: it says that the bodies are the same, byte for byte or not. */
export const etagOf = (bytes: Uint8Array): string =>
  `W/"${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}"`

/** @param header `If-Match` or `If-None-Match`: `*`, or a list of tags, strong or weak */
export const matches = (header: string, etag: string): boolean =>
  header.trim() === '*' || header.split(',').some((one) => one.trim().replace(/^(W\/)?/, 'W/') === etag)

/** The endpoint that shows what another one changes: that of the same path. */
export const shownBy = (endpoint: Endpoint, all: readonly Endpoint[]): Endpoint | undefined =>
  all.find(({ http }) => http.method === 'GET' && http.path === endpoint.http.path)

export const preconditionFailed = (): ApiError =>
  new ApiError(
    'precondition_failed',
    'This is not any more as it was when you looked (If-Match): nothing was changed.',
  )
