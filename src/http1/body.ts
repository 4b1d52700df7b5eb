/**
 * Follows a message body through pieces of any size: by length, in chunks, or until the sender closes.
 *
 * `take` returns the bytes to relay and knows exactly where the body ends, so that what follows is never
 * mistaken for it. Chunked bodies come out as chunks again, validated, without extensions and with
 * their trailers filtered (RFC 9112 §7.1, RFC 9110 §6.5.1), or as plain data for a peer that knows no
 * chunks. The end of a chunked body is let out only when it is complete.
 */
import assert from 'node:assert/strict'
import { CR, hexValue, isValueByte, latin1, LF } from './bytes.ts'
import type { Fault } from './fault.ts'
import { faults } from './fault.ts'
import { HeadParser, requestRules, stride } from './head-parser.ts'
import { chunkExtensionBytesMax, requestLimits, trailerBytesMax } from './limits.ts'

/** How a message's body ends. -1: chunked; -2: when the connection closes; else its length in bytes. */
export type Framing = number
export const chunked: Framing = -1
export const untilClose: Framing = -2

const phase = {
  size: 0,
  extension: 1,
  sizeLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  end: 6,
  endLf: 7,
  trailer: 8,
}
const sizeDigitsMax = 16
const empty = Buffer.alloc(0)
const lastChunk = Buffer.from('0\r\n\r\n')
const trailerRules = requestRules({ ...requestLimits, headBytesMax: trailerBytesMax })

// Fields that would change framing, routing, identity or the meaning of what was sent before.
const noTrailer =
  /^(content-(length|encoding|type|range)|transfer-encoding|trailer|host|connection|keep-alive|te|upgrade)$/
const noTrailerEither =
  /^(authorization|proxy-.*|cookie|set-cookie|expect|via|forwarded|x-forwarded-.*|x-request-.*)$/

/** One body's way through. Made once a connection and reused: `begin` for each message. */
export class BodyReader {
  /** The body has ended; bytes from `consumed` on belong to the next message. */
  done = true
  fault: Fault | null = null
  consumed = 0
  /** The trailer section of a chunked body, to be read when `take` returns; null when there was none. */
  trailers: HeadParser | null = null

  #framing: Framing = 0
  #unchunk = false
  #remaining = 0
  #phase = phase.size
  #digits = 0
  #extensionBytes = 0
  #hadExtension = false

  /** A body begins. `unchunk`: relay the data of chunks alone. */
  begin(framing: Framing, unchunk = false): void {
    this.done = framing === 0
    this.fault = null
    this.consumed = 0
    this.#framing = framing
    this.#unchunk = unchunk
    this.#remaining = framing > 0 ? framing : 0
    this.#phase = phase.size
    this.#digits = 0
    this.#extensionBytes = 0
    this.#hadExtension = false
    this.trailers = null
  }

