/**
 * The wire format of protobuf, as much of it as OTLP takes. Pure.
 *
 * A message is written from its end to its start: what stands before a part is the part's length, which is
 * known by then, so that nothing is measured first nor moved afterwards.
 */
import assert from 'node:assert/strict'

const kinds = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

export type Writer = {
  readonly varint: (field: number, value: number) => void
  readonly fixed64: (field: number, value: bigint) => void
  readonly bytes: (field: number, value: Uint8Array) => void
  readonly text: (field: number, value: string) => void
  /** @param write the parts of it, the last one first */
  readonly message: (field: number, write: () => void) => void
  readonly finish: () => Buffer
}

/** @param bytesExpected it grows beyond when it must */
export const writeBackwards = (bytesExpected: number): Writer => {
  let buffer = Buffer.allocUnsafe(bytesExpected)
  let start = bytesExpected

  /** Takes that many bytes before what is there. */
  const take = (count: number): number => {
    if (count > start) {
      const grown = Buffer.allocUnsafe(2 * buffer.length + count)
      buffer.copy(grown, grown.length - (buffer.length - start), start)
      start += grown.length - buffer.length
      buffer = grown
    }
    start -= count
    return start
  }
  const putVarint = (value: number): void => {
    let at = take(varintBytes(value))
    let left = value
    for (; left > 0x7f; left = Math.floor(left / 0x80)) buffer[at++] = (left % 0x80) | 0x80
    buffer[at] = left
  }
  const putTag = (field: number, kind: number): void => putVarint((field << 3) | kind)

  const putBytes = (field: number, value: Uint8Array): void => {
    const at = take(value.length)
    buffer.set(value, at)
    putVarint(value.length)
    putTag(field, kinds.bytes)
  }

  return {
    varint(field, value) {
      putVarint(value)
      putTag(field, kinds.varint)
    },
    fixed64(field, value) {
      const at = take(8)
      buffer.writeBigUInt64LE(value, at)
      putTag(field, kinds.fixed64)
    },
    bytes: putBytes,
    text(field, value) {
      if (!isAscii(value)) return putBytes(field, Buffer.from(value))
      // Byte by byte: for texts as short as names that is faster than any call that writes a string.
      const at = take(value.length)
      for (let i = 0; i < value.length; i += 1) buffer[at + i] = value.charCodeAt(i)
      putVarint(value.length)
      putTag(field, kinds.bytes)
    },
    message(field, write) {
      const after = buffer.length - start
      write()
      putVarint(buffer.length - start - after)
      putTag(field, kinds.bytes)
    },
    finish: () => buffer.subarray(start),
  }
}

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

const varintBytes = (value: number): number => {
  assert(Number.isSafeInteger(value) && value >= 0)
  let bytes = 1
  for (let left = value; left > 0x7f; left = Math.floor(left / 0x80)) bytes += 1
  return bytes
}

export type Field = { readonly field: number; readonly value: bigint | Uint8Array }

/** @throws RangeError at what is no message */
export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  let at = 0
  const part = (count: number): Uint8Array => {
    if (count > bytes.length - at) throw new RangeError('a protobuf message is cut')
    at += count
    return bytes.subarray(at - count, at)
  }
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const [byte = 0] = part(1)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number of a protobuf message has no end')
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const [field, kind] = [Math.floor(tag / 8), tag % 8]
    if (kind === kinds.varint) yield { field, value: varint() }
    else if (kind === kinds.bytes) yield { field, value: part(Number(varint())) }
    else if (kind === kinds.fixed64) yield { field, value: part(8) }
    else if (kind === kinds.fixed32) yield { field, value: part(4) }
    else throw new RangeError(`a protobuf message has no parts of kind ${kind}`)
  }
}
