/**
 * The server's and the client's failures in the words of ports/store.ts.
 */
import { StoreConflict, StoreUnavailable } from '../ports/store.ts'
import { isUndone, JetStreamRefused, refusal } from './jetstream.ts'
import { RequestFailed } from './requests.ts'

/** The write expected another revision: nothing was written. */
export const isConflict = (error: unknown): boolean =>
  error instanceof JetStreamRefused &&
  (error.serverCode === refusal.wrongLastSequence || error.serverCode === refusal.wrongLastSequenceBusy)

/**
 * @returns StoreConflict or StoreUnavailable with `error` as their cause; `error` itself when it is neither's
 */
export const portError = (what: string, error: unknown): unknown => {
  if (isConflict(error)) return new StoreConflict(`${what}: somebody else was first`, { cause: error })
  if (!(error instanceof RequestFailed || error instanceof JetStreamRefused)) return error
  return new StoreUnavailable(`${what}: ${error.message}`, isUndone(error) ? 'no' : 'unknown', {
    cause: error,
  })
}

/** `work`, failing in the port's words. */
export const inPortWords = async <T>(what: string, work: Promise<T>): Promise<T> => {
  try {
    return await work
  } catch (error) {
    throw portError(what, error)
  }
}
