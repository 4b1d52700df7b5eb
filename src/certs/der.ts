/**
 * DER: the few ASN.1 forms an X.509 certificate is made of (X.690), written as bytes.
 *
 * Enough to issue certificates for this machine, and nothing else: it never parses.
 */

/** Tag, definite length, contents. */
const element = (tag: number, contents: Uint8Array): Buffer => {
  const length = contents.length
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), contents])
  const digits: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256)
  return Buffer.concat([Buffer.from([tag, 0x80 | digits.length, ...digits]), contents])
}

export const sequence = (...items: readonly Uint8Array[]): Buffer => element(0x30, Buffer.concat(items))
export const set = (...items: readonly Uint8Array[]): Buffer => element(0x31, Buffer.concat(items))
export const octets = (contents: Uint8Array): Buffer => element(0x04, contents)
export const utf8 = (text: string): Buffer => element(0x0c, Buffer.from(text, 'utf8'))
export const truth = (): Buffer => element(0x01, Buffer.from([0xff]))
/** `unused`: how many low bits of the last byte mean nothing. */
export const bits = (contents: Uint8Array, unused = 0): Buffer =>
  element(0x03, Buffer.concat([Buffer.from([unused]), contents]))

/** A non-negative integer from its big-endian bytes, in the shortest form. */
export const integer = (bytes: Uint8Array): Buffer => {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1
  const shortest = bytes.subarray(start)
  const negative = (shortest[0] ?? 0) >= 0x80
  return element(0x02, negative ? Buffer.concat([Buffer.from([0]), shortest]) : shortest)
}

/** `1.2.840.10045.4.3.2` */
export const oid = (dotted: string): Buffer => {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const digits = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift(0x80 | (left % 128))
    }
    bytes.push(...digits)
  }
  return element(0x06, Buffer.from(bytes))
}

/** RFC 5280 §4.1.2.5: two-digit years until 2049, four-digit ones after. Whole seconds, UTC. */
export const time = (atMs: number): Buffer => {
  const iso = new Date(atMs).toISOString()
  const digits = `${iso.slice(0, 19).replaceAll(/[-:T]/g, '')}Z`
  return iso < '2050' ? element(0x17, Buffer.from(digits.slice(2))) : element(0x18, Buffer.from(digits))
}

/** `[n]` around whole elements. */
export const explicit = (n: number, ...items: readonly Uint8Array[]): Buffer =>
  element(0xa0 | n, Buffer.concat(items))
/** `[n]` in place of a primitive's own tag. */
export const implicit = (n: number, contents: Uint8Array): Buffer => element(0x80 | n, contents)
