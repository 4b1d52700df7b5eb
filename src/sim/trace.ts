/** What happened, folded into one number: two runs of a seed are the same exactly when their hashes are. */
export type Trace = {
  /** @param sum of the bytes that belong to it (`sumOf`) */
  add(atMs: number, what: string, sum?: number): void
  hash(): string
  count(): number
}

/** Of a message, once for all who hear it (FNV-1a). */
export const sumOf = (bytes: Uint8Array): number => {
  let sum = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) sum = Math.imul(sum ^ (bytes[i] as number), 0x01000193)
  return sum
}

export const createTrace = (): Trace => {
  // Two FNV-1a streams with different primes: 64 bits together, cheap enough for every message.
  let low = 0x811c9dc5
  let high = 0x9747b28c
  let count = 0
  const word = (value: number): void => {
    low = Math.imul(low ^ value, 0x01000193)
    high = Math.imul(high ^ value, 0x5bd1e995)
    // Multiplication carries upwards only: the high bits come down, or they would be lost.
    low ^= low >>> 15
    high ^= high >>> 13
  }
  return {
    add: (atMs, what, sum = 0) => {
      count++
      const micros = Math.round(atMs * 1_000)
      word(micros | 0)
      word(Math.floor(micros / 0x1_0000_0000))
      for (let i = 0; i < what.length; i++) word(what.charCodeAt(i))
      word(sum)
    },
    hash: () => (low >>> 0).toString(16).padStart(8, '0') + (high >>> 0).toString(16).padStart(8, '0'),
    count: () => count,
  }
}
