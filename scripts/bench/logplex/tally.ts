/**
 * Tally: what came over one connection, in octet-counted frames (RFC 6587): each line once, in whatever
 * order, and the losses that were told. Cheap, for it shares a machine with what is measured. Pure.
 */
import { countDigits, numberMax, stampDigits } from './lines.ts'

export type Tally = {
  readonly frames: number
  readonly bytes: number
  /** Counted lines, each once. */
  readonly lines: number
  /** Counted lines that came again. */
  readonly doubles: number
  /** Lines that an L10 or L12 said were dropped. */
  readonly told: number
  /** Losses told without a number. */
  readonly untold: number
  /** Milliseconds from writing to receipt, of stamped lines. */
  readonly latenciesMs: readonly number[]
  /** Of the last counted line; ms since 1970. */
  readonly lastAt: number
}

const [lf, space, hash, at, zero] = [0x0a, 0x20, 0x23, 0x40, 0x30]
/** Sources are one digit. */
const sourcesMax = 10
/** How many lines of one source there is room for. */
const perSourceMax = 2_000_000

export type Counter = {
  /** Of one connection: frames may be cut anywhere. */
  readonly connection: () => (chunk: Buffer) => void
  readonly tally: () => Tally
  readonly reset: () => void
}

/** @param nowMs since 1970, finer than a millisecond */
export const openCounter = (nowMs: () => number): Counter => {
  let seen: Uint8Array[] = []
  let frames = 0
  let bytes = 0
  let lines = 0
  let doubles = 0
  let told = 0
  let untold = 0
  let latenciesMs: number[] = []
  let lastAt = 0

  const count = (source: number, number: number): void => {
    const numbers = (seen[source] ??= new Uint8Array(perSourceMax))
    if (numbers[number] === 1) doubles++
    else lines++
    numbers[number] = 1
  }
  /** One message in data[from, end). */
  const take = (data: Buffer, from: number, end: number, now: number): void => {
    frames++
    const last = data[end - 1] === lf ? end - 1 : end
    if (data[last - countDigits - 1] === hash) {
      const digits = numberAt(data, last - countDigits, last)
      if (digits >= 0 && digits < sourcesMax * numberMax) {
        count(Math.floor(digits / numberMax), digits % numberMax)
        lastAt = now
        return
      }
    }
    if (data[last - stampDigits - 1] === at) {
      const stampUs = numberAt(data, last - stampDigits, last)
      if (stampUs >= 0) {
        latenciesMs.push(now - stampUs / 1000)
        return
      }
    }
    const text = data.toString('latin1', from, last)
    if (!/ Error L1[02]/.test(text)) return
    const number = /(\d+) messages dropped since|dropped (\d+) messages since/.exec(text)
    if (number === null) untold++
    else told += Number(number[1] ?? number[2])
  }

  return {
    connection: () => {
      let rest: Buffer = Buffer.alloc(0)
      return (chunk) => {
        bytes += chunk.length
        const now = nowMs()
        const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
        let start = 0
        for (;;) {
          const blank = data.indexOf(space, start)
          if (blank < 0) break
          const length = numberAt(data, start, blank)
          if (length < 0) throw new Error(`no frame: ${data.toString('latin1', start, start + 80)}`)
          if (blank + 1 + length > data.length) break
          take(data, blank + 1, blank + 1 + length, now)
          start = blank + 1 + length
        }
        rest = start === data.length ? Buffer.alloc(0) : Buffer.from(data.subarray(start))
      }
    },
    tally: () => ({ frames, bytes, lines, doubles, told, untold, latenciesMs, lastAt }),
    reset: () => {
      seen = []
      frames = bytes = lines = doubles = told = untold = lastAt = 0
      latenciesMs = []
    },
  }
}

/** Decimal digits in data[from, end); -1 when there is anything else, or nothing. */
const numberAt = (data: Buffer, from: number, end: number): number => {
  let number = from < end ? 0 : -1
  for (let i = from; i < end; i++) {
    const digit = (data[i] ?? 0) - zero
    if (digit < 0 || digit > 9) return -1
    number = number * 10 + digit
  }
  return number
}
