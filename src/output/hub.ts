/**
 * Output streams: what a long job says, kept in a file and passed on live to any number of watchers.
 *
 * A watcher gets everything from the start, once, in order, then what comes, then the end. Bounded: past
 * `bytesMax` the rest is counted and said in one line.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

export type OutputWatcher = {
  readonly onText: (text: string) => void
  readonly onEnd: () => void
}
export type OutputHub = {
  /** Starts it; an id names one stream for ever. */
  open(id: string): void
  /** Goes on with one of a former life that was never ended; ignored when there is none. */
  resume(id: string): void
  /** Ignored when the stream is not open. */
  write(id: string, text: string): void
  end(id: string): void
  isOpen(id: string): boolean
  /**
   * A part of what was said, from that byte on; undefined: there is no such stream. Waits for a while when
   * there is nothing new yet.
   */
  read(id: string, fromByte: number, bounds: ReadBounds): Promise<OutputPart | undefined>
  /** Removes what ended before then, and of the rest all but the newest so many. */
  prune(beforeMs: number, countMax: number): Promise<void>
  /** Undefined when there is no such stream. `onText` may be called before this returns. */
  watch(id: string, watcher: OutputWatcher): { readonly close: () => void } | undefined
}

export type ReadBounds = { readonly bytesMax: number; readonly waitMs: number }
/** `ended`: there is nothing after it, and nothing comes. */
export type OutputPart = { readonly bytes: Buffer; readonly ended: boolean }

type Open = { bytes: number; droppedBytes: number; readonly watchers: Set<OutputWatcher> }

const idPattern = /^[a-z0-9-]{1,64}$/

/** @param folder where the files are kept; made when missing */
export const createOutputHub = (folder: string, bytesMax: number): OutputHub => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const open = new Map<string, Open>()
  const fileOf = (id: string): string => join(folder, `${id}.log`)

  const pass = (id: string, stream: Open, text: string): void => {
    try {
      appendFileSync(fileOf(id), text)
    } catch {
      // The disk is full: whoever watches now still sees it, and whoever reads it later is told.
      stream.droppedBytes += Buffer.byteLength(text)
    }
    for (const watcher of stream.watchers) watcher.onText(text)
  }

  return {
    open: (id) => {
      if (!idPattern.test(id))
        throw new RangeError('an output stream is named by lower-case letters, digits and dashes')
      if (open.has(id)) return
      writeFileSync(fileOf(id), '', { mode: 0o600 })
      open.set(id, { bytes: 0, droppedBytes: 0, watchers: new Set() })
    },
    resume: (id) => {
      if (!idPattern.test(id) || open.has(id) || !existsSync(fileOf(id))) return
      open.set(id, { bytes: statSync(fileOf(id)).size, droppedBytes: 0, watchers: new Set() })
    },
    write: (id, text) => {
      const stream = open.get(id)
      if (stream === undefined || text === '') return
      const bytes = Buffer.byteLength(text)
      if (stream.bytes + bytes > bytesMax) {
        stream.droppedBytes += bytes
        return
      }
      stream.bytes += bytes
      pass(id, stream, text)
    },
    end: (id) => {
      const stream = open.get(id)
      if (stream === undefined) return
      if (stream.droppedBytes > 0)
        pass(id, stream, `\n !     ${stream.droppedBytes} bytes of output left out\n`)
      open.delete(id)
      for (const watcher of stream.watchers) watcher.onEnd()
    },
    isOpen: (id) => open.has(id),
    read: async (id, fromByte, { bytesMax, waitMs }) => {
      if (!idPattern.test(id) || !existsSync(fileOf(id))) return undefined
      const first = part(fileOf(id), fromByte, bytesMax)
      const stream = open.get(id)
      if (first.length > 0 || stream === undefined) {
        const { size } = statSync(fileOf(id))
        return { bytes: first, ended: stream === undefined && fromByte + first.length >= size }
      }
      await said(stream, waitMs)
      const bytes = part(fileOf(id), fromByte, bytesMax)
      return { bytes, ended: false }
    },
    prune: async (beforeMs, countMax) => {
      const ended: { readonly path: string; readonly atMs: number }[] = []
      for (const name of await readdir(folder)) {
        const path = join(folder, name)
        if (!open.has(name.replace(/\.log$/, ''))) ended.push({ path, atMs: (await stat(path)).mtimeMs })
      }
      const newest = ended.toSorted((a, b) => b.atMs - a.atMs)
      const old = newest.filter(({ atMs }, at) => atMs < beforeMs || at >= countMax)
      for (const { path } of old) await rm(path, { force: true })
    },
    watch: (id, watcher) => {
      if (!idPattern.test(id) || !existsSync(fileOf(id))) return undefined
      // Read and subscribe in one turn of the event loop: nothing can be written between the two.
      const sofar = readFileSync(fileOf(id), 'utf8')
      if (sofar !== '') watcher.onText(sofar)
      const stream = open.get(id)
      if (stream === undefined) watcher.onEnd()
      else stream.watchers.add(watcher)
      return { close: () => void stream?.watchers.delete(watcher) }
    },
  }
}

const part = (file: string, fromByte: number, bytesMax: number): Buffer => {
  const opened = openSync(file, 'r')
  try {
    const buffer = Buffer.alloc(bytesMax)
    return buffer.subarray(0, readSync(opened, buffer, 0, bytesMax, fromByte))
  } finally {
    closeSync(opened)
  }
}

/** Resolves with the next word, with the end, or when it was long enough. */
const said = (stream: Open, waitMs: number): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(late)
      stream.watchers.delete(watcher)
      resolve()
    }
    const watcher = { onText: done, onEnd: done }
    const late = setTimeout(done, waitMs)
    stream.watchers.add(watcher)
  })
