/** HTTP/2 written frame by frame, so that it can be written wrong (RFC 9113 §4, RFC 7541 §6.2.2). */
import { connect, type Socket } from 'node:net'
import { until } from './until.ts'

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const
export const flag = { ack: 1, endStream: 1, endHeaders: 4 } as const

const headBytes = 9

export const frame = (
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer => {
  const head = Buffer.alloc(headBytes)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A number in the bits that a first byte leaves it. */
const integer = (first: number, prefixBits: number, value: number): Buffer => {
  const most = 2 ** prefixBits - 1
  if (value < most) return Buffer.from([first | value])
  const bytes = [first | most]
  let rest = value - most
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}
const text = (value: string): Buffer => {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([integer(0, 7, bytes.length), bytes])
}

export type Field = readonly [name: string, value: string]
/** A header block of literals as they are; `indexed` ones go into the table of the connection. */
export const block = (fields: readonly Field[], indexed = false): Buffer =>
  Buffer.concat(
    fields.map(([name, value]) =>
      Buffer.concat([Buffer.from([indexed ? 0x40 : 0]), text(name), text(value)]),
    ),
  )
/** A reference to the entry of the table that was put there last. */
export const newest = Buffer.from([0x80 | 62])

export type Frame = {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** A client that has said hello. */
export class FramePeer {
  readonly socket: Socket
  readonly frames: Frame[] = []
  ended = false
  #rest = Buffer.alloc(0)

  constructor(port: number, settings: Uint8Array = Buffer.alloc(0)) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.socket.on('data', (bytes: Buffer) => this.#read(bytes))
    this.socket.on('error', () => (this.ended = true))
    this.socket.on('close', () => (this.ended = true))
    this.socket.on('end', () => (this.ended = true))
    this.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    this.send(frame(frameType.settings, 0, 0, settings))
  }

  send(...frames: readonly Buffer[]): this {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames))
    return this
  }

  /** How a stream ended, or the connection: `answered`, `rst CODE`, `goaway CODE` or `closed`. */
  async outcome(stream: number, timeoutMs = 10_000): Promise<string> {
    return until(() => this.#outcome(stream), { what: `the end of stream ${stream}`, timeoutMs })
  }

  #outcome(stream: number): string | undefined {
    for (const { type, flags, stream: of, payload } of this.frames) {
      if (type === frameType.goaway && payload.readUInt32BE(4) !== 0)
        return `goaway ${payload.readUInt32BE(4)}`
      if (of !== stream) continue
      if (type === frameType.reset) return `rst ${payload.readUInt32BE(0)}`
      const ends = type === frameType.data || type === frameType.headers
      if (ends && (flags & flag.endStream) !== 0) return 'answered'
    }
    return this.ended ? 'closed' : undefined
  }

  #read(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes])
    while (this.#rest.length >= headBytes) {
      const length = this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < headBytes + length) return
      this.frames.push({
        type: this.#rest.readUInt8(3),
        flags: this.#rest.readUInt8(4),
        stream: this.#rest.readUInt32BE(5) & 0x7fffffff,
        payload: this.#rest.subarray(headBytes, headBytes + length),
      })
      this.#rest = this.#rest.subarray(headBytes + length)
    }
  }
}
