/**
 * Byte classes and small readers for HTTP/1.1 heads (RFC 9110 §5.6.2, RFC 9112 §2).
 *
 * The engine looks at bytes and makes strings only of what somebody reads: tables here are indexed by
 * the byte, so that one load answers "may this byte stand here".
 */

export const CR = 0x0d
export const LF = 0x0a
export const SP = 0x20
export const HT = 0x09
export const COLON = 0x3a

/** tchar of RFC 9110 §5.6.2: what methods and field names are made of. */
export const isTokenByte = table(
  "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
)

/** field-vchar, SP, HT and obs-text: anything but control bytes (RFC 9110 §5.5). */
export const isValueByte = ranges([HT, HT], [0x20, 0x7e], [0x80, 0xff])

/** Visible ASCII: what a request target is made of; percent-encoding is nobody's business here. */
export const isTargetByte = ranges([0x21, 0x7e])

/** reg-name and IPv4 of RFC 3986 §3.2.2 without the sub-delimiters no host name uses. */
export const isHostByte = table('-._~%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')

/** Value of a hexadecimal digit, or 255. */
export const hexValue = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 10; digit += 1) hexValue[0x30 + digit] = digit
for (let digit = 10; digit < 16; digit += 1) {
  hexValue[0x41 + digit - 10] = digit
  hexValue[0x61 + digit - 10] = digit
}

/** bytes[start, end) as a string, byte for character: what a head is made of. */
export function latin1(bytes: Buffer, start: number | undefined, end: number | undefined): string {
  return bytes.toString('latin1', start, end)
}

/** True when bytes at `start` are "HTTP/1." and a 0 or 1 follows; the caller knows that there are 8 bytes. */
export function isHttp1(bytes: Buffer, start: number): boolean {
  return (
    bytes[start] === 0x48 &&
    bytes[start + 1] === 0x54 &&
    bytes[start + 2] === 0x54 &&
    bytes[start + 3] === 0x50 &&
    bytes[start + 4] === 0x2f &&
    bytes[start + 5] === 0x31 &&
    bytes[start + 6] === 0x2e &&
    (bytes[start + 7] === 0x31 || bytes[start + 7] === 0x30)
  )
}

/** True when bytes[start, end) equals `lower`, which must be lower-case ASCII, in any case. */
export function equalsIgnoreCase(bytes: Buffer, start: number, end: number, lower: Buffer): boolean {
  if (end - start !== lower.length) return false
  for (let i = 0; i < lower.length; i += 1) {
    const byte = bytes[start + i] as number
    const folded = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    if (folded !== lower[i]) return false
  }
  return true
}

/**
 * Reads a Content-Length of digits only; leading zeros are fine (RFC 9110 §8.6).
 * Returns -1 for anything else, and for what a double can't hold exactly.
 */
export function readDecimal(bytes: Buffer, start: number, end: number): number {
  if (start >= end || end - start > 19) return -1
  let value = 0
  for (let i = start; i < end; i += 1) {
    const digit = (bytes[i] as number) - 0x30
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1
}

/** Calls `visit` for each element of a comma list, trimmed; false when one is empty or visit says so. */
export function eachListElement(
  bytes: Buffer,
  start: number,
  end: number,
  visit: (start: number, end: number) => boolean,
): boolean {
  let at = start
  for (;;) {
    let stop = at
    while (stop < end && bytes[stop] !== 0x2c) stop += 1
    let from = at
    let to = stop
    while (from < to && isBlank(bytes[from] as number)) from += 1
    while (to > from && isBlank(bytes[to - 1] as number)) to -= 1
    if (from === to || !visit(from, to)) return false
    if (stop === end) return true
    at = stop + 1
  }
}

/** True when every byte of the range is in the class, and there is at least one. */
export function allIn(bytes: Buffer, start: number, end: number, table: Uint8Array): boolean {
  for (let i = start; i < end; i += 1) if (table[bytes[i] as number] === 0) return false
  return end > start
}

function isBlank(byte: number): boolean {
  return byte === SP || byte === HT
}

function table(characters: string): Uint8Array {
  const classes = new Uint8Array(256)
  for (const character of characters) classes[character.charCodeAt(0)] = 1
  return classes
}

function ranges(...pairs: readonly (readonly [number, number])[]): Uint8Array {
  const classes = new Uint8Array(256)
  for (const [from, to] of pairs) classes.fill(1, from, to + 1)
  return classes
}
