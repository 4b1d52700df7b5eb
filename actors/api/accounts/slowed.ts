/**
 * Tokens that are tried and open nothing: from the tenth of an hour on, whoever tries them from an address
 * waits for the answer, longer each time. Those that open something are answered at once, also from there:
 * many share an address.
 */
import type { Clock } from '../../../src/ports/clock.ts'
import type { Caller } from '../access.ts'
import { ApiError } from '../errors.ts'
import type { Accounts } from './accounts.ts'
import type { Attempts } from './attempts.ts'

/** @param from the client's address; undefined: not over HTTP. @throws ApiError */
export type Authenticate = (authorization: string, from: string | undefined) => Promise<Caller>

const waitMsMax = 2_000
/** More are told to come later, so that waiting itself bounds nothing else. */
const waitingMax = 100

export const slowed = (accounts: Accounts, attempts: Attempts, clock: Clock): Authenticate => {
  let waiting = 0
  return async (authorization, from) => {
    try {
      return await accounts.authenticate(authorization)
    } catch (error) {
      const isGuess = error instanceof ApiError && error.code === 'unauthorized' && authorization !== ''
      if (!isGuess || from === undefined) throw error
      attempts.failed(from)
      const waitMs = Math.min(waitMsMax, attempts.waitMs(from))
      if (waitMs === 0) throw error
      if (waiting >= waitingMax)
        throw new ApiError('rate_limit', 'Too many invalid credentials. Please try again later.', {
          cause: error,
        })
      waiting += 1
      await new Promise<void>((resolve) => void clock.after(waitMs, resolve))
      waiting -= 1
      throw error
    }
  }
}
