/**
 * Which app's log a token writes into, and under what name: read from the record, and known here for a
 * moment. A token that has ended is good for as long at most; while the record cannot be read, what was known
 * last holds.
 */
import { LRUCache } from 'lru-cache'

export type Destination = { readonly appId: string; readonly name: string }

export type Tokens = {
  /** Undefined: nobody has it. Rejects while that cannot be known. */
  find(token: string): Promise<Destination | undefined>
}

const knownMax = 20_000
const knownMs = 10_000
/** A token that was just made may be asked for too early. */
const unknownMs = 1_000
const tokenPattern = /^t\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** @param lookUp reads the record */
export const createTokens = (
  lookUp: (token: string) => Promise<Destination | undefined>,
  monotonicMs: () => number,
): Tokens => {
  const known = new LRUCache<string, Destination | 'nobody'>({
    max: knownMax,
    ttl: knownMs,
    ttlResolution: 0,
    perf: { now: monotonicMs },
    fetchMethod: async (token, last, { options }) => {
      try {
        const found = await lookUp(token)
        if (found === undefined) options.ttl = unknownMs
        return found ?? 'nobody'
      } catch (error) {
        if (last === undefined) throw error
        options.ttl = unknownMs
        return last
      }
    },
  })
  return {
    async find(token) {
      if (!tokenPattern.test(token)) return undefined
      const found = await known.fetch(token)
      return found === 'nobody' ? undefined : found
    },
  }
}
