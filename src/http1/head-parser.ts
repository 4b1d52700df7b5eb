/**
 * Parses the head of a request or a response, fed bytes in pieces of any size.
 *
 * The result is positions into one buffer, not objects: the caller reads the few headers it cares about
 * and copies the rest as spans. A head that arrives whole is parsed where it lies; one that arrives in
 * pieces is gathered in a bounded buffer and every byte of it is still looked at once, so a sender of
 * single bytes costs no more than its bytes. The outcome never depends on where the pieces were cut.
 */
import assert from 'node:assert/strict'
import { COLON, CR, HT, isTokenByte, isValueByte, LF, SP } from './bytes.ts'
import type { Fault } from './fault.ts'
import { faults } from './fault.ts'
import { headerKind, kind } from './header-kind.ts'
import type { HeadLimits } from './limits.ts'
import { cookieLineBytesMax } from './limits.ts'

/** Numbers of each header in `offsets`: where its name and value start and end, and its kind. */
export const stride = 5

/** What differs between requests and responses while scanning. */
export type HeadRules = {
  readonly limits: HeadLimits
  readonly startLineTooLong: Fault
  readonly startLineBad: Fault
  readonly headerTooLong: Fault
}

export const requestRules = (limits: HeadLimits): HeadRules => ({
  limits,
  startLineTooLong: faults['request-line-too-long'],
  startLineBad: faults['bad-request-line'],
  headerTooLong: faults['header-value-too-long'],
})

export const responseRules = (limits: HeadLimits): HeadRules => ({
  limits,
  startLineTooLong: faults['status-line-too-long'],
  startLineBad: faults['bad-status-line'],
  headerTooLong: faults['response-header-too-long'],
})

const phase = { start: 0, emptyLf: 1, line: 2, lineLf: 3, name: 4, blank: 5, value: 6, valueLf: 7, endLf: 8 }

// Positions of the head being parsed right now. Heads that arrive whole never need their own, which is
// nearly all of them; one that must wait for bytes takes a copy along.
let shared = new Int32Array(64 * stride)

/** A resumable parser; one for each direction of a connection, reused for head after head. */
export class HeadParser {
  /** Holds the head once `feed` answered done: valid until the next `feed` or `reset`. */
  bytes: Buffer = empty
  lineStart = 0
  lineEnd = 0
  /** First byte of the first header, and first byte after the empty line that ends the head. */
  headersStart = 0
  headEnd = 0
  count = 0
  offsets: Int32Array = shared
  /** Bytes of the last fed piece that belong to the head; the body starts there. */
  consumed = 0
  fault: Fault | null = null

  readonly #rules: HeadRules
  #phase = phase.start
  #at = 0
  #mark = 0
  #emptyLines = 0
  #held: Buffer | null = null
  #heldLength = 0

  constructor(rules: HeadRules) {
    this.#rules = rules
  }

  /** True when nothing of a head has arrived yet: an idle connection, not a slow one. */
  get idle(): boolean {
    return this.#phase === phase.start && this.#heldLength === 0 && this.#emptyLines === 0
  }

  /**
   * Forgets the last head; the next `feed` starts a new one, or a bare header section (trailers). Trailers
   * have positions of their own: those of their head are still read when they come with it in one piece.
   */
  reset(section: 'head' | 'trailers' = 'head'): void {
    this.bytes = empty
    this.offsets = section === 'head' ? shared : new Int32Array(16 * stride)
    this.fault = null
    this.count = 0
    this.#phase = section === 'head' ? phase.start : phase.name
    this.#at = 0
    this.#mark = 0
    this.#emptyLines = 0
    this.#held = null
    this.#heldLength = 0
  }

