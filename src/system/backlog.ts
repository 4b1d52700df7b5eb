/**
 * Connections that a process has not taken from its listening socket, or has not read from, by what the
 * kernel tells of its network (proc(5), net/tcp and net/snmp).
 *
 * The kernel writes these files as they are read, listening sockets first, and goes through all connections
 * of the machine for what comes behind them: so no byte is read beyond what is wanted, but where that is what
 * is asked.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

export type Backlog = {
  /** Since the network of the process began; and those that wait now. */
  readonly arrived: number
  readonly waiting: number
  /** Other ends (`10.0.0.1:4711`) of connections with bytes that were not read, as of a while ago. */
  readonly unread?: { readonly atMs: number; readonly ends: ReadonlySet<string> }
}

/** Where the number of those that wait stands in a file: up to there it is read. */
export type Place = { readonly file: 'tcp' | 'tcp6'; readonly bytes: number }

const listening = '0A'
/** Established, and those whose other end has said that it sends no more. */
const connected = new Set(['01', '08'])
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

/** Other ends of connections to that port with bytes that were not read. */
export const unreadIn = (text: string, port: number): ReadonlySet<string> => {
  const ends = new Set<string>()
  for (const row of text.split('\n')) {
    const [, local = '', remote = '', state = '', queues = ''] = row.trim().split(/\s+/)
    if (portOf(local) === port && connected.has(state) && !queues.endsWith(':00000000'))
      ends.add(`${ipv4Of(remote)}:${portOf(remote)}`)
  }
  return ends
}

/** Each four bytes of an address are shown as one number of this machine, which has the last one first. */
const ipv4Of = (address: string): string => {
  const digits = address.slice(0, address.lastIndexOf(':')).slice(-8)
  return [6, 4, 2, 0].map((at) => Number.parseInt(digits.slice(at, at + 2), 16)).join('.')
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
  readonly read: (pid: number, port: number, wantsUnread: boolean) => Backlog | undefined
}

const lookAgainMs = 1_000
const placesMax = 4_096
/** Reading a whole file takes some milliseconds, of another thread: one at a time, with this in between. */
const unreadEveryMs = 250
const unreadKeptMs = 2_000

/** @param nowMs monotonic */
export const createBacklogReader = (nowMs: () => number): BacklogReader => {
  const unreads = new Map<string, NonNullable<Backlog['unread']>>()
  let isReading = false
  let unreadMs = Number.NEGATIVE_INFINITY
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

  const lookForUnread = (key: string, pid: number, port: number, file: Place['file']): void => {
    const now = nowMs()
    if (isReading || now - unreadMs < unreadEveryMs) return
    for (const [known, { atMs }] of unreads) if (now - atMs > unreadKeptMs) unreads.delete(known)
    isReading = true
    readFile(`/proc/${pid}/net/${file}`, 'latin1')
      // What it tells is not older than the moment when it was asked for.
      .then((text) => void unreads.set(key, { atMs: now, ends: unreadIn(text, port) }))
      .catch(() => {
        // It has ended.
      })
      .finally(() => {
        isReading = false
        unreadMs = nowMs()
      })
  }

  return {
    read: (pid, port, wantsUnread) => {
      const key = `${pid} ${port}`
      const place = places.get(key)
      if (place === undefined || 'lookedMs' in place) return look(key, pid, port)
      try {
        const waiting = waitingIn(readStart(`/proc/${pid}/net/${place.file}`, place.bytes), port)
        // In this order: who arrives in between counts as taken, and no wait is made up.
        const arrived = arrivedIn(readFileSync(`/proc/${pid}/net/snmp`, 'latin1'))
        if (waiting !== undefined && arrived !== undefined) {
          if (wantsUnread) lookForUnread(key, pid, port, place.file)
          const unread = unreads.get(key)
          return unread === undefined ? { arrived, waiting } : { arrived, waiting, unread }
        }
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
