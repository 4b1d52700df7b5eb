/**
 * W3C trace context (https://www.w3.org/TR/trace-context/): one `traceparent` is accepted at an edge, or made
 * there, and copied to everything the turns behind it emit.
 */
import type { Random } from '../ports/random.ts'

const shape = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/

/** Version ff, and ids of only zeros, are invalid (W3C §3.2.2). */
export const validTraceparent = (text: string): boolean =>
  shape.test(text) &&
  !text.startsWith('ff') &&
  text.slice(3, 35) !== '0'.repeat(32) &&
  text.slice(36, 52) !== '0'.repeat(16)

/** A new one, sampled. */
export const makeTraceparent = (random: Random): string => {
  const trace = random.uuid().replaceAll('-', '')
  const parent = random.uuid().replaceAll('-', '').slice(16)
  return `00-${trace}-${parent}-01`
}

/** The given one when it is valid, else a new one (W3C §4.3: an invalid one is ignored). */
export const acceptTraceparent = (given: string | undefined, random: Random): string =>
  given !== undefined && validTraceparent(given) ? given : makeTraceparent(random)
