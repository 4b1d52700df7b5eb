/**
 * What builds and uploads leave behind, taken away in time: by the host that leads for all, objects and
 * records that nothing names any more; by each host, its old outputs.
 *
 * A slug goes only when no ledger, no formation, no promotion and no upload names it, and it was put a day
 * ago. What names it is read after it was found unnamed an hour before, for a record that is being written
 * back is in parts meanwhile; and whoever comes to name one put it anew, which makes it another that is not
 * removed. Whatever cannot be read keeps everything.
 *
 * It goes through the record, and holds of it what fits in memory of a fixed size: which slugs have a name is
 * known nearly, so that one that has none may seem to have one, and goes later.
 */
import type { OutputHub } from '../../src/output/hub.ts'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Feed } from '../../src/ports/feed.ts'
import {
  StoreConflict,
  type Entry,
  type ObjectEntry,
  type Objects,
  type Store,
} from '../../src/ports/store.ts'
import { createSeen, createTally } from '../../src/sketch/sketch.ts'
import { decode } from '../../src/runtime/codec.ts'
import { slugObject } from '../effects/perform/builder.ts'
import { buildIn, buildKey, isLost } from '../protocols/build-record.ts'
import { slugRecordIn, slugsPrefix } from '../protocols/slug-record.ts'
import { isOldSource, sourcePrefix } from '../protocols/source.ts'

export type UpkeepDeps = {
  readonly store: Pick<Store, 'list' | 'remove'>
  readonly feed: Pick<Feed, 'count' | 'since'>
  readonly objects: Pick<Objects, 'entries' | 'removeOne'>
  readonly hub: Pick<OutputHub, 'prune'>
  readonly clock: Clock
  readonly log: Log
  readonly leads: () => boolean
}

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
const firstMs = 10 * minuteMs
const everyMs = 60 * minuteMs
/** From being put to being named: a build, its release command, and a clock that is wrong. */
const graceMs = dayMs
/** Nobody came to release it. */
const unreleasedMs = 7 * dayMs
const buildsPerAppMax = 200
/** Of what is taken away, or looked at again, in one sweep: the rest waits for the next one. */
const atOnceMax = 50_000
const busyAppsMax = 2_000
/** 32 MB and 4 MB at most, however many slugs and apps there are. */
const namedBitsMax = 2 ** 28
const namedBitsEach = 64
const countersMax = 2 ** 22
const ledgersPrefix = 'actor/releases/'
/** Whose records may name slugs. */
const namingPrefixes = [ledgersPrefix, 'actor/formation/', 'actor/promotion/']
const buildsPrefix = 'builds/'
const outputsKept = { ms: 30 * dayMs, count: 2_000 }

export const openUpkeep = (deps: UpkeepDeps): { readonly close: () => Promise<void> } => {
  const { clock, log, hub } = deps
  const closing = new AbortController()
  const { signal } = closing
  let unnamed: Unnamed = new Map()
  let working = Promise.resolve()
  let timer: Timer = clock.after(firstMs, tick)

  function tick(): void {
    working = run().then(() => {
      if (!signal.aborted) timer = clock.after(everyMs, tick)
    })
  }
  const run = async (): Promise<void> => {
    try {
      await hub.prune(clock.now() - outputsKept.ms, outputsKept.count)
      if (!deps.leads()) {
        unnamed = new Map()
        return
      }
      const found = await sweep({ ...deps, nowMs: clock.now(), signal }, unnamed)
      unnamed = found.unnamed
      if (found.swept.length > 0) log({ at: 'swept', count: found.swept.length })
    } catch (error) {
      if (signal.aborted) return
      log({ at: 'upkeep-failed', reason: error instanceof Error ? error.message : 'unknown' })
    }
  }
  return {
    close: async () => {
      closing.abort()
      timer.cancel()
      await working
    },
  }
}

type SweepDeps = Pick<UpkeepDeps, 'store' | 'feed' | 'objects'> & {
  readonly nowMs: number
  readonly signal?: AbortSignal
}
/** Objects by name: they go if they still stand so and the next sweep finds nothing that names them. */
export type Unnamed = ReadonlyMap<string, ObjectEntry>
/** Names of objects and keys of records; and what is to be looked at again. */
export type Sweep = { readonly swept: readonly string[]; readonly unnamed: Unnamed }

