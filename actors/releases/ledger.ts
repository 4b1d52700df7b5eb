/**
 * The ledger of an app's releases, as it is kept and as it is read. Pure.
 *
 * Versions count from 1 without gaps and are never used twice. A slug is kept once, however many releases run
 * it.
 */
import { heroku } from '../../config/heroku.ts'
import { is, type Static } from '../../src/runtime/index.ts'
import { outboxShape } from '../protocols/event.ts'
import { buildingShape } from '../protocols/releases.ts'
import { pagesShape, slugShape, type Pages, type Release, type Slug, type Who } from '../protocols/shapes.ts'

const entrySchema = is.obj({
  id: is.str,
  version: is.int,
  description: is.str,
  userId: is.str,
  userEmail: is.str,
  configId: is.str,
  pages: is.opt(pagesShape),
  /** Of its release command; absent: none was to be run, and it holds from the start. */
  phase: is.opt(is.oneOf('pending', 'succeeded', 'failed')),
  /** When its release command ended. */
  endedAt: is.opt(is.int),
  /** Null: no code yet. A slug that is not kept any more makes the release `expired`. */
  slugId: is.orNull(is.str),
  /** The build that made it. */
  build: is.opt(is.str),
  /** The promotion that it was made for. */
  promotion: is.opt(is.str),
  createdAt: is.int,
})
type Entry = Static<typeof entrySchema>

export const ledgerSchema = is.obj({
  appName: is.str,
  /** The build that may release code now; absent: none is under way. */
  building: is.opt(buildingShape),
  /** Oldest first. */
  entries: is.arr(entrySchema),
  slugs: is.arr(slugShape),
  /** The version that the formation works towards, as far as it said. */
  heard: is.int,
  /** Absent: nothing was ever told of it. */
  events: is.opt(outboxShape),
})
export type Ledger = Static<typeof ledgerSchema>

export type Draft = {
  readonly id: string
  readonly description: string
  readonly configId: string
  readonly pages?: Pages | undefined
  readonly slug: Slug | null
  readonly by: Who
  readonly at: number
  /** A release command has to succeed before it holds. */
  readonly hasPhase: boolean
}

export const emptyLedger = (appName: string): Ledger => ({ appName, entries: [], slugs: [], heard: 0 })

export const append = (ledger: Ledger, draft: Draft): Ledger => {
  const { id, configId, pages, slug, by, at } = draft
  const entry: Entry = {
    id,
    version: (ledger.entries.at(-1)?.version ?? 0) + 1,
    description: draft.description.slice(0, heroku.descriptionCharsMax),
    userId: by.id,
    userEmail: by.email,
    configId,
    ...(pages && { pages }),
    ...(draft.hasPhase && { phase: 'pending' }),
    slugId: slug?.id ?? null,
    createdAt: at,
  }
  const current = ledger.entries.findLast(holds)
  const last = ledger.entries.slice(-(heroku.releasesMax - 1))
  // The one that holds stays, however many failed after it.
  const kept = current === undefined || last.includes(current) ? last : [current, ...last.slice(1)]
  const entries = [...kept, entry]
  const used = new Set(entries.map((one) => one.slugId))
  // Moved to the end when it is used (again): what is dropped at the front is what ran longest ago.
  const ends = [current?.slugId, entry.slugId]
  const others = ledger.slugs.filter(({ id }) => !ends.includes(id) && used.has(id))
  const held = ledger.slugs.filter(({ id }) => id === current?.slugId && id !== slug?.id)
  const slugs = [...others, ...held, ...(slug === null ? [] : [slug])]
  return { ...ledger, entries, slugs: slugs.slice(-heroku.slugsMax) }
}

/** The newest is of that build, which is over with it. */
export const builtBy = (ledger: Ledger, build: string | undefined): Ledger => {
  if (build === undefined) return ledger
  const last = ledger.entries.length - 1
  const entries = ledger.entries.with(last, { ...ledger.entries[last]!, build })
  return withoutBuild({ ...ledger, entries })
}

/** What that build released, whatever came of it. */
export const madeBy = (ledger: Ledger, build: string): Release | undefined => {
  const made = ledger.entries.find((one) => one.build === build)
  return made && releaseOf(ledger, made)
}

