/**
 * Log files: a container's log on disk, bounded by rotation, and the follower that reads it without a gap.
 * No container is ever held up for its log. What prints more than its pace allows, or than the consumer takes
 * before a file would be rotated away, is read all the same, and counted instead of handed on.
 *
 * conmon (and our shim alike) writes `log`; when it is full it opens `log.tmp` with O_CREAT|O_TRUNC and
 * renames it over `log`: the old file is gone, and nothing says how many went. Two hard links bring order
 * into that: `log.kept` holds on to the file being read, and `log.next` to an empty `log.tmp` made in
 * advance, which the writer then uses as the direct successor. A file that is neither is a hole, and is
 * reported as one. At most three files exist at a time.
 */
import { statSync, type FSWatcher } from 'node:fs'
import { link, open, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import type { Follower, LogBatch, LogCursor } from './driver.ts'
import { isErrno, OciError } from './errors.ts'
import { openHand } from './log-hand.ts'
import { logReader, type LogRun } from './log-line.ts'
import { makePace, type PaceLimits } from './pace.ts'
import { openRound } from './round.ts'
import { watchIfPossible } from './watch.ts'

/** The writer starts a new file above this. */
export const logFileBytesMax = 16 * 1024 * 1024

/** What of a log is handed on: on average, and at once after a rest. Each follower begins rested. */
export const logPace: PaceLimits = {
  linesPerSecond: 20_000,
  bytesPerSecond: 4 * 1024 * 1024,
  burstSeconds: 10,
}

const readBytes = 256 * 1024
/** What is read is copied at once, and most followers wait: they need no memory of their own for it. */
const spare: Buffer[] = []
const spareMax = 4
/** The watch tells at once; this is for file systems that do not, and where no watch is left. */
const looks = openRound(3_000)
/** A loss is told with the next line, or after as long a silence. */
const tellMs = 1_000
/** While the consumer is late: when to look, and how much of the next file is written when one is let go. */
const pressLookMs = 20
const pressBytes = logFileBytesMax / 2

/** Makes the log of a new container: an empty file, the link to it, and its successor. */
export const createLog = async (dir: string): Promise<void> => {
  await writeFile(join(dir, 'log'), '', { flag: 'wx', mode: 0o600 })
  await link(join(dir, 'log'), join(dir, 'log.kept'))
  await prepareNext(dir, (await stat(join(dir, 'log'))).ino)
}

/**
 * Puts an empty file in the writer's way, as the successor of `file`. `link` refuses when there is one: then
 * the writer may be between its open and its rename, and a file swapped in there would be renamed unwritten.
 * When the writer has already left `file`, what was put there succeeds another one and is not called
 * `log.next`.
 */
const prepareNext = async (dir: string, file: number): Promise<void> => {
  const fresh = join(dir, 'log.fresh')
  const next = join(dir, 'log.next')
  await rm(next, { force: true })
  if ((await inodeOf(join(dir, 'log'))) !== file) return
  await rm(fresh, { force: true })
  await writeFile(fresh, '', { mode: 0o600 })
  try {
    await link(fresh, join(dir, 'log.tmp'))
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
    await rm(fresh, { force: true })
    return
  }
  const written = await inodeOf(join(dir, 'log'))
  if (written === file || written === (await inodeOf(fresh))) await rename(fresh, next)
  else await rm(fresh, { force: true })
}

/** Makes `log.kept` a link to the file now read; false when that file has been rotated away meanwhile. */
const keep = async (dir: string, name: string, file: number): Promise<boolean> => {
  const fresh = join(dir, 'log.keeping')
  await rm(fresh, { force: true })
  await link(join(dir, name), fresh)
  const same = (await inodeOf(fresh)) === file
  if (same) await rename(fresh, join(dir, 'log.kept'))
  await rm(fresh, { force: true })
  return same
}

const inodeOf = async (path: string): Promise<number | undefined> => {
  try {
    return (await stat(path)).ino
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

type Open = { handle: FileHandle; file: number; name: string }

/** Opens one of the log's names; undefined when it is not there. */
const openLog = async (dir: string, name: string): Promise<Open | undefined> => {
  try {
    const handle = await open(join(dir, name), 'r')
    return { handle, file: (await handle.stat()).ino, name }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/**
 * Follows the log in `dir`. `exited` resolves when the writer has written its last byte (rejects when nobody
 * waits any more). One follower at a time may follow a container.
 */
export const followLog = (
  dir: string,
  from: LogCursor,
  exited: Promise<unknown>,
  onBatch: (batch: LogBatch) => void | Promise<void>,
  limits = logPace,
): Follower => {
  const bell = makeBell()
  const leave = looks.join(onGrowth(join(dir, 'log'), () => bell.ring()))
  const state = { closed: false, exited: false }
  const end = (): void => {
    state.exited = true
    bell.ring()
  }
  const close = (): void => {
    state.closed = true
    bell.ring()
  }
  // A driver that is closed does not know whether more will come: what is pending is not the end of a line.
  exited.then(end, (error) => (error instanceof OciError && error.code === 'OCI_CLOSED' ? close() : end()))
  const run = async (): Promise<void> => {
    let watcher: FSWatcher | undefined
    try {
      // A directory that is removed under the watch ends the log like an exit does.
      watcher = watchIfPossible(dir, () => bell.ring())?.on('error', end)
      await followFiles(dir, from, state, bell, limits, onBatch)
    } catch (error) {
      // Removed while it was followed: nobody wants the rest.
      if (!isErrno(error, 'ENOENT')) throw error
    } finally {
      watcher?.close()
      leave()
    }
  }
  return { done: run(), close }
}

const followFiles = async (
  dir: string,
  from: LogCursor,
  state: { closed: boolean; exited: boolean },
  bell: Bell,
  limits: PaceLimits,
  onBatch: (batch: LogBatch) => void | Promise<void>,
): Promise<void> => {
  const reader = logReader(from, makePace(limits))
  const hand = openHand(onBatch, () => bell.ring())
  const first = await openFirst(dir, from)
  let current = first.open
  let lost = first.lost
  if (lost || from.file === 0) reader.seek(0)

  const carry = (runs: readonly LogRun[]): void => {
    for (const run of runs) {
      hand.put({ ...run, lost })
      lost = false
    }
  }
  /** Whether the consumer is so late that what is behind `open` will soon be rotated away. */
  const isLate = async (open: Open): Promise<boolean> => {
    for (let lookedMs = -pressLookMs; hand.isFull() && !state.closed;) {
      const restMs = lookedMs + pressLookMs - performance.now()
      if (restMs <= 0) {
        lookedMs = performance.now()
        if (!state.exited && isPressed(dir, open.file)) return true
      }
      // The writer may ring no more: what it rang for is looked at once the rest is over.
      await bell.wait(restMs > 0 ? restMs : undefined)
    }
    return false
  }
  /** Reads to the present end. */
  const drain = async (open: Open, buffer: Buffer): Promise<void> => {
    let drops = false
    for (let at = reader.position(); ;) {
      drops = drops ? !hand.isEmpty() : await isLate(open)
      hand.check()
      if (state.closed) return
      const { bytesRead } = await open.handle.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) return
      at += bytesRead
      carry(reader.push(buffer.subarray(0, bytesRead), open.file, drops))
    }
  }

  try {
    while (current && !state.closed) {
      const last = state.exited
      const successor = (await inodeOf(join(dir, 'log'))) !== current.file
      const buffer = spare.pop() ?? Buffer.allocUnsafe(readBytes)
      await drain(current, buffer).finally(() => spare.length < spareMax && spare.push(buffer))
      if (state.closed) return
      if (successor) {
        const next = await openNext(dir, current)
        await current.handle.close()
        current = next.open
        lost ||= next.lost
        reader.seek(0)
      } else if (last) {
        const run = reader.flush(current.file)
        if (run.lines.length > 0 || run.dropped || lost) carry([run])
        while (!hand.isEmpty() && !state.closed) await bell.wait()
        return
      } else if (!(await bell.wait(reader.owes() ? tellMs : undefined))) {
        carry(reader.tell(current.file))
      }
    }
  } finally {
    await current?.handle.close()
    await hand.close()
  }
}

/** Whether the writer has left `file` and is well on in its successor: the one after that has no name yet. */
const isPressed = (dir: string, file: number): boolean => {
  const written = statSync(join(dir, 'log'), { throwIfNoEntry: false })
  if (written === undefined || written.ino === file) return false
  const next = statSync(join(dir, 'log.next'), { throwIfNoEntry: false })
  return written.ino !== next?.ino || written.size > pressBytes
}

/**
 * The file of the cursor under whichever name it has now; else the oldest there is, with a hole before it.
 */
const openFirst = async (
  dir: string,
  from: LogCursor,
): Promise<{ open: Open | undefined; lost: boolean }> => {
  const opened: Open[] = []
  for (const name of ['log.kept', 'log.next', 'log']) {
    const open = await openLog(dir, name)
    if (open) opened.push(open)
  }
  const current = opened.at(-1)
  const found = from.file === 0 ? opened[0] : (opened.find((open) => open.file === from.file) ?? current)
  for (const open of opened) if (open !== found) await open.handle.close()
  // The last follower ended between its switch to this file and its links.
  if (found?.name === 'log' && (await keep(dir, 'log', found.file))) await prepareNext(dir, found.file)
  return { open: found, lost: from.file !== 0 && found !== undefined && found.file !== from.file }
}

/**
 * The file after `current`, which has been read to its end. The prepared successor is one that the writer did
 * take: it stands as `log`, or has been replaced itself. Any other file comes after a hole.
 */
const openNext = async (dir: string, current: Open): Promise<{ open: Open | undefined; lost: boolean }> => {
  const prepared = await openLog(dir, 'log.next')
  const waiting = (await inodeOf(join(dir, 'log.tmp'))) === prepared?.file
  if (prepared && prepared.file !== current.file && !waiting) {
    if (await keep(dir, 'log.next', prepared.file)) await prepareNext(dir, prepared.file)
    return { open: prepared, lost: false }
  }
  await prepared?.handle.close()
  for (;;) {
    const open = await openLog(dir, 'log')
    if (!open) return { open, lost: true }
    if (await keep(dir, 'log', open.file)) {
      await prepareNext(dir, open.file)
      return { open, lost: true }
    }
    await open.handle.close()
  }
}

/** Calls back when the file differs from the last look: one call of the kernel, and mostly nothing to do. */
const onGrowth = (path: string, ring: () => void): (() => void) => {
  let known = ''
  return () => {
    const now = statSync(path, { throwIfNoEntry: false })
    const seen = now === undefined ? '' : `${now.ino} ${now.size}`
    if (seen === known) return
    known = seen
    ring()
  }
}

type Bell = { ring(): void; wait(timeoutMs?: number): Promise<boolean> }

/**
 * Wakes one waiter, and remembers a ring that nobody waited for. A wait gives false when it took too long.
 */
const makeBell = (): Bell => {
  let rung = false
  let wake: (() => void) | undefined
  const ring = (): void => {
    rung = true
    wake?.()
  }
  return {
    ring,
    wait: async (timeoutMs) => {
      const late = timeoutMs === undefined ? undefined : setTimeout(() => wake?.(), timeoutMs)
      if (!rung) await new Promise<void>((resolve) => (wake = resolve))
      clearTimeout(late)
      const told = rung
      rung = false
      wake = undefined
      return told
    },
  }
}
