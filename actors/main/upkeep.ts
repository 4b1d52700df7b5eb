/**
 * What builds and uploads leave behind, taken away in time: by the host that leads for all, objects and
 * records that nothing names any more; by each host, its old outputs.
 *
 * A slug goes only when no ledger, no formation, no promotion and no upload names it, and it was put a day
 * ago. What names it is read after the slugs are: whoever comes to name one later put it anew, which makes
 * it another that is not removed. It must have been so an hour earlier too, for a record that is being
 * written back is in parts meanwhile; and whatever cannot be read keeps everything.
 */
import type { OutputHub } from '../../src/output/hub.ts'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Entry, ObjectEntry, Objects, Store } from '../../src/ports/store.ts'
import { decode } from '../../src/runtime/codec.ts'
import { slugObject } from '../effects/perform/builder.ts'
import { buildIn, isLost } from '../protocols/build-record.ts'
import { slugRecordIn, slugsPrefix } from '../protocols/slug-record.ts'
import { isOldSource, sourcePrefix } from '../protocols/source.ts'

export type UpkeepDeps = {
  readonly store: Store
  readonly objects: Objects
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
const outputsKept = { ms: 30 * dayMs, count: 2_000 }

export const openUpkeep = (deps: UpkeepDeps): { readonly close: () => Promise<void> } => {
  const { clock, log, hub } = deps
  let closed = false
  let unnamed: ReadonlySet<string> = new Set()
  let working = Promise.resolve()
  let timer: Timer = clock.after(firstMs, tick)

  function tick(): void {
    working = run().then(() => {
      if (!closed) timer = clock.after(everyMs, tick)
    })
  }
  const run = async (): Promise<void> => {
    try {
      await hub.prune(clock.now() - outputsKept.ms, outputsKept.count)
      if (!deps.leads()) {
        unnamed = new Set()
        return
      }
      const found = await sweep({ ...deps, nowMs: clock.now() }, unnamed)
      unnamed = found.unnamed
      if (found.swept.length > 0) log({ at: 'swept', count: found.swept.length })
    } catch (error) {
      log({ at: 'upkeep-failed', reason: error instanceof Error ? error.message : 'unknown' })
    }
  }
  return {
    close: async () => {
      closed = true
      timer.cancel()
      await working
    },
  }
}

type SweepDeps = Pick<UpkeepDeps, 'store' | 'objects'> & { readonly nowMs: number }
/** Names of objects and keys of records; slugs that go if the next sweep finds them unnamed as well. */
export type Sweep = { readonly swept: readonly string[]; readonly unnamed: ReadonlySet<string> }

/** @param before what the sweep before this one found unnamed */
export const sweep = async (
  { store, objects, nowMs }: SweepDeps,
  before: ReadonlySet<string>,
): Promise<Sweep> => {
  const swept: string[] = []
  const slugs = await objects.entries('slug/')
  const sources = await objects.entries(sourcePrefix)
  const named: Named = { objects: new Set(), ids: new Set() }
  const ledgers = await store.list('actor/releases/')
  const formations = await store.list('actor/formation/')
  const promotions = await store.list('actor/promotion/')
  for (const entry of [...ledgers, ...formations, ...promotions]) collect(stateOf(entry), named)
  for (const entry of await store.list(slugsPrefix)) {
    const record = slugRecordIn(entry.value)
    if (record === undefined) continue
    if (record.uploaded !== null) named.objects.add(record.uploaded.object)
    const keptMs = named.ids.has(record.id) ? graceMs : unreleasedMs
    if (nowMs - record.createdAt < keptMs) continue
    await store.remove(entry.key, entry.revision)
    swept.push(entry.key)
  }
  const mark = ({ name, revision }: ObjectEntry): string => `${name}@${revision}`
  const unnamed = slugs.filter(({ name, putAtMs }) => !named.objects.has(name) && nowMs - putAtMs >= graceMs)
  // Without any ledger there is no app, or no record to go by.
  const old = ledgers.length === 0 ? [] : unnamed.filter((entry) => before.has(mark(entry)))
  for (const entry of [...old, ...sources.filter(({ name }) => isOldSource(name, nowMs))]) {
    await objects.removeOne(entry)
    swept.push(entry.name)
  }
  for (const { key, revision } of oldBuilds(await store.list('builds/'), nowMs)) {
    await store.remove(key, revision)
    swept.push(key)
  }
  return { swept, unnamed: new Set(unnamed.map(mark)) }
}

/** Slugs by their objects and by their ids. */
type Named = { readonly objects: Set<string>; readonly ids: Set<string> }

/** Throws for what is no record: it might name any slug. */
const stateOf = ({ key, value }: Entry): object => {
  const record = decode(value)
  const state = typeof record === 'object' && record !== null && 'state' in record ? record.state : null
  if (typeof state !== 'object' || state === null) throw new TypeError(`${key} is no record`)
  return state
}

/** Every slug in a record, wherever in it: what looks like one is one. */
const collect = (value: unknown, named: Named): void => {
  if (typeof value !== 'object' || value === null) return
  const { id, sha256, object } = value as { id?: unknown; sha256?: unknown; object?: unknown }
  if (typeof sha256 === 'string') {
    named.objects.add(typeof object === 'string' ? object : slugObject(sha256))
    if (typeof id === 'string') named.ids.add(id)
  }
  if (ArrayBuffer.isView(value)) return
  const parts = value instanceof Map || value instanceof Set ? value.values() : Object.values(value)
  for (const part of parts) collect(part, named)
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
