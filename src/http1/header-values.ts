/** All values of one header of a parsed head: for those that only few requests have read. */
import { equalsIgnoreCase, latin1 } from './bytes.ts'
import { stride, type HeadParser } from './head-parser.ts'

/** @param name lower case; values come in their order, as they were sent */
export function headerValues(parser: HeadParser, name: Buffer): readonly string[] {
  const { bytes, offsets, count } = parser
  const values: string[] = []
  for (let i = 0, slot = 0; i < count; i += 1, slot += stride) {
    const start = offsets[slot] as number
    const end = offsets[slot + 1] as number
    if (end - start !== name.length || !equalsIgnoreCase(bytes, start, end, name)) continue
    values.push(latin1(bytes, offsets[slot + 2], offsets[slot + 3]))
  }
  return values
}
