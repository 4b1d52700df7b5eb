/**
 * How large the parts of a head may be: Heroku's documented limits (HTTP Routing, "Request buffering"
 * and "Response validation"), and a total, which Heroku leaves open and we do not.
 */
import assert from 'node:assert/strict'

/** Bounds of one head; sizes in bytes, line ends not counted. */
export type HeadLimits = {
  readonly startLineBytesMax: number
  readonly headerNameBytesMax: number
  readonly headerValueBytesMax: number
  readonly headersMax: number
  /** Whole head with its line ends; what one slow sender can make us hold. */
  readonly headBytesMax: number
  /** CRLFs tolerated before the start line. */
  readonly emptyLinesMax: number
}

export const methodBytesMax = 127
/** A whole Set-Cookie line of a response. */
export const cookieLineBytesMax = 8192
/** Trailer section of a chunked body. */
export const trailerBytesMax = 16_384
/** Extensions of one body's chunks, all together. */
export const chunkExtensionBytesMax = 4096

export const requestLimits: HeadLimits = {
  startLineBytesMax: 8192,
  headerNameBytesMax: 1000,
  headerValueBytesMax: 8192,
  headersMax: 1000,
  headBytesMax: 262_144,
  emptyLinesMax: 5,
}

export const responseLimits: HeadLimits = {
  startLineBytesMax: 8192,
  headerNameBytesMax: 1000,
  headerValueBytesMax: 524_288,
  headersMax: 1000,
  headBytesMax: 1_048_576,
  emptyLinesMax: 0,
}

for (const limits of [requestLimits, responseLimits]) {
  assert(limits.headBytesMax > limits.startLineBytesMax + limits.headerValueBytesMax)
  assert(limits.headerNameBytesMax < limits.headerValueBytesMax)
}
assert(cookieLineBytesMax < responseLimits.headerValueBytesMax)
assert(methodBytesMax < requestLimits.startLineBytesMax)
