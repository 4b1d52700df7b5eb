/**
 * Log files: a container's log on disk, bounded by rotation, and the follower that reads it without a gap.
 *
 * conmon (and our shim alike) writes `log`; when it is full it opens `log.tmp` with O_CREAT|O_TRUNC and
 * renames it over `log`: the old file is gone, and nothing says how many went. Two hard links bring order
 * into that: `log.kept` holds on to the file being read, and `log.next` to an empty `log.tmp` made in
 * advance, which the writer then uses as the direct successor. A file that is neither is a hole, and is
 * reported as one. At most three files exist at a time.
 */
import { watch } from 'node:fs'
import { link, open, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import type { Follower, LogBatch, LogCursor, LogLine } from './driver.ts'
import { isErrno, OciError } from './errors.ts'
import { logReader, type LogReader } from './log-line.ts'

/** The writer starts a new file above this. */
export const logFileBytesMax = 16 * 1024 * 1024

const readBytes = 256 * 1024
/** The watch tells at once; this is for file systems that do not. */
const pollMs = 3_000

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
): Follower => {
  const bell = makeBell()
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
    const watcher = watch(dir, () => bell.ring())
    // A directory that is removed under the watch ends the log like an exit does.
    watcher.on('error', end)
    try {
      await followFiles(dir, from, state, bell, onBatch)
    } catch (error) {
      // Removed while it was followed: nobody wants the rest.
      if (!isErrno(error, 'ENOENT')) throw error
    } finally {
      watcher.close()
      bell.stop()
    }
  }
  return { done: run(), close }
}

const followFiles = async (
  dir: string,
  from: LogCursor,
  state: { closed: boolean; exited: boolean },
  bell: Bell,
  onBatch: (batch: LogBatch) => void | Promise<void>,
): Promise<void> => {
  const reader = logReader(from)
  const first = await openFirst(dir, from)
  let current = first.open
  let lost = first.lost
  if (lost || from.file === 0) reader.seek(0)
  const buffer = Buffer.allocUnsafe(readBytes)
  try {
    while (current && !state.closed) {
      const last = state.exited
      const successor = (await inodeOf(join(dir, 'log'))) !== current.file
      if (await drain(current, reader, buffer, state, lost, onBatch)) lost = false
      if (state.closed) return
      if (successor) {
        const next = await openNext(dir, current)
        await current.handle.close()
        current = next.open
        lost ||= next.lost
        reader.seek(0)
      } else if (last) {
        const lines = reader.flush()
        if (lines.length > 0 || lost) await onBatch({ lines, cursor: reader.cursor(current.file), lost })
        return
      } else {
        await bell.wait()
      }
    }
  } finally {
    await current?.handle.close()
  }
}

/** Reads to the present end; true when a batch was handed on. */
const drain = async (
  current: Open,
  reader: LogReader,
  buffer: Buffer,
  state: { closed: boolean },
  lost: boolean,
  onBatch: (batch: LogBatch) => void | Promise<void>,
): Promise<boolean> => {
  let told = false
  let at = reader.position()
  while (!state.closed) {
    const { bytesRead } = await current.handle.read(buffer, 0, buffer.length, at)
    if (bytesRead === 0) return told
    at += bytesRead
    const lines: LogLine[] = reader.push(buffer.subarray(0, bytesRead)).map(own)
    if (lines.length > 0) {
      await onBatch({ lines, cursor: reader.cursor(current.file), lost: lost && !told })
      told = true
    }
  }
  return told
}

/** The read buffer is used again: lines get their own bytes. */
const own = (line: LogLine): LogLine => ({ ...line, bytes: Buffer.from(line.bytes) })

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

type Bell = { ring(): void; wait(): Promise<void>; stop(): void }

/** Wakes one waiter, remembers a ring that nobody waited for, and rings by itself now and then. */
const makeBell = (): Bell => {
  let rung = false
  let wake: (() => void) | undefined
  const ring = (): void => {
    rung = true
    wake?.()
  }
  const timer = setInterval(ring, pollMs)
  return {
    ring,
    wait: async () => {
      if (!rung) await new Promise<void>((resolve) => (wake = resolve))
      rung = false
      wake = undefined
    },
    stop: () => clearInterval(timer),
  }
}
