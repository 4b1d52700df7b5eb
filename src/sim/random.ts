/**
 * Chance from a seed: the same seed gives the same run (xoshiro128** seeded by splitmix32; Blackman & Vigna,
 * public domain algorithms). Forks are independent streams, so that one part's appetite for chance does not
 * shift another's.
 */
import type { Random } from '../ports/random.ts'

export type SeededRandom = Random & {
  /** An independent stream, named. */
  fork(name: string): SeededRandom
  /** Integer in [from, to]. */
  between(from: number, to: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
}

const letters = Array.from('abcdefghijklmnopqrstuvwxyz0123456789')

const splitmix = (seed: number) => () => {
  seed = (seed + 0x9e3779b9) | 0
  let z = seed ^ (seed >>> 16)
  z = Math.imul(z, 0x21f0aaad)
  z ^= z >>> 15
  z = Math.imul(z, 0x735a2d97)
  return (z ^ (z >>> 15)) >>> 0
}

const hashName = (name: string, seed: number): number => {
  let hash = seed ^ 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** @param seed any 32-bit integer */
export const seededRandom = (seed: number): SeededRandom => {
  const mix = splitmix(seed)
  let [a, b, c, d] = [mix(), mix(), mix(), mix()]
  const next32 = (): number => {
    const scrambled = Math.imul(b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = (d << 11) | (d >>> 21)
    return result
  }
  const next = (): number => next32() / 0x1_0000_0000
  const hex = (digits: number): string => {
    let text = ''
    while (text.length < digits) text += next32().toString(16).padStart(8, '0')
    return text.slice(0, digits)
  }
  const self: SeededRandom = {
    next,
    uuid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-${(8 + (next32() & 3)).toString(16)}${hex(3)}-${hex(12)}`,
    token: (length) => Array.from({ length }, () => self.pick(letters)).join(''),
    fork: (name) => seededRandom(hashName(name, seed)),
    between: (from, to) => from + Math.floor(next() * (to - from + 1)),
    chance: (probability) => next() < probability,
    pick: (items) => {
      const item = items[Math.floor(next() * items.length)]
      if (item === undefined) throw new RangeError('pick from nothing')
      return item
    },
  }
  return self
}
