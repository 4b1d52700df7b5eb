/**
 * Calls that are sent again because their answer was lost: they are told by `Idempotency-Key`, or by the
 * newest id of `Request-Id`, which the heroku CLI keeps when it tries again. The host that answered says the
 * same again; another one, or its next life, finds in the audit trail that the change was begun
 * (service.ts).
 */
import { createHash } from 'node:crypto'
import { ApiError } from './errors.ts'
import type { ServiceAnswer } from './service-answer.ts'

/** What the caller says of a call; `key` tells it from its other ones. */
export type Said = { readonly userId: string; readonly name: string; readonly key: string }

export type Retries = {
  /**
   * The answer of the same call, now or once there is one; else it is this one's to make.
   * @throws ApiError `invalid_params`: the key was that of another call
   */
  readonly begin: (said: Said, bytes: Uint8Array) => Begun | { readonly answer: Promise<ServiceAnswer> }
}
export type Begun = {
  /** Tells the call from all others, on every host. */
  readonly id: string
  /** It ended here with nothing done: it may be made again. */
  readonly isFree: boolean
  /** `undone`: surely nothing came of it. `unknown`: something may have. */
  readonly end: (answer: ServiceAnswer, outcome: 'done' | 'undone' | 'unknown') => void
}

const keptMs = 10 * 60_000
const keptMax = 10_000
const bytesMax = 32 * 1024 * 1024

type Kept = {
  readonly sum: string
  readonly atMs: number
  readonly answer: Promise<ServiceAnswer>
  bytes: number
  state: 'under way' | 'done' | 'undone' | 'unknown'
}

export const createRetries = (now: () => number): Retries => {
  const kept = new Map<string, Kept>()
  let bytesKept = 0
  const drop = (place: string, one: Kept): void => {
    if (kept.get(place) === one) kept.delete(place)
    bytesKept -= one.bytes
    one.bytes = 0
  }
  const makeRoom = (): void => {
    for (const [place, one] of kept) {
      const isOld = now() - one.atMs >= keptMs
      if (!isOld && kept.size <= keptMax && bytesKept <= bytesMax) return
      drop(place, one)
    }
  }
  return {
    begin({ userId, name, key }, bytes) {
      makeRoom()
      const sum = sumOf(name, bytes)
      // Some clients give all of their calls one Request-Id.
      const place = key.startsWith(chosen) ? sumOf(userId, key) : sumOf(userId, key, sum)
      const known = kept.get(place)
      if (known !== undefined && known.sum !== sum)
        throw new ApiError('invalid_params', 'This Idempotency-Key was used for another call.')
      if (known?.state === 'under way' || known?.state === 'done') return { answer: known.answer }
      if (known !== undefined) drop(place, known)
      const made = Promise.withResolvers<ServiceAnswer>()
      const one: Kept = { sum, atMs: now(), answer: made.promise, bytes: 0, state: 'under way' }
      kept.set(place, one)
      return {
        id: sumOf(userId, key, name, bytes),
        isFree: known?.state === 'undone',
        end(answer, outcome) {
          made.resolve(answer)
          one.state = outcome
          one.bytes = outcome === 'done' ? answer.bytes.length : 0
          bytesKept += one.bytes
          makeRoom()
        },
      }
    },
  }
}

const sumOf = (...parts: readonly (string | Uint8Array)[]): string => {
  const sum = createHash('sha256')
  for (const part of parts) sum.update(String(part.length)).update(' ').update(part)
  return sum.digest('hex')
}

/** An id that the same call gets again. */
export const idFrom = (id: string, what: string): string => {
  const hex = sumOf(id, what)
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16)
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`]
    .concat(hex.slice(20, 32))
    .join('-')
}

const chosen = 'key '
const keyCharsMax = 255
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Undefined: nothing tells this call from another. @throws ApiError `bad_request` */
export const keyIn = (given: {
  readonly idempotencyKey: string | undefined
  readonly requestId: string | undefined
}): string | undefined => {
  const { idempotencyKey, requestId } = given
  if (idempotencyKey !== undefined) {
    if (idempotencyKey !== '' && idempotencyKey.length <= keyCharsMax) return `${chosen}${idempotencyKey}`
    throw new ApiError('bad_request', `Idempotency-Key has 1 to ${keyCharsMax} characters.`)
  }
  // The ids of earlier calls follow.
  const [newest = ''] = requestId?.split(',', 1) ?? []
  return uuid.test(newest.trim()) ? `request ${newest.trim().toLowerCase()}` : undefined
}
