/**
 * Items as bytes in a file, one behind the other. Pure.
 *
 *   key's bytes: 4   value's bytes + 1, 0: it is gone: 4   revision: 8   key   value
 */
import type { Item } from './merge.ts'

const headBytes = 16

export const framed = ({ key, revision, value }: Item): Uint8Array => {
  const name = Buffer.from(key)
  const frame = Buffer.allocUnsafe(headBytes + name.length + (value?.length ?? 0))
  frame.writeUInt32LE(name.length, 0)
  frame.writeUInt32LE(value === undefined ? 0 : value.length + 1, 4)
  frame.writeDoubleLE(revision, 8)
  frame.set(name, headBytes)
  if (value !== undefined) frame.set(value, headBytes + name.length)
  return frame
}

/** The whole ones at the beginning; their values stay a part of `bytes`. `end`: where the rest begins. */
export const unframed = (bytes: Buffer): { readonly items: readonly Item[]; readonly end: number } => {
  const items: Item[] = []
  let at = 0
  while (bytes.length - at >= headBytes) {
    const keyEnd = at + headBytes + bytes.readUInt32LE(at)
    const size = bytes.readUInt32LE(at + 4)
    const end = keyEnd + Math.max(0, size - 1)
    if (end > bytes.length) break
    items.push({
      key: bytes.toString('utf8', at + headBytes, keyEnd),
      revision: bytes.readDoubleLE(at + 8),
      value: size === 0 ? undefined : bytes.subarray(keyEnd, end),
    })
    at = end
  }
  return { items, end: at }
}
