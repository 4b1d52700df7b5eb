/**
 * What was seen, and how often, in memory that does not grow: near enough, and wrong on one side only. Pure.
 */

/** Never false for a text that was added; true for some others, the more the more there were. */
export type Seen = { readonly add: (text: string) => void; readonly has: (text: string) => boolean }

const probes = 4

/**
 * @param bits a power of two; nine for each text make one other in sixty seem seen
 * @param salt with another, others seem so
 */
export const createSeen = (bits: number, salt: number): Seen => {
  const words = new Uint32Array(bits / 32)
  const each = (text: string, see: (word: number, bit: number) => boolean): boolean => {
    const [first, step] = hashesOf(text, salt)
    for (let probe = 0; probe < probes; probe += 1) {
      const at = (first + probe * step) & (bits - 1)
      if (!see(at >>> 5, 1 << (at & 31))) return false
    }
    return true
  }
  return {
    add: (text) => {
      each(text, (word, bit) => {
        words[word] = (words[word] ?? 0) | bit
        return true
      })
    },
    has: (text) => each(text, (word, bit) => ((words[word] ?? 0) & bit) !== 0),
  }
}

const countMax = 255

/** @param counters a power of two. @returns counts one more of a text: how many there were, or more */
export const createTally = (counters: number, salt: number): ((text: string) => number) => {
  const counts = new Uint8Array(counters)
  return (text) => {
    const at = hashesOf(text, salt)[0] & (counters - 1)
    const count = Math.min(countMax, (counts[at] ?? 0) + 1)
    counts[at] = count
    return count
  }
}

/** Two of 32 bits, the second odd. */
const hashesOf = (text: string, salt: number): readonly [number, number] => {
  let one = 0xdeadbeef ^ salt
  let other = 0x41c6ce57 ^ salt
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    one = Math.imul(one ^ unit, 0x9e3779b1)
    other = Math.imul(other ^ unit, 0x5f356495)
  }
  one = Math.imul(one ^ (one >>> 16), 0x85ebca6b) ^ Math.imul(other ^ (other >>> 13), 0xc2b2ae35)
  other = Math.imul(other ^ (other >>> 16), 0x85ebca6b) ^ Math.imul(one ^ (one >>> 13), 0xc2b2ae35)
  return [one >>> 0, (other | 1) >>> 0]
}
