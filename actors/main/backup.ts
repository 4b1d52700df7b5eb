/**
 * Backups: the whole record as a file, for whoever asks, and taken by itself once a minute when something
 * changed, by the host that leads. Kept in `$MANIFOLD_HOME/backups`, a bounded number: the last ten, then one
 * an hour for a day, then one a day for a week.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Feed } from '../../src/ports/feed.ts'
import type { Entry } from '../../src/ports/store.ts'
import { openSorter } from '../../src/sorted/sorter.ts'
import type { Progress } from '../api/cluster.ts'
import { certificatesPrefix } from '../effects/perform/certificates.ts'
import { keyIdOf } from '../effects/perform/seal.ts'
import { configPrefix } from '../effects/perform/vault.ts'
import { backupText, keysNeeded, readBackup } from './backup-file.ts'
import type { KeyName } from './seal-record.ts'

export type BackupDeps = {
  readonly feed: Pick<Feed, 'count' | 'since'>
  /** Where files of the way lie, as large as the record. */
  readonly sorting: string
  readonly folder: string
  readonly cluster: string
  /** Names of the keys of config vars here, the one that seals first. */
  readonly keys: () => readonly KeyName[]
  readonly clock: Clock
  readonly log: Log
  /** Whether this host takes them now. */
  readonly leads: () => boolean
  /** Grows with each write to the record. */
  readonly revision: () => Promise<number>
}

type TakeDeps = Pick<BackupDeps, 'feed' | 'sorting' | 'cluster' | 'keys' | 'clock'>
export type Backups = { readonly close: () => Promise<void> }

const everyMs = 60_000
/** A backup may take one part in twenty of the time, however large the record is. */
const restsPerTake = 19
const lastKept = 10
const hourMs = 3_600_000
const dayMs = 24 * hourMs
const hourlyKept = 24
const dailyKept = 7
const filePattern = /^record-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.jsonl$/

/**
 * The record as it is now, as text, sorted by key. Each record is whole; they are not all of one instant. It
 * is as a file on the way, for only when all of it was read is it known what it begins with.
 *
 * @param told how many records were read, of about how many
 */
export async function* takeBackup(
  deps: TakeDeps,
  told: Progress = () => undefined,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const { feed, cluster, keys, clock, sorting } = deps
  const takenAt = new Date(clock.now()).toISOString()
  const sorter = await openSorter(sorting)
  try {
    const total = await feed.count('')
    let read = 0
    for await (const change of feed.since('', 0)) {
      signal?.throwIfAborted()
      read += 1
      told(read, Math.max(read, total))
      await sorter.add(change)
    }
    const names = keys()
    const needed = keysNeededOf(names)
    let count = 0
    for await (const entries of await sorter.sorted()) {
      signal?.throwIfAborted()
      told(read, read)
      count += entries.length
      for (const entry of entries) needed.see(entry)
    }
    const about = { cluster, takenAt, configKey: names[0]?.id ?? '', configKeys: needed.ids(), count }
    yield* backupText(await sorter.sorted(), about)
  } finally {
    await sorter.drop()
  }
}

/** Those that something is sealed with. What was sealed before keys had names may be of any of them. */
const keysNeededOf = (names: readonly KeyName[]) => {
  const nameOf = new Map(names.flatMap(({ id, certificates }) => [[id, id] as const, [certificates, id]]))
  const ids = new Set<string>()
  return {
    see({ key, value }: Entry): void {
      if (!key.startsWith(configPrefix) && !key.startsWith(certificatesPrefix)) return
      const id = keyIdOf(value)
      if (id === undefined) for (const name of names) ids.add(name.id)
      else ids.add(nameOf.get(id) ?? id)
    },
    ids: (): readonly string[] => [...ids].toSorted(),
  }
}

/** Names of the keys that the backups of a folder need. */
export const keysOfBackups = async (folder: string): Promise<readonly string[]> => {
  const files = await readdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  })
  const ids = new Set<string>()
  for (const file of files.filter((name) => filePattern.test(name)))
    for await (const read of readBackup(createReadStream(join(folder, file)))) {
      if ('header' in read) for (const id of keysNeeded(read.header)) ids.add(id)
      break
    }
  return [...ids]
}

export const openBackups = (deps: BackupDeps): Backups => {
  const { clock, log } = deps
  const closing = new AbortController()
  let taken = -1
  let working = Promise.resolve()
  let timer: Timer = clock.after(everyMs, tick)

  function tick(): void {
    working = run().then((tookMs) => {
      if (!closing.signal.aborted) timer = clock.after(Math.max(everyMs, restsPerTake * tookMs), tick)
    })
  }
  const run = async (): Promise<number> => {
    const beganMs = clock.monotonicMs()
    try {
      if (!deps.leads()) return 0
      const revision = await deps.revision()
      if (revision === taken) return 0
      await writeBackup(deps, closing.signal)
      await prune(deps.folder)
      taken = revision
    } catch (error) {
      if (closing.signal.aborted) return 0
      log({ at: 'backup-failed', reason: error instanceof Error ? error.message : 'unknown' })
    }
    return clock.monotonicMs() - beganMs
  }
  return {
    async close() {
      closing.abort()
      timer.cancel()
      await working
    },
  }
}

/** @returns the file, whole and on disk */
export const writeBackup = async (
  deps: Omit<BackupDeps, 'log' | 'leads' | 'revision'>,
  signal?: AbortSignal,
): Promise<string> => {
  await mkdir(deps.folder, { recursive: true, mode: 0o700 })
  const file = join(deps.folder, nameAt(deps.clock.now()))
  await pipeline(
    Readable.from(takeBackup(deps, undefined, signal)),
    createWriteStream(`${file}.new`, { mode: 0o600, flush: true }),
    { ...(signal && { signal }) },
  )
  await rename(`${file}.new`, file)
  return file
}

const nameAt = (nowMs: number): string =>
  `record-${new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')}.jsonl`

const prune = async (folder: string): Promise<void> => {
  const names = await readdir(folder)
  const cut = names.filter((name) => name.endsWith('.jsonl.new'))
  for (const name of [...surplus(names), ...cut]) await rm(join(folder, name), { force: true })
}

/** The backups that need not be kept, of all file names of the folder; names of others are let be. */
export const surplus = (names: readonly string[]): readonly string[] => {
  const dated = names
    .flatMap((name) => {
      const [, year, month, day, ...time] = filePattern.exec(name) ?? []
      return year === undefined
        ? []
        : [{ name, at: Date.parse(`${year}-${month}-${day}T${time.join(':')}Z`) }]
    })
    .sort((a, b) => b.at - a.at)
  const kept = new Set(dated.slice(0, lastKept).map(({ name }) => name))
  const keepOneEach = (spanMs: number, count: number): void => {
    const spans = new Map<number, string>()
    // The oldest of each span stays, so that it need not be replaced until the span is over.
    for (const { name, at } of dated) spans.set(Math.floor(at / spanMs), name)
    for (const name of [...spans.values()].slice(0, count)) kept.add(name)
  }
  keepOneEach(hourMs, hourlyKept)
  keepOneEach(dayMs, dailyKept)
  return dated.map(({ name }) => name).filter((name) => !kept.has(name))
}
