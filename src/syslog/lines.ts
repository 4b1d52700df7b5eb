/** The lines of a text: LFs end them, and none is longer than the most. Bytes stay as they are. Pure. */

/** As dynos' lines are cut. */
export const lineBytesMax = 10_000
const lf = 0x0a
/** A character of UTF-8 has at most so many bytes that continue it. */
const continuationsMax = 3

/** At least one, which share the memory of the text. */
export const linesOf = (text: Uint8Array, bytesMax = lineBytesMax): readonly Uint8Array[] => {
  let end = text.indexOf(lf)
  if (end < 0 && text.length <= bytesMax) return [text]
  const lines: Uint8Array[] = []
  let start = 0
  for (; end >= 0; end = text.indexOf(lf, start)) {
    cut(text.subarray(start, end), bytesMax, lines)
    start = end + 1
  }
  cut(text.subarray(start), bytesMax, lines)
  return lines
}

const cut = (line: Uint8Array, bytesMax: number, into: Uint8Array[]): void => {
  let start = 0
  while (line.length - start > bytesMax) {
    const end = characterEnd(line, start + bytesMax)
    into.push(line.subarray(start, end))
    start = end
  }
  into.push(start === 0 ? line : line.subarray(start))
}

/** The end of the last whole character before `end`; `end` itself where it is no UTF-8. */
const characterEnd = (line: Uint8Array, end: number): number => {
  for (let back = 0; back <= continuationsMax; back += 1)
    if (((line[end - back] ?? 0) & 0xc0) !== 0x80) return end - back
  return end
}
