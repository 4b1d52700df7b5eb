/**
 * Processes of one host that talk to each other without anybody between: a socket in a folder for each, by
 * its number. Of every two the one with the higher number dials, until it is through.
 *
 * What is sent arrives in order, or the other is told of as having left; nothing is kept for who is not here.
 */
import { closeSync, openSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../ports/clock.ts'

export type MeshOptions = {
  /** Whoever may enter it may speak. */
  readonly folder: string
  readonly name: (index: number) => string
  /** Which of them this process is, from 0, and of how many; who says another number is not let in. */
  readonly index: number
  readonly count: number
  /** Of what is said. */
  readonly version: number
  readonly clock: Clock
  readonly joined: (peer: number) => void
  readonly left: (peer: number) => void
  readonly heard: (peer: number, message: unknown) => void
}

export type Mesh = {
  readonly send: (peer: number, message: unknown) => void
  /** Resolves when each of the others has joined and said something, or the time is up. */
  readonly settled: (timeoutMs: number) => Promise<void>
  readonly close: () => void
}

type Hello = { readonly index: number; readonly count: number; readonly version: number }

const redialMs = 200
/** Of one message, and of what waits for one peer: beyond it that one is too slow to be one. */
const bytesMax = 1_048_576

export const openMesh = async (options: MeshOptions): Promise<Mesh> => {
  const { folder, name, index, count, version, clock } = options
  const peers = new Map<number, Socket>()
  const sockets = new Set<Socket>()
  const heardOf = new Set<number>()
  let isOpen = true
  let settle: (() => void) | undefined
  // The way to a socket may be no longer than 107 bytes, wherever the folder is.
  const handle = openSync(folder, 'r')
  const pathOf = (number: number): string => `/proc/self/fd/${handle}/${name(number)}`

  const write = (socket: Socket, message: unknown): void => {
    socket.write(`${JSON.stringify(message)}\n`)
    if (socket.writableLength > bytesMax) socket.destroy()
  }
  const leave = (peer: number): void => {
    peers.delete(peer)
    options.left(peer)
  }
  const enter = (peer: number, socket: Socket): void => {
    const before = peers.get(peer)
    // Its former life, whose end was not heard of yet.
    if (before !== undefined) leave(peer)
    before?.destroy()
    peers.set(peer, socket)
    options.joined(peer)
  }
  const isFit = (hello: Hello | null): hello is Hello =>
    hello?.count === count && hello.version === version && hello.index !== index && hello.index < count

  const speak = (socket: Socket): void => {
    let peer: number | undefined
    sockets.add(socket)
    socket.unref()
    socket.setEncoding('utf8')
    write(socket, { index, count, version } satisfies Hello)
    const take = (line: string): void => {
      const message = JSON.parse(line) as unknown
      if (peer !== undefined) {
        options.heard(peer, message)
        if (heardOf.size < heardOf.add(peer).size && heardOf.size === count - 1) settle?.()
      } else if (isFit(message as Hello)) enter((peer = (message as Hello).index), socket)
      else socket.destroy()
    }
    inLines(socket, take)
    socket.on('error', () => {
      // 'close' follows.
    })
    socket.on('close', () => {
      sockets.delete(socket)
      if (peer !== undefined && peers.get(peer) === socket) leave(peer)
    })
  }

  const dial = (peer: number): void => {
    if (!isOpen) return
    const socket = connect(pathOf(peer))
    socket.once('connect', () => speak(socket))
    socket.on('error', () => {
      // Nobody there: 'close' follows.
    })
    socket.once('close', () => void clock.after(redialMs, () => dial(peer)))
  }

  const server = createServer(speak)
  server.unref()
  // Of a life that was killed.
  rmSync(join(folder, name(index)), { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(pathOf(index), resolve)
  })
  for (let peer = 0; peer < index; peer++) dial(peer)

  return {
    send: (peer, message) => {
      const socket = peers.get(peer)
      if (socket !== undefined) write(socket, message)
    },
    settled: (timeoutMs) =>
      new Promise((resolve) => {
        if (heardOf.size === count - 1) return resolve()
        const timer = clock.after(timeoutMs, resolve)
        settle = () => {
          timer.cancel()
          resolve()
        }
      }),
    close: () => {
      isOpen = false
      server.close()
      for (const socket of sockets) socket.destroy()
      closeSync(handle)
    },
  }
}

/** Whoever sends no lines, or one that is too long, is no peer. */
const inLines = (socket: Socket, take: (line: string) => void): void => {
  let held = ''
  socket.on('data', (text: string) => {
    const lines = (held + text).split('\n')
    held = lines.pop() ?? ''
    try {
      for (const line of lines) take(line)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      socket.destroy()
    }
    if (held.length > bytesMax) socket.destroy()
  })
}
