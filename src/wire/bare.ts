/**
 * The one place that reaches for Node's internal TCP handle, and the guard before it.
 *
 * Node's sockets cost more than all the rest of forwarding a request; the handle beneath them costs next to
 * nothing. It is no public interface: what is used of it is listed here, looked for at the start, and when
 * anything is missing or has another shape there are no bare handles, and public sockets do the work.
 */
import type { Server } from 'node:net'

/** libuv's status for "the peer sent its FIN". */
export const endOfFile = -4095

export type Handle = {
  /** Called for each read; may answer the buffer for the next ones. */
  onread: () => Uint8Array | undefined
  readonly writeQueueSize: number
  readonly useUserBuffer: (buffer: Uint8Array) => void
  readonly readStart: () => number
  readonly readStop: () => number
  readonly writeBuffer: (request: WriteRequest, bytes: Uint8Array) => number
  readonly shutdown: (request: ShutdownRequest) => number
  readonly connect: (request: ConnectRequest, address: string, port: number) => number
  readonly connect6: (request: ConnectRequest, address: string, port: number) => number
  readonly setNoDelay: (on: boolean) => number
  readonly getpeername: (into: { address?: string }) => number
  readonly getsockname: (into: { address?: string; port?: number }) => number
  readonly close: (closed: () => void) => void
  readonly reset: (closed: () => void) => number
}
export type WriteRequest = {
  oncomplete: (status: number) => void
  /** Set while libuv has it: the bytes must stay. */
  bytes: Uint8Array | null
}
export type ShutdownRequest = { oncomplete: (status: number) => void }
export type ConnectRequest = { oncomplete: (status: number) => void }

export type Bare = {
  readonly openHandle: () => Handle
  readonly WriteWrap: new () => WriteRequest
  readonly ShutdownWrap: new () => ShutdownRequest
  readonly ConnectWrap: new () => ConnectRequest
  /** What the last call on any handle came to, at these indices. */
  readonly state: Int32Array
  readonly readResult: number
  readonly wroteLater: number
  /** Takes the server's connections before Node makes sockets of them. False: it can't be done here. */
  readonly accept: (server: Server, take: (handle: Handle) => void) => boolean
}

type TcpBinding = {
  readonly TCP: { new (type: number): Handle; readonly prototype: Record<string, unknown> }
  readonly TCPConnectWrap: Bare['ConnectWrap']
  readonly constants: { readonly SOCKET: number }
}
type StreamBinding = {
  readonly WriteWrap: Bare['WriteWrap']
  readonly ShutdownWrap: Bare['ShutdownWrap']
  readonly streamBaseState: Int32Array
  readonly kReadBytesOrError: number
  readonly kLastWriteWasAsync: number
}

const methods =
  'useUserBuffer readStart readStop writeBuffer shutdown connect connect6 setNoDelay getpeername getsockname close reset'

/** @param binding Node's own lookup of its internals; throws or answers anything when there are none */
export function findBare(binding: (name: string) => unknown): Bare | null {
  try {
    const tcp = binding('tcp_wrap') as TcpBinding
    const stream = binding('stream_wrap') as StreamBinding
    const { TCP, TCPConnectWrap, constants } = tcp
    const { WriteWrap, ShutdownWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = stream
    const whole =
      [TCPConnectWrap, WriteWrap, ShutdownWrap].every((made: unknown) => typeof made === 'function') &&
      streamBaseState instanceof Int32Array &&
      [kReadBytesOrError, kLastWriteWasAsync].every((index) => index in streamBaseState) &&
      Number.isInteger(constants.SOCKET) &&
      methods.split(' ').every((name) => typeof TCP.prototype[name] === 'function')
    if (!whole) return null
    return {
      openHandle: () => new TCP(constants.SOCKET),
      WriteWrap,
      ShutdownWrap,
      ConnectWrap: TCPConnectWrap,
      state: streamBaseState,
      readResult: kReadBytesOrError,
      wroteLater: kLastWriteWasAsync,
      accept,
    }
  } catch {
    return null
  }
}

/** Where a server keeps its handle. */
const handleOf = '_handle'

/** Of a listening server. Node counts none of these connections, so its own bound on them does not hold. */
function accept(server: Server, take: (handle: Handle) => void): boolean {
  const listening = (server as unknown as Record<string, ListeningHandle | null | undefined>)[handleOf]
  if (typeof listening?.onconnection !== 'function') return false
  // An accepted socket has what its listener has: no call for each.
  listening.setNoDelay(true)
  listening.onconnection = (status, handle) => {
    // A failed accept, for want of descriptors mostly: libuv backs off, the next one may succeed.
    if (status === 0 && handle !== undefined) take(handle)
  }
  return true
}

type ListeningHandle = {
  onconnection: (status: number, handle?: Handle) => void
  readonly setNoDelay: (on: boolean) => number
}

const lookup = (process as unknown as { binding?: (name: string) => unknown }).binding

/** Null where this Node has no such handles. */
export const bare: Bare | null = lookup === undefined ? null : findBare((name) => lookup.call(process, name))
