/**
 * Batches of lines as the history keeps them and drains are told of them: packed once, and small, for a line
 * goes to disk and over the bus at the cost of its bytes. Pure but for what it keeps of the last ones.
 *
 * A mark that no msgpack begins with, whether the lines are compressed (zstd), the number of the first one,
 * how many there are, when the last was written, and what they are of their sources. Then the lines: who
 * speaks, each once; of all lines when (after the one before), who, and how long; their texts one after the
 * other. Numbers are little-endian; parts of unlike length begin with it, and are msgpack.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { decode, encode } from '../../src/runtime/codec.ts'
import type { Line } from '../protocols/channel.ts'
import type { BatchMarks } from './account.ts'

/** Lines in order, and the number of the first among all of the app's; and what they are of their sources. */
export type Batch = { readonly first: number; readonly lines: readonly Line[]; readonly marks?: BatchMarks }
/** What is known of a batch without unpacking it. */
export type Head = {
  readonly first: number
  readonly count: number
  /** When the last line was written; 0: there is none. */
  readonly untilUs: number
  readonly marks: BatchMarks
}

const mark = 0xc1
const [plain, compressed] = [0, 1]
const [firstAt, countAt, untilAt, marksAt] = [2, 10, 14, 22]
/** Of a line, without its text: f64, u16, u32. */
const lineBytes = 8 + 2 + 4
const speakersMax = 0xffff
/** Shorter ones gain little, and the work has a price of its own. */
const compressFromBytes = 2_048
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
/** What is compressed need not be kept: fresh memory costs as much as what is done with it. */
let scratch = Buffer.alloc(0)
const scratchBytesMax = 1024 * 1024

/** What was packed or unpacked last, by its bytes: an app's drains are all sent the same. */
const recent = new Map<Uint8Array, Required<Batch>>()
const recentMax = 16

const remember = (packed: Uint8Array, batch: Required<Batch>): Required<Batch> => {
  const [oldest] = recent.keys()
  if (recent.size >= recentMax && oldest !== undefined) recent.delete(oldest)
  recent.set(packed, batch)
  return batch
}

export const packBatch = ({ first, lines, marks = [] }: Batch): Uint8Array => {
  const body = packLines(lines)
  const isCompressed = body.length >= compressFromBytes
  const kept = isCompressed ? zstdCompressSync(body, { ...compression, chunkSize: body.length >> 1 }) : body
  const packedMarks = encode(marks)
  const bodyAt = marksAt + 4 + packedMarks.length
  const bytes = Buffer.allocUnsafeSlow(bodyAt + kept.length)
  bytes[0] = mark
  bytes[1] = isCompressed ? compressed : plain
  bytes.writeDoubleLE(first, firstAt)
  bytes.writeUInt32LE(lines.length, countAt)
  bytes.writeDoubleLE(lines.at(-1)?.atUs ?? 0, untilAt)
  bytes.writeUInt32LE(packedMarks.length, marksAt)
  bytes.set(packedMarks, marksAt + 4)
  bytes.set(kept, bodyAt)
  remember(bytes, { first, lines, marks })
  return bytes
}

/** Texts are views of one buffer. */
export const unpackBatch = (packed: Uint8Array): Required<Batch> => {
  const found = recent.get(packed)
  if (found !== undefined) return found
  if (packed[0] !== mark) return remember(packed, unpackOld(packed))
  const { first, count, marks } = headOf(packed)
  const bytes = viewOf(packed)
  const rest = bytes.subarray(marksAt + 4 + bytes.readUInt32LE(marksAt))
  const body = bytes[1] === compressed ? zstdDecompressSync(rest) : rest
  return remember(packed, { first, lines: unpackLines(body, count), marks })
}

export const headOf = (packed: Uint8Array): Head => {
  if (packed[0] !== mark) {
    const { first, lines, marks } = unpackBatch(packed)
    return { first, count: lines.length, untilUs: lines.at(-1)?.atUs ?? 0, marks }
  }
  const bytes = viewOf(packed)
  const marksEnd = marksAt + 4 + bytes.readUInt32LE(marksAt)
  return {
    first: bytes.readDoubleLE(firstAt),
    count: bytes.readUInt32LE(countAt),
    untilUs: bytes.readDoubleLE(untilAt),
    marks: decode(bytes.subarray(marksAt + 4, marksEnd)) as BatchMarks,
  }
}

