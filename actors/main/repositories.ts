/**
 * The apps' git repositories on this host's disk: working copies of what the record and its packs say
 * (repository-record.ts).
 *
 * A push adds one pack of what is new, stored while its build runs, and then changes the record by
 * compare-and-set: a push that another host overtook is not acknowledged. A copy that stands elsewhere than
 * the record takes the packs that it lacks, and the record's refs, before anybody reads it.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { addPack, packOf } from '../../src/git/packs.ts'
import { createRepository, refsOf, setHead, setRefs, tidyRepository } from '../../src/git/repository.ts'
import type { GitRun } from '../../src/git/run.ts'
import { StoreConflict, type Objects, type Store } from '../../src/ports/store.ts'
import {
  decodeRepository,
  encodeRepository,
  idsOf,
  mergeFrom,
  noRepository,
  packPrefix,
  recordKey,
  tipsOf,
  unpacked,
  type PackRow,
  type RepositoryRecord,
} from './repository-record.ts'

export type Repositories = {
  /** Does something in the folder of an app's repository, which is as new as its record when it begins. */
  use(appId: string, work: (directory: string) => Promise<unknown>): Promise<void>
  /**
   * Stores what a push brings before it is taken. `run` lets git see what is not taken yet. Undefined: there
   * is nothing new in it.
   */
  prepare(appId: string, tips: readonly string[], run: GitRun): Promise<Prepared | undefined>
  /** Takes away what was stored for a push that is not taken after all. */
  discard(prepared: Prepared): Promise<void>
  /** How many branches and tags it has. */
  countOf(appId: string): number
  /**
   * Makes what was pushed durable.
   *
   * @throws StoreConflict when another host was faster
   */
  keep(appId: string, branch: 'main' | 'master' | undefined, prepared: Prepared | undefined): Promise<void>
  /** What its packs take in the store. */
  bytesOf(appId: string): number
  /** Forgets everything that was pushed. @throws StoreConflict when a push came between */
  reset(appId: string): Promise<void>
  /** Upkeep that has begun is over. */
  close(): Promise<void>
}

export type RepositoriesDeps = {
  readonly folder: string
  readonly objects: Objects
  readonly store: Store
  readonly uuid: () => string
  readonly now: () => number
  /** Upkeep that failed: it is tried again after the next push. */
  readonly onError: (appId: string, cause: unknown) => void
}

/** A stored pack, and the packs that it may lean on. */
export type Prepared = { readonly row: PackRow; readonly on: readonly PackRow[] }

/** What a working copy has, in a file beside it. */
type Mark = { readonly sum: string; readonly packs: readonly string[] }
type Stand = { readonly record: RepositoryRecord; readonly revision: number }

/** A pack that is stored and named nowhere belongs to a push that is under way for so long at most. */
const orphanMsMin = 24 * 60 * 60_000
const openTries = 3

