/** What happened, folded into one number: two runs of a seed are the same exactly when their hashes are. */
export type Trace = {
  add(atMs: number, what: string, bytes?: Uint8Array): void
  hash(): string
  count(): number
}

export const createTrace = (): Trace => {
  // Two FNV-1a streams with different primes: 64 bits together, cheap enough for every message.
  let low = 0x811c9dc5
  let high = 0x9747b28c
  let count = 0
  const byte = (value: number): void => {
    low = Math.imul(low ^ value, 0x01000193)
    high = Math.imul(high ^ value, 0x5bd1e995)
  }
  const text = (value: string): void => {
    for (let i = 0; i < value.length; i++) byte(value.charCodeAt(i))
  }
  return {
    add: (atMs, what, bytes) => {
      count++
      text(atMs.toFixed(3))
      text(what)
      if (bytes !== undefined) for (let i = 0; i < bytes.length; i++) byte(bytes[i] as number)
    },
    hash: () => (low >>> 0).toString(16).padStart(8, '0') + (high >>> 0).toString(16).padStart(8, '0'),
    count: () => count,
  }
}
