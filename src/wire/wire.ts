/**
 * One end of a connection as the data path uses it: bytes in, bytes out, and how it ended.
 *
 * Two kinds stand behind it: Node's public sockets, which work always and carry TLS, and bare TCP handles,
 * which cost half as much. What is read may be lent: it lies in a buffer that the next read overwrites, so
 * whoever keeps it takes it with `owned`, and whoever passes it on at once says whose it is.
 */

/** Who uses a wire. After `wireClosed` there are no more calls. */
export type WireUser = {
  /** A connection that was asked for is there. */
  readonly wireConnected?: () => void
  /** Bytes that were read; lent unless `wire.lent` is false. */
  readonly wireBytes: (bytes: Buffer) => void
  /** The peer sent its FIN. */
  readonly wireEnded: () => void
  /** What waited in this process to be written has gone. */
  readonly wireDrained: () => void
  /**
   * Closed, or never opened; with the system's code, such as ECONNRESET, when it was not orderly, and EPROTO
   * when the rules of what carries it were broken.
   */
  readonly wireClosed: (code: string) => void
}

export type Wire = {
  /** Whether what is reported is overwritten by the next read. */
  readonly lent: boolean
  /** Bytes that the kernel has not taken yet. */
  readonly unsentBytes: number
  /** Alive as far as is known: not closed, not half closed, no error. */
  readonly usable: boolean
  /** The peer's address without the IPv4-in-IPv6 prefix; empty when it is gone. */
  readonly remoteAddress: string
  /** Our own end, as `10.0.0.1:4711`; empty when it is gone. */
  readonly localEnd: string
  /** From now on this one is told. */
  readonly use: (user: WireUser) => void
  /**
   * Writes bytes, which are the wire's from then on; with a `lender` they are that wire's loan.
   * False: some of them wait, and `wireDrained` follows.
   */
  readonly write: (bytes: Buffer, lender?: Wire | null) => boolean
  /** Turns what was just read, all or part of it, into bytes that stay as they are. */
  readonly owned: (bytes: Buffer) => Buffer
  /** Whether `give` works; otherwise what is lent must be `owned` before it goes to one who may keep it. */
  readonly giving: boolean
  /** What was just read stays as it is; the next read goes elsewhere. */
  readonly give: () => void
  readonly pause: () => void
  readonly resume: () => void
  /** FIN, after what was written. */
  readonly end: () => void
  /** Closes once what was written has gone. */
  readonly destroySoon: () => void
  readonly destroy: () => void
  /** Closes with RST, so that the peer can't take what it got for the whole. */
  readonly reset: () => void
}

/** Reads of this size are made; a full one means that more is there. */
export const readBytes = 65_536

/** An address as it is shown: what came in over IPv6 from an IPv4 client is an IPv4 client. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return ''
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