/** The newest is for that promotion. */
export const promotedBy = (ledger: Ledger, promotion: string | undefined): Ledger => {
  if (promotion === undefined) return ledger
  const last = ledger.entries.length - 1
  return { ...ledger, entries: ledger.entries.with(last, { ...ledger.entries[last]!, promotion }) }
}

/** What was released for that promotion, whatever came of it. */
const madeFor = (ledger: Ledger, promotion: string): Release | undefined => {
  const made = ledger.entries.find((one) => one.promotion === promotion)
  return made && releaseOf(ledger, made)
}

/** None is under way any more. */
export const withoutBuild = (ledger: Ledger): Ledger => {
  const { building, ...rest } = ledger
  return building === undefined ? ledger : rest
}

const holds = ({ phase }: Entry): boolean => phase === undefined || phase === 'succeeded'

const releaseOf = (ledger: Ledger, entry: Entry): Release => {
  const { slugId, createdAt, phase, endedAt, build: _, promotion: _for, ...rest } = entry
  const slug = ledger.slugs.find((kept) => kept.id === slugId) ?? null
  const isExpired = slugId !== null && slug === null
  const status = isExpired ? 'expired' : (phase ?? 'succeeded')
  const hasPhase = phase === undefined ? {} : { hasPhase: true }
  return { ...rest, ...hasPhase, status, slug, createdAt, updatedAt: endedAt ?? createdAt }
}

/** The newest that holds. Every ledger has one from `open` on. */
export const currentOf = (ledger: Ledger): Release => releaseOf(ledger, ledger.entries.findLast(holds)!)

/** The newest, whether it holds, will, or failed to. */
export const newestOf = (ledger: Ledger): Release => releaseOf(ledger, ledger.entries.at(-1)!)

/** The one whose release command is not over: the newest, for no other is made meanwhile. */
export const pendingOf = (ledger: Ledger): Release | undefined =>
  ledger.entries.at(-1)?.phase === 'pending' ? newestOf(ledger) : undefined

/** The same ledger when that release waits for nothing. */
export const settlePhase = (ledger: Ledger, releaseId: string, ok: boolean, at: number): Ledger => {
  const n = ledger.entries.findIndex(({ id, phase }) => id === releaseId && phase === 'pending')
  if (n < 0) return ledger
  const entry: Entry = { ...ledger.entries[n]!, phase: ok ? 'succeeded' : 'failed', endedAt: at }
  return { ...ledger, entries: ledger.entries.with(n, entry) }
}

export const releasesOf = (ledger: Ledger): Release[] =>
  ledger.entries.map((entry) => releaseOf(ledger, entry))

/** What was released from that slug with those words, unless it failed. */
const madeOf = (ledger: Ledger, slugId: string, description: string): Release | undefined => {
  const made = ledger.entries.findLast((one) => one.slugId === slugId && one.description === description)
  return made === undefined || made.phase === 'failed' ? undefined : releaseOf(ledger, made)
}

type Deploy = {
  readonly slug: Slug
  readonly description: string
  readonly build?: string
  readonly promotion?: string
  readonly isNew?: boolean
}

/** What asking before has made. */
export const madeAlready = (
  ledger: Ledger,
  { slug, description, build, isNew, promotion }: Deploy,
): Release | undefined => {
  if (build !== undefined) return madeBy(ledger, build)
  if (promotion !== undefined) return madeFor(ledger, promotion)
  return isNew === true ? undefined : madeOf(ledger, slug.id, description)
}

/** @param which `7`, `v7` or an id */
export const findRelease = (ledger: Ledger, which: string): Release | undefined => {
  const version = /^v?(\d{1,9})$/.exec(which)?.[1]
  const entry = ledger.entries.find((one) =>
    version === undefined ? one.id === which.toLowerCase() : one.version === Number(version),
  )
  return entry === undefined ? undefined : releaseOf(ledger, entry)
}

/** `Set A, B config vars`, `Remove C config vars`, or both in one. */
export const configText = (set: readonly string[], removed: readonly string[]): string => {
  if (removed.length === 0) return `Set ${set.join(', ')} config vars`
  if (set.length === 0) return `Remove ${removed.join(', ')} config vars`
  return `Set ${set.join(', ')} and remove ${removed.join(', ')} config vars`
}
