/**
 * What a connection begins with whose other end is a load balancer that says for whom it was made: the PROXY
 * protocol, versions 1 (text) and 2 (binary), as its specification has them. Pure.
 *
 * Nothing is guessed: a connection that should begin so and does not is no good. What belongs to this header
 * is kept until it is whole, bounded; not a byte beyond it is taken.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import { plainAddress } from './wire.ts'

/** The client's end, and the port that it connected to. */
export type Behalf = { readonly address: string; readonly port: number }

/** Longest line of version 1, with its CRLF. */
const lineBytesMax = 107
const fixedBytes = 16
/** Behind the fixed part of version 2: addresses, and extensions that are passed over. */
export const restBytesMax = 4096
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const word = Buffer.from('PROXY ')
const lineEnd = Buffer.from('\r\n')
const nothing = Buffer.alloc(0)

/** By family and transport, where the specification has them: where the addresses are. */
const layouts: Readonly<Record<number, { readonly addressBytes: number; readonly bytes: number }>> = {
  0x00: { addressBytes: 0, bytes: 0 },
  0x11: { addressBytes: 4, bytes: 12 },
  0x12: { addressBytes: 4, bytes: 12 },
  0x21: { addressBytes: 16, bytes: 36 },
  0x22: { addressBytes: 16, bytes: 36 },
  // Paths of sockets: nobody's address.
  0x31: { addressBytes: 0, bytes: 216 },
  0x32: { addressBytes: 0, bytes: 216 },
}

export class ProxyHeader {
  /** After `done`: for whom; null: the balancer itself (a health check), or somebody without an address. */
  behalf: Behalf | null = null
  /** After `done`: how many bytes of those fed last were the header's. */
  consumed = 0
  /** After `fault`: what is wrong. */
  fault = ''
  #held = nothing

  /** Some of it has come. */
  get begun(): boolean {
    return this.#held.length > 0
  }

  feed(bytes: Buffer): 'more' | 'done' | 'fault' {
    const before = this.#held.length
    const all = Buffer.concat([this.#held, bytes.subarray(0, fixedBytes + restBytesMax - before)])
    const length = begins(all, signature) ? this.#binary(all) : begins(all, word) ? this.#text(all) : -1
    if (length < 0) {
      this.fault ||= 'no PROXY header'
      return 'fault'
    }
    this.#held = all
    this.consumed = length - before
    return length > 0 ? 'done' : 'more'
  }

  /** @returns its length; 0: it is not whole; -1: it is no good */
  #text(bytes: Buffer): number {
    const end = bytes.subarray(0, lineBytesMax).indexOf(lineEnd)
    if (end < 0) return bytes.length < lineBytesMax ? 0 : this.#refuse('PROXY line too long')
    const line = bytes.toString('latin1', 0, end)
    const length = end + lineEnd.length
    if (/^PROXY UNKNOWN(?: |$)/.test(line)) return length
    const [, family, source = '', target = '', from = '', to = ''] =
      /^PROXY (TCP[46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line) ?? []
    const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : () => false
    if (!isAddress(source) || !isAddress(target) || !isPort(from) || !isPort(to))
      return this.#refuse('malformed PROXY line')
    this.behalf = { address: shown(source), port: Number(to) }
    return length
  }

  #binary(bytes: Buffer): number {
    if (bytes.length < fixedBytes) return 0
    const command = bytes.readUInt8(12)
    const layout = layouts[bytes.readUInt8(13)]
    const restBytes = bytes.readUInt16BE(14)
    if (command !== 0x20 && command !== 0x21) return this.#refuse('unknown PROXY version or command')
    if (restBytes > restBytesMax) return this.#refuse('PROXY header too long')
    const isLocal = command === 0x20
    if (!isLocal && layout === undefined) return this.#refuse('unknown PROXY family')
    if (!isLocal && restBytes < (layout?.bytes ?? 0)) return this.#refuse('PROXY header too short')
    if (bytes.length < fixedBytes + restBytes) return 0
    const { addressBytes } = layout ?? { addressBytes: 0 }
    if (!isLocal && addressBytes > 0) {
      const address = bytes.subarray(fixedBytes, fixedBytes + addressBytes)
      const text = addressBytes === 4 ? address.join('.') : address.toString('hex').match(/..../g)?.join(':')
      // Behind both addresses and the client's own port.
      const port = bytes.readUInt16BE(fixedBytes + 2 * addressBytes + 2)
      this.behalf = { address: shown(text ?? ''), port }
    }
    return fixedBytes + restBytes
  }

  #refuse(fault: string): number {
    this.fault = fault
    return -1
  }
}

/** As far as both go. */
const begins = (bytes: Buffer, start: Buffer): boolean => {
  const length = Math.min(bytes.length, start.length)
  return bytes.compare(start, 0, length, 0, length) === 0
}

const isPlainIPv6 = (text: string): boolean => isIPv6(text) && !text.includes('%')
const isPort = (text: string): boolean => String(Number(text)) === text && Number(text) <= 65_535

/** One form for each address, whichever way it was written. */
const shown = (text: string): string =>
  isIPv4(text) ? text : plainAddress(new SocketAddress({ address: text, family: 'ipv6' }).address)