/** @param before what the sweep before this one found unnamed */
export const sweep = async (
  { store, feed, objects, nowMs, signal }: SweepDeps,
  before: Unnamed,
): Promise<Sweep> => {
  const swept: string[] = []
  const removeRecord = async (key: string, revision: number): Promise<void> => {
    try {
      await store.remove(key, revision)
      swept.push(key)
    } catch (error) {
      // It has changed: the next sweep looks at it anew.
      if (!(error instanceof StoreConflict)) throw error
    }
  }
  const removeObject = async (entry: ObjectEntry): Promise<void> => {
    if (await objects.removeOne(entry)) swept.push(entry.name)
  }
  async function* standing(prefix: string): AsyncGenerator<Entry> {
    for await (const { key, revision, value } of feed.since(prefix, 0)) {
      signal?.throwIfAborted()
      if (value !== undefined) yield { key, revision, value }
    }
  }

  const counts = await Promise.all(namingPrefixes.map((prefix) => feed.count(prefix)))
  const records = counts.reduce((sum, count) => sum + count, 0)
  const named = createSeen(powerOf2(namedBitsEach * records, namedBitsMax), nowMs)
  const old = new Map(before)
  const name = (object: string): void => {
    named.add(object)
    old.delete(object)
  }
  /** Records of uploads by the ids of their slugs. */
  const uploads = new Map<string, { readonly key: string; readonly revision: number; isOver: boolean }>()
  for await (const { key, revision, value } of standing(slugsPrefix)) {
    const record = slugRecordIn(value)
    if (record === undefined) continue
    if (record.uploaded !== null) name(record.uploaded.object)
    const ageMs = nowMs - record.createdAt
    if (ageMs >= graceMs && uploads.size < atOnceMax)
      uploads.set(record.id, { key, revision, isOver: ageMs >= unreleasedMs })
  }
  let ledgers = 0
  for (const prefix of namingPrefixes)
    for await (const entry of standing(prefix)) {
      if (prefix === ledgersPrefix) ledgers += 1
      collect(stateOf(entry), (object, id) => {
        name(object)
        const upload = id === undefined ? undefined : uploads.get(id)
        if (upload !== undefined) upload.isOver = true
      })
    }
  for (const { key, revision, isOver } of uploads.values()) if (isOver) await removeRecord(key, revision)
  // Without any ledger there is no app, or no record to go by.
  if (ledgers > 0) for (const entry of old.values()) await removeObject(entry)

  const unnamed = new Map<string, ObjectEntry>()
  for await (const entry of objects.entries('')) {
    signal?.throwIfAborted()
    const isOld = nowMs - entry.putAtMs >= graceMs
    if (entry.name.startsWith(slugObject('')) && isOld && !named.has(entry.name)) {
      if (unnamed.size < atOnceMax) unnamed.set(entry.name, entry)
    } else if (
      entry.name.startsWith(sourcePrefix) &&
      isOldSource(entry.name, nowMs) &&
      swept.length < atOnceMax
    )
      await removeObject(entry)
  }
  const tally = createTally(powerOf2(await feed.count(buildsPrefix), countersMax), nowMs)
  for (const appId of await ofManyBuilds(standing(buildsPrefix), tally))
    for (const { key, revision } of oldBuilds(await store.list(buildKey(appId, '')), nowMs))
      await removeRecord(key, revision)
  return { swept, unnamed }
}

/** At least so many, and no more than is allowed. */
const powerOf2 = (least: number, most: number): number =>
  Math.min(most, 2 ** Math.ceil(Math.log2(Math.max(32, least))))

/** Throws for what is no record: it might name any slug. */
const stateOf = ({ key, value }: Entry): object => {
  const record = decode(value)
  const state = typeof record === 'object' && record !== null && 'state' in record ? record.state : null
  if (typeof state !== 'object' || state === null) throw new TypeError(`${key} is no record`)
  return state
}

/** Every slug in a record, wherever in it: what looks like one is one. */
const collect = (value: unknown, found: (object: string, id: string | undefined) => void): void => {
  if (typeof value !== 'object' || value === null) return
  const { id, sha256, object } = value as { id?: unknown; sha256?: unknown; object?: unknown }
  if (typeof sha256 === 'string')
    found(typeof object === 'string' ? object : slugObject(sha256), typeof id === 'string' ? id : undefined)
  if (ArrayBuffer.isView(value)) return
  const parts = value instanceof Map || value instanceof Set ? value.values() : Object.values(value)
  for (const part of parts) collect(part, found)
}

/** Apps that have more builds than are kept, and perhaps some that do not. */
const ofManyBuilds = async (
  builds: AsyncIterable<Entry>,
  tally: (appId: string) => number,
): Promise<ReadonlySet<string>> => {
  const apps = new Set<string>()
  for await (const { key } of builds) {
    const [, appId = ''] = key.split('/')
    if (tally(appId) > buildsPerAppMax && apps.size < busyAppsMax) apps.add(appId)
  }
  return apps
}

/** Of each app all but the newest, when they are over. */
const oldBuilds = (entries: readonly Entry[], nowMs: number): readonly Entry[] => {
  const byApp = new Map<string, { entry: Entry; createdAt: number }[]>()
  for (const entry of entries) {
    const build = buildIn(entry.value)
    if (build === undefined) continue
    if (build.status === 'pending' && !isLost(build, nowMs, () => false)) continue
    const own = byApp.get(build.appId) ?? []
    byApp.set(build.appId, [...own, { entry, createdAt: build.createdAt }])
  }
  return [...byApp.values()].flatMap((own) =>
    own
      .toSorted((a, b) => b.createdAt - a.createdAt)
      .slice(buildsPerAppMax)
      .map(({ entry }) => entry),
  )
}
