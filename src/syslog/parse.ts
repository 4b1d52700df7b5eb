/**
 * Octet-counted frames (RFC 6587) out of a stream cut anywhere, and the message (RFC 5424) out of a frame.
 * Bytes are carried as they are; of a stream no more is held than the frame that has not wholly come.
 */
import { parseTime } from './time.ts'

/** What Logplex takes: header and text together. */
export const frameBytesMaxByDefault = 10_240

const lf = 0x0a
const space = 0x20
const quote = 0x22
const dash = 0x2d
const zero = 0x30
const nine = 0x39
const less = 0x3c
const equals = 0x3d
const greater = 0x3e
const atSign = 0x40
const open = 0x5b
const backslash = 0x5c
const close = 0x5d

/** Nobody's length has more digits; of what is said to be that long nothing is held. */
const lengthDigitsMax = 9
/** What is no frame has no length: it goes up to the next LF. */
const toNextLf = Number.POSITIVE_INFINITY

/**
 * Fed a stream piece by piece. What begins with no length and a blank is malformed up to the next LF, and a
 * frame longer than `frameBytesMax` as a whole: many senders end none with LF, and what is inside one is no
 * frame. Each is counted once and never held.
 */
export class FrameParser {
  /** Malformed messages so far, also those whose end has not come. */
  malformed = 0
  /** That have come since, of what is malformed up to the next LF. */
  strayBytes = 0
  readonly #frameBytesMax: number
  #lengthDigits = 0
  #length = 0
  /** What is still to come of what is malformed. */
  #skip = 0
  /** A frame that has come in part, as large as it will be. */
  #held: Buffer | null = null
  #heldBytes = 0

  constructor(frameBytesMax = frameBytesMaxByDefault) {
    this.#frameBytesMax = frameBytesMax
  }

  /** In the middle of a frame, or of its length: one that is not counted would be lost here. */
  get isCut(): boolean {
    return this.#held !== null || this.#lengthDigits > 0
  }

