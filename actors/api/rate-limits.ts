/**
 * Rate limits: Heroku's pool of requests for each account, refilled all the time. In memory, as cheap
 * as it must be.
 */

export type RateLimits = {
  /** Takes one request out; false when the pool is empty. */
  readonly take: (userId: string) => boolean
  readonly remaining: (userId: string) => number
}

const poolMax = 4500
const refillPerMs = 75 / 60_000
const poolsMax = 10_000

export const createRateLimits = (now: () => number): RateLimits => {
  const pools = new Map<string, { left: number; at: number }>()
  const current = (userId: string): { left: number; at: number } => {
    const at = now()
    const pool = pools.get(userId) ?? { left: poolMax, at }
    pool.left = Math.min(poolMax, pool.left + Math.max(0, at - pool.at) * refillPerMs)
    pool.at = at
    return pool
  }
  return {
    take(userId) {
      const pool = current(userId)
      if (pools.size >= poolsMax && !pools.has(userId)) pools.clear()
      pools.set(userId, pool)
      if (pool.left < 1) return false
      pool.left -= 1
      return true
    },
    remaining: (userId) => Math.floor(current(userId).left),
  }
}