  /**
   * Takes what belongs to the body from piece[from, …) and returns what to relay, perhaps nothing and
   * often a view of `piece`. Sets `consumed`, `done` and `fault`; with a fault the result is empty.
   */
  take(piece: Buffer, from: number): Buffer {
    assert(!this.done && this.fault === null, 'a body that ended takes no more bytes')
    if (this.#framing === chunked) return this.#takeChunks(piece, from)
    const available = piece.length - from
    const length = this.#framing === untilClose ? available : Math.min(available, this.#remaining)
    this.consumed = from + length
    if (this.#framing !== untilClose) {
      this.#remaining -= length
      this.done = this.#remaining === 0
    }
    return length === piece.length ? piece : piece.subarray(from, from + length)
  }

  /** The sender closed: true when that is how this body ends, or it had ended. */
  closed(): boolean {
    if (this.#framing === untilClose) this.done = true
    return this.done
  }

  #takeChunks(piece: Buffer, from: number): Buffer {
    const end = piece.length
    const parts: Buffer[] = []
    // The open span of piece that goes out as it is; -1 when none is open.
    let span = this.#unchunk || this.#phase < phase.data || this.#phase > phase.dataLf ? -1 : from
    if (this.#unchunk && this.#phase === phase.data) span = from
    // Where the size line in hand began, if it began in this piece.
    let lineStart = this.#phase === phase.size && this.#digits === 0 ? from : -1
    let at = from

    while (at < end && !this.done) {
      const byte = piece[at] as number
      switch (this.#phase) {
        case phase.size: {
          const digit = hexValue[byte] as number
          if (digit !== 255) {
            this.#digits += 1
            this.#remaining = this.#remaining * 16 + digit
            if (this.#digits > sizeDigitsMax || this.#remaining > Number.MAX_SAFE_INTEGER) return this.#bad()
          } else {
            if (this.#digits === 0) return this.#bad()
            if (byte === CR) this.#phase = phase.sizeLf
            else if (byte === 0x3b) this.#phase = phase.extension
            else return this.#bad()
          }
          at += 1
          break
        }
        case phase.extension: {
          this.#hadExtension = true
          if (byte === CR) this.#phase = phase.sizeLf
          else {
            this.#extensionBytes += 1
            if (isValueByte[byte] === 0 || this.#extensionBytes > chunkExtensionBytesMax) return this.#bad()
          }
          at += 1
          break
        }
        case phase.sizeLf: {
          if (byte !== LF) return this.#bad()
          at += 1
          this.#digits = 0
          if (this.#remaining === 0) {
            if (span >= 0) parts.push(piece.subarray(span, lineStart >= 0 ? lineStart : span))
            span = -1
            this.#phase = phase.end
            break
          }
          if (this.#unchunk) span = at
          else if (this.#hadExtension || lineStart < 0) {
            if (span >= 0) parts.push(piece.subarray(span, lineStart))
            parts.push(Buffer.from(`${this.#remaining.toString(16)}\r\n`, 'latin1'))
            span = at
          } else if (span < 0) span = lineStart
          this.#hadExtension = false
          this.#phase = phase.data
          break
        }
        case phase.data: {
          const length = Math.min(end - at, this.#remaining)
          this.#remaining -= length
          at += length
          if (this.#remaining > 0) break
          this.#phase = phase.dataCr
          if (this.#unchunk) {
            parts.push(piece.subarray(span, at))
            span = -1
          }
          break
        }
        case phase.dataCr: {
          if (byte !== CR) return this.#bad()
          this.#phase = phase.dataLf
          at += 1
          break
        }
        case phase.dataLf: {
          if (byte !== LF) return this.#bad()
          at += 1
          this.#phase = phase.size
          lineStart = at
          break
        }
        case phase.end: {
          if (byte === CR) {
            this.#phase = phase.endLf
            at += 1
            break
          }
          this.trailers = new HeadParser(trailerRules)
          this.trailers.reset('trailers')
          this.#phase = phase.trailer
          break
        }
        case phase.endLf: {
          if (byte !== LF) return this.#bad()
          at += 1
          this.done = true
          if (!this.#unchunk) parts.push(lastChunk)
          break
        }
        default: {
          const trailers = this.trailers
          assert(trailers !== null)
          const outcome = trailers.feed(piece, at)
          if (outcome === 'fault') return this.#bad(faults['bad-trailer'])
          at = outcome === 'done' ? trailers.consumed : end
          if (outcome === 'more') break
          this.done = true
          if (!this.#unchunk) parts.push(keptTrailers(trailers))
        }
      }
    }
    this.consumed = at
    // A size line still open at the end of the piece stays back until it is known not to be the last.
    const stop = this.#phase < phase.data ? Math.max(lineStart, span) : at
    if (span >= 0 && stop > span) parts.push(piece.subarray(span, stop))
    return parts.length === 1 ? (parts[0] as Buffer) : parts.length === 0 ? empty : Buffer.concat(parts)
  }

  #bad(fault: Fault = faults['bad-chunk']): Buffer {
    this.fault = fault
    return empty
  }
}

/** The last chunk with the trailers that may be forwarded, names and order as they came. */
function keptTrailers(trailers: HeadParser): Buffer {
  const { bytes, offsets, count } = trailers
  let text = '0\r\n'
  for (let slot = 0; slot < count * stride; slot += stride) {
    const name = latin1(bytes, offsets[slot], offsets[slot + 1])
    const lower = name.toLowerCase()
    if (noTrailer.test(lower) || noTrailerEither.test(lower)) continue
    text += `${name}: ${latin1(bytes, offsets[slot + 2], offsets[slot + 3])}\r\n`
  }
  return Buffer.from(`${text}\r\n`, 'latin1')
}