  /** The frames that this piece completes, without their lengths. They may share its memory. */
  feed(piece: Buffer): readonly Buffer[] {
    const frames: Buffer[] = []
    let at = 0
    while (at < piece.length) {
      if (this.#skip > 0) at = this.#skipped(piece, at)
      else if (this.#held !== null) {
        const count = Math.min(this.#held.length - this.#heldBytes, piece.length - at)
        piece.copy(this.#held, this.#heldBytes, at, at + count)
        this.#heldBytes += count
        at += count
        if (this.#heldBytes < this.#held.length) break
        frames.push(this.#held)
        this.#held = null
      } else if (this.#tookDigit(piece[at] as number)) {
        at += 1
      } else if (piece[at] === space && this.#lengthDigits > 0) {
        at += 1
        const length = this.#endLength()
        if (length > this.#frameBytesMax) this.#stray(length)
        else if (at + length <= piece.length) {
          frames.push(piece.subarray(at, at + length))
          at += length
        } else {
          this.#held = Buffer.allocUnsafeSlow(length)
          this.#heldBytes = 0
        }
      } else {
        this.#endLength()
        this.#stray(toNextLf)
      }
    }
    return frames
  }

  #stray(bytes: number): void {
    this.malformed += 1
    this.#skip = bytes
  }

  /** @returns where to go on in the piece */
  #skipped(piece: Buffer, from: number): number {
    if (this.#skip !== toNextLf) {
      const count = Math.min(this.#skip, piece.length - from)
      this.#skip -= count
      return from + count
    }
    const end = piece.indexOf(lf, from)
    if (end < 0) {
      this.strayBytes += piece.length - from
      return piece.length
    }
    this.strayBytes = 0
    this.#skip = 0
    return end + 1
  }

  #tookDigit(byte: number): boolean {
    if (byte > nine || byte < (this.#lengthDigits === 0 ? zero + 1 : zero)) return false
    if (this.#lengthDigits === lengthDigitsMax) return false
    this.#length = 10 * this.#length + byte - zero
    this.#lengthDigits += 1
    return true
  }

  #endLength(): number {
    const length = this.#length
    this.#length = 0
    this.#lengthDigits = 0
    return length
  }
}

export type ParsedMessage = {
  readonly priority: number
  /** Microseconds since 1970; undefined when the sender gave none that can be read. */
  readonly atUs: number | undefined
  readonly host: string
  /** APP-NAME. */
  readonly source: string
  /** PROCID. */
  readonly process: string
  /** Without the LF at its very end; shares the frame's memory. */
  readonly text: Uint8Array
}

/**
 * `<PRI>1 TIME HOST APP-NAME PROCID MSGID [STRUCTURED-DATA] [MSG]`: undefined for anything else. Many senders
 * of Logplex leave STRUCTURED-DATA out; where it is, it is skipped.
 */
export const parseMessage = (frame: Buffer): ParsedMessage | undefined => {
  const end = frame[frame.length - 1] === lf ? frame.length - 1 : frame.length
  let at = 1
  let priority = 0
  for (; at < 4 && isDigit(frame[at] as number); at += 1)
    priority = 10 * priority + (frame[at] as number) - zero
  if (frame[0] !== less || at === 1 || frame[at] !== greater || priority > 191) return undefined
  if (frame[at + 1] !== zero + 1 || frame[at + 2] !== space) return undefined
  const time = at + 3
  const timeEnd = fieldEnd(frame, time, end)
  const hostEnd = fieldEnd(frame, timeEnd + 1, end)
  const sourceEnd = fieldEnd(frame, hostEnd + 1, end)
  const processEnd = fieldEnd(frame, sourceEnd + 1, end)
  const idEnd = fieldEnd(frame, processEnd + 1, end, true)
  if (Number.isNaN(idEnd)) return undefined
  return {
    priority,
    atUs: parseTime(frame, time, timeEnd),
    host: (lastHost = nameIn(frame, timeEnd + 1, hostEnd, lastHost)),
    source: (lastSource = nameIn(frame, hostEnd + 1, sourceEnd, lastSource)),
    process: (lastProcess = nameIn(frame, sourceEnd + 1, processEnd, lastProcess)),
    text: frame.subarray(textStart(frame, Math.min(idEnd + 1, end), end), end),
  }
}

const isDigit = (byte: number): boolean => byte >= zero && byte <= nine

// Lines come in bursts of one writer: comparing with its names costs less than making them again.
let lastHost = ''
let lastSource = ''
let lastProcess = ''

const nameIn = (frame: Buffer, from: number, end: number, last: string): string => {
  if (last.length !== end - from) return frame.toString('utf8', from, end)
  for (let i = 0; i < last.length; i += 1) {
    const byte = frame[from + i] as number
    if (byte > 0x7f || byte !== last.charCodeAt(i)) return frame.toString('utf8', from, end)
  }
  return last
}

/** Where the blank after it is; NaN, which no later field survives, when there is no field. */
const fieldEnd = (frame: Buffer, from: number, end: number, last = false): number => {
  let at = from
  while (at < end && (frame[at] as number) > space) at += 1
  const isEnded = at < end ? frame[at] === space : last && at === end
  return at > from && isEnded ? at : Number.NaN
}

/** Behind STRUCTURED-DATA and the blank after it, if that is what begins at `from`. */
const textStart = (frame: Buffer, from: number, end: number): number => {
  let at = from
  if (frame[at] === dash) at += 1
  else while (at < end && frame[at] === open) at = elementEnd(frame, at, end)
  if (at === from || Number.isNaN(at)) return from
  return at === end ? end : frame[at] === space ? at + 1 : from
}

const registeredIds = new Set(['timeQuality', 'origin', 'meta'])

/**
 * Behind the SD-ELEMENT that begins at `from`; NaN when it is none. An id that no RFC knows, without
 * parameters, is none: `[INFO] ready` is what many write where STRUCTURED-DATA was left out.
 */
const elementEnd = (frame: Buffer, from: number, end: number): number => {
  let at = nameEnd(frame, from + 1, end)
  if (at === from + 1) return Number.NaN
  const idEnd = at
  while (at < end && frame[at] === space) {
    const name = at + 1
    at = nameEnd(frame, name, end)
    if (at === name || frame[at] !== equals || frame[at + 1] !== quote) return Number.NaN
    at += 2
    while (at < end && frame[at] !== quote) at += frame[at] === backslash ? 2 : 1
    at += 1
  }
  if (at >= end || frame[at] !== close) return Number.NaN
  if (at > idEnd || frame.subarray(from, idEnd).includes(atSign)) return at + 1
  return registeredIds.has(frame.toString('latin1', from + 1, idEnd)) ? at + 1 : Number.NaN
}

const nameEnd = (frame: Buffer, from: number, end: number): number => {
  let at = from
  for (; at < end; at += 1) {
    const byte = frame[at] as number
    if (byte <= space || byte > 0x7e || byte === equals || byte === quote || byte === close) break
  }
  return at
}
