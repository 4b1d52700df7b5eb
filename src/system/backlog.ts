/**
 * Connections that a process has not taken from its listening socket, by what the kernel tells of its network
 * (proc(5), net/tcp and net/snmp).
 *
 * The kernel writes these files as they are read, listening sockets first, and goes through all connections
 * of the machine for what comes behind them: so no byte is read beyond what is wanted.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

/** Since the network of the process began; and those that wait now. */
export type Backlog = { readonly arrived: number; readonly waiting: number }

/** Where the number of those that wait stands in a file: up to there it is read. */
export type Place = { readonly file: 'tcp' | 'tcp6'; readonly bytes: number }

const listening = '0A'
const snmpBytesMax = 4096
const buffer = Buffer.allocUnsafe(snmpBytesMax)

/** Of all who listen on that port. */
export const placesIn = (file: Place['file'], text: string, port: number): readonly Place[] => {
  const found: Place[] = []
  let bytes = 0
  for (const row of text.split('\n')) {
    const [, local = '', , state, queues = ''] = row.trim().split(/\s+/)
    if (state === listening && portOf(local) === port)
      found.push({ file, bytes: bytes + row.lastIndexOf(` ${queues} `) + 1 + queues.length })
    bytes += row.length + 1
  }
  return found
}

/** Undefined: it does not end with the row of who listens on that port. */
export const waitingIn = (text: string, port: number): number | undefined => {
  const [, local = '', , state, queues = ''] = text
    .slice(text.lastIndexOf('\n') + 1)
    .trim()
    .split(/\s+/)
  if (state !== listening || portOf(local) !== port) return undefined
  return Number.parseInt(queues.split(':')[1] ?? '', 16)
}

/** Undefined: the text tells nothing of it. */
export const arrivedIn = (text: string): number | undefined => {
  const [names, values] = text.split('\n').filter((line) => line.startsWith('Tcp: '))
  const at = names?.split(' ').indexOf('PassiveOpens') ?? -1
  const value = at < 0 ? undefined : values?.split(' ')[at]
  return value === undefined ? undefined : Number(value)
}

const portOf = (address: string): number => Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16)

export type BacklogReader = {
  /** Undefined: it cannot be told, or not yet: it may be in a moment. */
  readonly read: (pid: number, port: number) => Backlog | undefined
}

const lookAgainMs = 1_000
const placesMax = 4_096

/** @param nowMs monotonic */
export const createBacklogReader = (nowMs: () => number): BacklogReader => {
  const places = new Map<string, Place | { readonly lookedMs: number }>()

  /** Who has several listening sockets on one port has no one backlog. */
  const find = async (key: string, pid: number, port: number): Promise<void> => {
    const found: Place[] = []
    for (const file of ['tcp6', 'tcp'] as const)
      found.push(...placesIn(file, await readFile(`/proc/${pid}/net/${file}`, 'latin1'), port))
    if (found[0] !== undefined && found.length === 1) places.set(key, found[0])
  }
  const look = (key: string, pid: number, port: number): undefined => {
    const known = places.get(key)
    if (known !== undefined && 'lookedMs' in known && nowMs() - known.lookedMs < lookAgainMs) return
    if (places.size >= placesMax) places.clear()
    places.set(key, { lookedMs: nowMs() })
    find(key, pid, port).catch(() => {
      // It is gone, or another's.
    })
  }

  return {
    read: (pid, port) => {
      const key = `${pid} ${port}`
      const place = places.get(key)
      if (place === undefined || 'lookedMs' in place) return look(key, pid, port)
      try {
        const waiting = waitingIn(readStart(`/proc/${pid}/net/${place.file}`, place.bytes), port)
        // In this order: who arrives in between counts as taken, and no wait is made up.
        const arrived = arrivedIn(readFileSync(`/proc/${pid}/net/snmp`, 'latin1'))
        if (waiting !== undefined && arrived !== undefined) return { arrived, waiting }
      } catch {
        // It has ended.
      }
      places.delete(key)
      return undefined
    },
  }
}

const readStart = (path: string, bytes: number): string => {
  const handle = openSync(path, 'r')
  try {
    let at = 0
    while (at < bytes) {
      const count = readSync(handle, buffer, at, Math.min(bytes, snmpBytesMax) - at, null)
      if (count === 0) break
      at += count
    }
    return buffer.toString('latin1', 0, at)
  } finally {
    closeSync(handle)
  }
}
