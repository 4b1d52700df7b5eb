/**
 * Times of RFC 5424 to the microsecond, both ways. Pure but for what it keeps of the time before: lines come
 * in bursts.
 */
const endings = Array.from({ length: 1000 }, (_, us) => `${String(us).padStart(3, '0')}+00:00`)
/** Of every time that `formatTime` writes. */
export const timeBytes = '2026-11-23T02:53:10.425123+00:00'.length

let cachedMs = -1
let cachedText = ''

/** Whole microseconds since 1970 as `2026-11-23T02:53:10.425123+00:00`. */
export const formatTime = (atUs: number): string => {
  const ms = Math.floor(atUs / 1000)
  if (ms !== cachedMs) {
    cachedMs = ms
    cachedText = new Date(ms).toISOString().slice(0, 23)
  }
  return cachedText + (endings[atUs - ms * 1000] as string)
}

const dash = 0x2d
const zero = 0x30
const separators: readonly (readonly [at: number, byte: number])[] = [
  [4, dash],
  [7, dash],
  [10, 0x54],
  [13, 0x3a],
  [16, 0x3a],
]
const secondsEnd = 19

let cachedDate = 0
let cachedDayMs = 0

/**
 * Microseconds since 1970 of an RFC 3339 time in bytes[from, end), finer fractions cut off; undefined when it
 * is none, and before 1970 and after 2255, which cannot be said in whole microseconds everywhere.
 */
export const parseTime = (bytes: Uint8Array, from: number, end: number): number | undefined => {
  if (end - from <= secondsEnd) return undefined
  for (const [at, byte] of separators) if (bytes[from + at] !== byte) return undefined
  const year = 100 * two(bytes, from) + two(bytes, from + 2)
  const dayMs = dayMsOf(year, two(bytes, from + 5), two(bytes, from + 8))
  const hour = two(bytes, from + 11)
  const minute = two(bytes, from + 14)
  const second = two(bytes, from + 17)
  // What is no digit has become NaN, which is below nothing.
  if (!(hour < 24 && minute < 60 && second < 60)) return undefined
  let at = from + secondsEnd
  let fractionUs = 0
  if (bytes[at] === 0x2e) {
    const first = ++at
    for (let unitUs = 100_000; at < end && isDigit(bytes[at] as number); unitUs /= 10) {
      if (unitUs >= 1) fractionUs += unitUs * ((bytes[at] as number) - zero)
      at += 1
    }
    if (at === first) return undefined
  }
  const offsetMs = offsetMsOf(bytes, at, end)
  const atUs = (dayMs + ((hour * 60 + minute) * 60 + second) * 1000 - offsetMs) * 1000 + fractionUs
  return atUs >= 0 && atUs <= Number.MAX_SAFE_INTEGER ? atUs : undefined
}

const isDigit = (byte: number): boolean => byte >= zero && byte <= 0x39

const two = (bytes: Uint8Array, at: number): number => {
  const tens = bytes[at] as number
  const ones = bytes[at + 1] as number
  return isDigit(tens) && isDigit(ones) ? tens * 10 + ones - 11 * zero : Number.NaN
}

/** NaN for a day that is in no calendar. */
const dayMsOf = (year: number, month: number, day: number): number => {
  const date = (year * 100 + month) * 100 + day
  if (date === cachedDate) return cachedDayMs
  const dayMs = Date.UTC(year, month - 1, day)
  const is = new Date(dayMs)
  if (is.getUTCFullYear() !== year || is.getUTCMonth() !== month - 1 || is.getUTCDate() !== day) {
    return Number.NaN
  }
  cachedDate = date
  cachedDayMs = dayMs
  return dayMs
}

/** `Z`, `+01:00`: NaN for anything else. */
const offsetMsOf = (bytes: Uint8Array, at: number, end: number): number => {
  const sign = bytes[at]
  if (sign === 0x5a && at + 1 === end) return 0
  if ((sign !== 0x2b && sign !== dash) || at + 6 !== end || bytes[at + 3] !== 0x3a) return Number.NaN
  const hours = two(bytes, at + 1)
  const minutes = two(bytes, at + 4)
  if (!(hours < 24 && minutes < 60)) return Number.NaN
  return (hours * 60 + minutes) * (sign === dash ? -60_000 : 60_000)
}