const viewOf = ({ buffer, byteOffset, length }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, length)

type Old = readonly [first: number, lines: readonly Line[], marks?: BatchMarks]

/** Batches of before they were packed so go within a week; so do those whose lines had no numbers. */
const unpackOld = (bytes: Uint8Array): Required<Batch> => {
  const packed = decode(bytes) as Old | readonly Line[]
  if (!isNumbered(packed)) return { first: 0, lines: packed, marks: [] }
  const [first, lines, marks = []] = packed
  return { first, lines, marks }
}
const isNumbered = (packed: readonly unknown[]): packed is Old => typeof packed[0] === 'number'

type Speaker = Pick<Line, 'source' | 'process' | 'priority'>

const isSaidBy = (line: Line, speaker: Speaker | undefined): boolean =>
  line.process === speaker?.process && line.source === speaker.source && line.priority === speaker.priority

/** Those of the lines, and which of them each line has. */
const speakersOf = (lines: readonly Line[]) => {
  const speakers: Speaker[] = []
  const which = new Uint16Array(lines.length)
  const known = new Map<string, number>()
  let at = 0
  for (let n = 0; n < lines.length; n++) {
    const line = lines[n] as Line
    // Lines of one come together.
    if (!isSaidBy(line, speakers[at])) {
      const key = `${line.source}\0${line.process}\0${line.priority ?? ''}`
      at = known.get(key) ?? speakers.length
      known.set(key, at)
      if (at === speakers.length) speakers.push(line)
      if (at > speakersMax) throw new RangeError(`a batch has at most ${speakersMax} speakers`)
    }
    which[n] = at
  }
  return { speakers, which }
}

/** Until the next call. */
const room = (bytes: number): Buffer => {
  if (bytes > scratchBytesMax) return Buffer.allocUnsafeSlow(bytes)
  if (scratch.length < bytes) scratch = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * scratch.length))
  return scratch.subarray(0, bytes)
}

/** Good until the next call. */
const packLines = (lines: readonly Line[]): Buffer => {
  const { speakers, which } = speakersOf(lines)
  const names = encode(speakers.map(({ source, process, priority = null }) => [source, process, priority]))
  let textBytes = 0
  for (const { text } of lines) textBytes += text.length
  const body = room(4 + names.length + lines.length * lineBytes + textBytes)
  body.writeUInt32LE(names.length, 0)
  body.set(names, 4)
  let at = 4 + names.length
  let textAt = at + lines.length * lineBytes
  let beforeUs = 0
  for (let n = 0; n < lines.length; n++) {
    const { atUs, text } = lines[n] as Line
    body.writeDoubleLE(atUs - beforeUs, at)
    body.writeUInt16LE(which[n] as number, at + 8)
    body.writeUInt32LE(text.length, at + 10)
    body.set(text, textAt)
    beforeUs = atUs
    at += lineBytes
    textAt += text.length
  }
  return body
}

const unpackLines = (body: Buffer, count: number): readonly Line[] => {
  const namesEnd = 4 + body.readUInt32LE(0)
  const names = decode(body.subarray(4, namesEnd)) as readonly (readonly [string, string, number | null])[]
  const lines: Line[] = []
  let at = namesEnd
  let textAt = at + count * lineBytes
  let atUs = 0
  for (let n = 0; n < count; n++) {
    atUs += body.readDoubleLE(at)
    const textEnd = textAt + body.readUInt32LE(at + 10)
    const [source, process, priority] = names[body.readUInt16LE(at + 8)] as (typeof names)[number]
    const line = { atUs, source, process, text: body.subarray(textAt, textEnd) }
    lines.push(priority === null ? line : { ...line, priority })
    at += lineBytes
    textAt = textEnd
  }
  return lines
}