  /**
   * Keeps a parsed head valid across other parsers' work, for a caller that must wait before reading on.
   * `lent`: the bytes it was read from will not stay as they are.
   */
  retain(lent: boolean): void {
    if (this.offsets === shared) this.offsets = shared.slice(0, this.count * stride)
    if (lent && this.#held === null) this.bytes = Buffer.from(this.bytes.subarray(0, this.headEnd))
  }

  /**
   * Takes piece[from, end). 'done': positions are set and `consumed` says where the body starts, counted
   * from the start of `piece`. 'more': everything was taken. 'fault': see `fault`; the sender is not
   * speaking HTTP/1.1 and nothing after it can be trusted.
   */
  feed(piece: Buffer, from: number): 'more' | 'done' | 'fault' {
    assert(this.fault === null, 'a parser that found a fault is not fed again')
    const headBytesMax = this.#rules.limits.headBytesMax
    const before = this.#heldLength
    if (this.#held === null) {
      this.#at = from
      this.#mark = from
      const outcome = this.#scan(piece, Math.min(piece.length, from + headBytesMax + 1))
      if (outcome === 'done') {
        this.consumed = this.#at
        if (this.#at - from > headBytesMax) return this.#refuse(faults['head-too-large'])
      }
      return outcome === 'more' ? this.#hold(piece, from) : outcome
    }
    const room = Math.min(piece.length - from, headBytesMax + 1 - before)
    this.#append(piece, from, room)
    const outcome = this.#scan(this.#held, this.#heldLength)
    if (outcome === 'done') {
      this.consumed = from + this.#at - before
      if (this.#at > headBytesMax) return this.#refuse(faults['head-too-large'])
    } else if (outcome === 'more' && this.#heldLength > headBytesMax) {
      return this.#refuse(faults['head-too-large'])
    }
    return outcome
  }

  /** One pass over bytes[#at, end), leaving off wherever they end. */
  #scan(bytes: Buffer, end: number): 'more' | 'done' | 'fault' {
    const limits = this.#rules.limits
    let at = this.#at
    let mark = this.#mark
    let state = this.#phase
    let offsets = this.offsets
    this.bytes = bytes
    while (at < end) {
      switch (state) {
        case phase.start: {
          if (bytes[at] === CR) {
            this.#emptyLines += 1
            if (this.#emptyLines > limits.emptyLinesMax) return this.#refuse(faults['too-many-empty-lines'])
            state = phase.emptyLf
            at += 1
            break
          }
          mark = at
          state = phase.line
          break
        }
        case phase.emptyLf: {
          if (bytes[at] !== LF) return this.#refuse(this.#rules.startLineBad)
          state = phase.start
          at += 1
          break
        }
        case phase.line: {
          const stop = Math.min(end, mark + limits.startLineBytesMax + 1)
          while (at < stop && isValueByte[bytes[at] as number] === 1) at += 1
          if (at - mark > limits.startLineBytesMax) return this.#refuse(this.#rules.startLineTooLong)
          if (at === end) break
          if (bytes[at] !== CR) return this.#refuse(this.#rules.startLineBad)
          this.lineStart = mark
          this.lineEnd = at
          state = phase.lineLf
          at += 1
          break
        }
        case phase.lineLf: {
          if (bytes[at] !== LF) return this.#refuse(this.#rules.startLineBad)
          at += 1
          this.headersStart = at
          mark = at
          state = phase.name
          break
        }
        case phase.name: {
          const stop = Math.min(end, mark + limits.headerNameBytesMax + 1)
          while (at < stop && isTokenByte[bytes[at] as number] === 1) at += 1
          if (at - mark > limits.headerNameBytesMax) return this.#refuse(faults['header-name-too-long'])
          if (at === end) break
          if (at === mark) {
            if (bytes[at] !== CR) return this.#refuse(faults['bad-header-name'])
            state = phase.endLf
            at += 1
            break
          }
          if (bytes[at] !== COLON) return this.#refuse(faults['bad-header-name'])
          if (this.count === limits.headersMax) return this.#refuse(faults['too-many-headers'])
          const slot = this.count * stride
          if (slot + stride > offsets.length) offsets = this.#grow()
          offsets[slot] = mark
          offsets[slot + 1] = at
          offsets[slot + 4] = headerKind(bytes, mark, at)
          at += 1
          mark = at
          state = phase.blank
          break
        }
        case phase.blank: {
          while (at < end && (bytes[at] === SP || bytes[at] === HT)) at += 1
          if (at === end) break
          mark = at
          state = phase.value
          break
        }
        case phase.value: {
          const stop = Math.min(end, mark + limits.headerValueBytesMax + 1)
          while (at < stop && isValueByte[bytes[at] as number] === 1) at += 1
          if (at - mark > limits.headerValueBytesMax) return this.#refuse(this.#rules.headerTooLong)
          if (at === end) break
          if (bytes[at] !== CR) return this.#refuse(faults['bad-header-value'])
          state = phase.valueLf
          at += 1
          break
        }
        case phase.valueLf: {
          if (bytes[at] !== LF) return this.#refuse(faults['bad-header-value'])
          const slot = this.count * stride
          let last = at - 1
          while (last > mark && (bytes[last - 1] === SP || bytes[last - 1] === HT)) last -= 1
          offsets[slot + 2] = mark
          offsets[slot + 3] = last
          this.count += 1
          const lineBytes = at - 1 - (offsets[slot] as number)
          if (offsets[slot + 4] === kind.setCookie && lineBytes > cookieLineBytesMax) {
            return this.#refuse(faults['cookie-too-long'])
          }
          at += 1
          mark = at
          state = phase.name
          break
        }
        default: {
          if (bytes[at] !== LF) return this.#refuse(faults['bad-header-name'])
          at += 1
          this.headEnd = at
          this.#at = at
          return 'done'
        }
      }
    }
    this.#at = at
    this.#mark = mark
    this.#phase = state
    return 'more'
  }

  #refuse(fault: Fault): 'fault' {
    this.fault = fault
    return 'fault'
  }

  /** The head goes on in a later piece: keep what is here of it, and its positions. */
  #hold(piece: Buffer, from: number): 'more' | 'fault' {
    const length = piece.length - from
    if (length > this.#rules.limits.headBytesMax) return this.#refuse(faults['head-too-large'])
    const held = Buffer.allocUnsafeSlow(Math.max(1024, 2 * length))
    piece.copy(held, 0, from)
    this.#held = held
    this.#heldLength = length
    this.bytes = held
    this.#at -= from
    this.#mark -= from
    this.lineStart -= from
    this.lineEnd -= from
    this.headersStart -= from
    const used = (this.count + 1) * stride
    const own = new Int32Array(Math.max(2 * used, 16 * stride))
    for (let i = 0; i < used; i += 1) {
      const value = this.offsets[i] ?? 0
      own[i] = i % stride === stride - 1 ? value : value - from
    }
    this.offsets = own
    return 'more'
  }

  #append(piece: Buffer, from: number, length: number): void {
    assert(this.#held !== null)
    const need = this.#heldLength + length
    if (need > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(2 * need)
      this.#held.copy(larger, 0, 0, this.#heldLength)
      this.#held = larger
    }
    piece.copy(this.#held, this.#heldLength, from, from + length)
    this.#heldLength = need
  }

  #grow(): Int32Array {
    const larger = new Int32Array(2 * this.offsets.length)
    larger.set(this.offsets)
    if (this.offsets === shared) shared = larger
    this.offsets = larger
    return larger
  }
}

const empty = Buffer.alloc(0)