export const openRepositories = async (deps: RepositoriesDeps): Promise<Repositories> => {
  const { folder, objects, store } = deps
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const folderOf = (appId: string): string => join(folder, `${appId}.git`)
  const markOf = (appId: string): string => join(folderOf(appId), 'manifold-packs')
  /** Of each copy that was compared with its record. */
  const stands = new Map<string, Stand>()
  const opening = new Map<string, Promise<string>>()
  const users = new Map<string, number>()
  const turns = new Map<string, Promise<unknown>>()
  const upkeep = new Map<string, Promise<void>>()

  /** Changes of one app's record by this host, one after the other. */
  const inTurn = <T>(appId: string, work: () => Promise<T>): Promise<T> => {
    const now = (turns.get(appId) ?? Promise.resolve()).catch(() => undefined).then(work)
    turns.set(appId, now)
    void now
      .finally(() => {
        if (turns.get(appId) === now) turns.delete(appId)
      })
      .catch(() => undefined)
    return now
  }

  const marked = async (appId: string): Promise<Mark> => {
    try {
      return JSON.parse(await readFile(markOf(appId), 'utf8')) as Mark
    } catch {
      return { sum: '', packs: [] }
    }
  }
  const mark = (appId: string, record: RepositoryRecord, directory = folderOf(appId)): Promise<void> => {
    const text = JSON.stringify({ sum: sumOf(record), packs: record.packs.map(({ name }) => name) })
    return writeFile(join(directory, 'manifold-packs'), text, { mode: 0o600 })
  }

  const take = async (directory: string, packs: readonly PackRow[]): Promise<void> => {
    for (const { name } of packs) {
      const pack = await objects.get(name)
      if (pack === undefined) throw new Error(`the repository's pack ${name} is nowhere`)
      await addPack(directory, pack)
    }
  }

  /** As the record has it, from what the copy has already. */
  const catchUp = async (appId: string, record: RepositoryRecord, has: readonly string[]): Promise<void> => {
    const directory = folderOf(appId)
    await take(
      directory,
      record.packs.filter(({ name }) => !has.includes(name)),
    )
    await setRefs(directory, record.refs)
    await setHead(directory, record.head)
    await mark(appId, record)
  }

  /** From nothing, in the place of what is there. */
  const makeAnew = async (appId: string, record: RepositoryRecord): Promise<void> => {
    const [directory, fresh] = [folderOf(appId), `${folderOf(appId)}.new`]
    await rm(fresh, { recursive: true, force: true })
    await createRepository(fresh)
    await take(fresh, record.packs)
    await setRefs(fresh, record.refs)
    await setHead(fresh, record.head)
    await mark(appId, record, fresh)
    await rm(directory, { recursive: true, force: true })
    await rename(fresh, directory)
  }

  const open = async (appId: string, tries = 1): Promise<string> => {
    const directory = folderOf(appId)
    const entry = await store.get(recordKey(appId))
    const record = entry === undefined ? noRepository : decodeRepository(entry.value)
    stands.set(appId, { record, revision: entry?.revision ?? 0 })
    const { sum, packs } = await marked(appId)
    const isThere = existsSync(join(directory, 'HEAD'))
    // Its refs too: a push that ended, with its host or its client, before it was on record moved them.
    if (isThere && sum === sumOf(record) && (await standsAt(directory, record.refs))) {
      await createRepository(directory)
      return directory
    }
    try {
      const isAhead = isThere && packs.length > 0 && record.packs.length > 0
      const caughtUp = isAhead && (await catchUp(appId, record, packs).then(always, never))
      if (!caughtUp) await makeAnew(appId, record)
      return directory
    } catch (error) {
      // Its packs may have been made one meanwhile, by the host that took the last push.
      if (tries >= openTries) throw error
      return open(appId, tries + 1)
    }
  }

  /** Nothing is put in the place of a folder that somebody works in. */
  const openOnce = (appId: string): Promise<string> => {
    if (users.has(appId)) return Promise.resolve(folderOf(appId))
    const under = opening.get(appId)
    if (under !== undefined) return under
    const opened = open(appId).finally(() => opening.delete(appId))
    opening.set(appId, opened)
    return opened
  }

  const storePack = async (
    appId: string,
    range: { readonly want: readonly string[]; readonly without: readonly string[] },
    run: GitRun = {},
  ): Promise<PackRow | undefined> => {
    const pack = await packOf(folderOf(appId), range, run)
    if (pack === undefined) return undefined
    const name = `${packPrefix(appId)}${deps.now()}-${deps.uuid()}`
    const { bytes } = await objects.put(name, pack)
    return { name, bytes, tips: [...range.want] }
  }

  const standOf = (appId: string): Stand => stands.get(appId) ?? { record: noRepository, revision: 0 }

  const write = async (appId: string, record: RepositoryRecord): Promise<void> => {
    const { revision } = standOf(appId)
    const [key, value] = [recordKey(appId), encodeRepository(record)]
    const written = await (revision === 0 ? store.create(key, value) : store.update(key, value, revision))
    stands.set(appId, { record, revision: written })
    await mark(appId, record)
  }

  const keep: Repositories['keep'] = (appId, branch, prepared) =>
    inTurn(appId, async () => {
      const directory = folderOf(appId)
      if (branch !== undefined) await setHead(directory, branch)
      const { record } = standOf(appId)
      const refs = await refsOf(directory)
      const packs =
        prepared !== undefined && leans(prepared, record) ? [...record.packs, prepared.row] : record.packs
      if (prepared !== undefined && packs === record.packs) await objects.remove(prepared.row.name)
      const next = { head: branch ?? record.head, refs, packs }
      const want = unpacked(next)
      const rest = want.length === 0 ? undefined : { want, without: tipsOf(packs) }
      try {
        const more = rest && (await storePack(appId, rest))
        await write(appId, more === undefined ? next : { ...next, packs: [...packs, more] })
      } catch (error) {
        // What was taken here is not on record: the copy is put right by what is.
        await rm(markOf(appId), { force: true })
        throw error
      }
    })

  /** Few packs in the store, few in the copy, and none that no record names. */
  const tend = async (appId: string): Promise<void> => {
    const stand = standOf(appId)
    const from = mergeFrom(stand.record.packs)
    if (from !== undefined) {
      await merge(appId, stand, from)
      await sweep(appId)
    }
    await tidyRepository(folderOf(appId))
  }

  const merge = async (appId: string, { record, revision }: Stand, from: number): Promise<void> => {
    const [left, old] = [record.packs.slice(0, from), record.packs.slice(from)]
    const merged = await storePack(appId, { want: idsOf(record), without: tipsOf(left) })
    const merging = inTurn(appId, async () => {
      // What was pushed meanwhile may lean on, or stand at, what the merged one does not have any more.
      if (standOf(appId).revision !== revision) throw new StoreConflict('the repository changed meanwhile')
      await write(appId, { ...record, packs: [...left, ...(merged === undefined ? [] : [merged])] })
    })
    await merging.catch(async (error: unknown) => {
      if (error instanceof StoreConflict && merged !== undefined) await objects.remove(merged.name)
      throw error
    })
    for (const { name } of old) await objects.remove(name)
  }

  const sweep = async (appId: string): Promise<void> => {
    const named = new Set(standOf(appId).record.packs.map(({ name }) => name))
    for (const name of await objects.list(packPrefix(appId))) {
      const storedAt = Number.parseInt(name.slice(packPrefix(appId).length), 10)
      const isOld = Number.isNaN(storedAt) || deps.now() - storedAt > orphanMsMin
      if (isOld && !named.has(name)) await objects.remove(name)
    }
  }

  return {
    use: async (appId, work) => {
      const directory = await openOnce(appId)
      users.set(appId, (users.get(appId) ?? 0) + 1)
      try {
        await work(directory)
      } finally {
        const left = (users.get(appId) ?? 1) - 1
        if (left === 0) users.delete(appId)
        else users.set(appId, left)
      }
    },
    prepare: async (appId, tips, run) => {
      const { packs } = standOf(appId).record
      const without = tipsOf(packs)
      const want = tips.filter((id) => !without.includes(id))
      const row = want.length === 0 ? undefined : await storePack(appId, { want, without }, run)
      return row && { row, on: packs }
    },
    discard: ({ row }) => objects.remove(row.name),
    bytesOf: (appId) => standOf(appId).record.packs.reduce((sum, { bytes }) => sum + bytes, 0),
    countOf: (appId) => Object.keys(standOf(appId).record.refs).length,
    keep: async (appId, branch, prepared) => {
      await keep(appId, branch, prepared)
      const tending: Promise<void> = (upkeep.get(appId) ?? Promise.resolve())
        .then(() => tend(appId))
        .catch((cause: unknown) => deps.onError(appId, cause))
        .finally(() => {
          if (upkeep.get(appId) === tending) upkeep.delete(appId)
        })
      upkeep.set(appId, tending)
    },
    reset: (appId) =>
      inTurn(appId, async () => {
        const entry = await store.get(recordKey(appId))
        if (entry === undefined) return
        await store.remove(recordKey(appId), entry.revision)
        // A push of this host that is under way now makes it anew, from all that it has.
        stands.set(appId, { record: noRepository, revision: 0 })
        for (const { name } of decodeRepository(entry.value).packs) await objects.remove(name)
      }),
    close: async () => {
      await Promise.all(upkeep.values())
    },
  }
}

/** Whether the record still has all that the pack may lean on. */
const leans = ({ on }: Prepared, { packs }: RepositoryRecord): boolean =>
  on.every(({ name }, at) => packs[at]?.name === name)

const standsAt = async (directory: string, refs: RepositoryRecord['refs']): Promise<boolean> =>
  isDeepStrictEqual(await refsOf(directory).catch(never), refs)

const always = (): boolean => true
const never = (): boolean => false
const sumOf = (record: RepositoryRecord): string =>
  createHash('sha256').update(encodeRepository(record)).digest('hex')
