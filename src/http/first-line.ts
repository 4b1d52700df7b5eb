/**
 * What a client wants, told by its first line: an HTTP request line has a space before its end, a
 * rendezvous token none.
 */
import type { Other } from './shared-port.ts'

export type FirstLine =
  | { readonly kind: 'http'; readonly bytes: 0 }
  /** `bytes`: length of the line with its CRLF. */
  | { readonly kind: 'token'; readonly token: string; readonly bytes: number }
  | { readonly kind: 'neither'; readonly bytes: 0 }

const space = 0x20
const lineFeed = 0x0a
const tokenShape = /^[A-Za-z0-9_-]{16,128}\r?$/

/** Pure. Undefined: not known yet. A line longer than `bytesMax` without a space is neither. */
export const firstLine = (bytes: Buffer, bytesMax: number): FirstLine | undefined => {
  const end = bytes.indexOf(lineFeed)
  const gap = bytes.indexOf(space)
  if (gap !== -1 && (end === -1 || gap < end)) return { kind: 'http', bytes: 0 }
  if (end === -1) return bytes.length > bytesMax ? { kind: 'neither', bytes: 0 } : undefined
  const line = bytes.toString('latin1', 0, Math.min(end, bytesMax))
  if (!tokenShape.test(line)) return { kind: 'neither', bytes: 0 }
  return { kind: 'token', token: line.replace(/\r$/, ''), bytes: end + 1 }
}

/**
 * A client that sends a token, through TLS, meets who waits for it.
 * @param meets false: nobody does, and the connection is closed
 */
export const byFirstLine =
  (meets: (token: string, socket: Parameters<Other>[1]) => boolean, bytesMax: number): Other =>
  (bytes, socket, isSecure) => {
    const line = isSecure ? firstLine(bytes, bytesMax) : undefined
    if (!isSecure || line?.kind === 'http') return 'http'
    if (line === undefined) return undefined
    const isMet = (): boolean => line.kind === 'token' && meets(line.token, socket)
    return { used: line.bytes, next: () => void (isMet() || socket.destroy()) }
  }
