/** What an app keeps of itself, and what of it is still under way. Pure. */
import { is, type Static } from '../../src/runtime/index.ts'
import { appShape, type AppView } from '../protocols/app.ts'
import { outboxShape } from '../protocols/event.ts'
import { actorShape } from '../protocols/shapes.ts'

const nameSchema = is.obj({
  kind: is.oneOf('app', 'host', 'token'),
  name: is.str,
  /** Who wants it. */
  by: is.opt(actorShape),
})
export type Name = Static<typeof nameSchema>

export const appRecordSchema = is.obj({
  app: appShape,
  phase: is.oneOf('creating', 'live', 'destroying'),
  /** Asked for, not yet known to be ours: finished also when nobody waits any more. */
  claiming: is.arr(nameSchema),
  /** Given up, not yet known to be free. */
  releasing: is.arr(nameSchema),
  /** Drains that are not surely open yet, and those that are not surely closed, by id. */
  opening: is.opt(is.arr(is.str)),
  closing: is.opt(is.arr(is.str)),
  /**
   * How often who may use it, or its name, has changed, and of these how often the lists of its users have
   * heard; absent: they have not yet. Users whose lists may show it still.
   */
  listing: is.opt(is.int),
  listed: is.opt(is.int),
  former: is.opt(is.arr(is.str)),
  /** When what the route shows changed last, and up to when the formation knows it. */
  changedAt: is.int,
  shownAt: is.int,
  /** Absent: nothing was ever told of it. */
  events: is.opt(outboxShape),
})
export type AppRecord = Static<typeof appRecordSchema>

export const sameName = (a: Name, b: Name): boolean => a.kind === b.kind && a.name === b.name
export const nameText = ({ kind, name }: Name): string => `${kind}/${name}`
export const nameFrom = (text: string): Name => {
  const at = text.indexOf('/')
  return { kind: text.slice(0, at) as Name['kind'], name: text.slice(at + 1) }
}
export const without = (names: readonly Name[], gone: Name): Name[] =>
  names.filter((name) => !sameName(name, gone))

/** The lists of its users show it as it is. */
export const isListed = ({ listing = 0, listed = -1 }: AppRecord): boolean => listed >= listing

/** Something must happen yet, whoever waits for it. */
export const unfinished = (a: AppRecord): boolean =>
  a.phase !== 'live' ||
  a.claiming.length > 0 ||
  a.releasing.length > 0 ||
  (a.opening ?? []).length > 0 ||
  (a.closing ?? []).length > 0 ||
  !isListed(a) ||
  a.shownAt < a.changedAt

/** The record with its route-relevant part changed: the formation must hear of it. */
export const shown = (a: AppRecord, change: Partial<AppView>, now: number): AppRecord => {
  const at = Math.max(now, a.changedAt + 1)
  return { ...a, app: { ...a.app, ...change, updatedAt: at }, changedAt: at }
}

/** The formation has heard of it as it was then: when nothing has changed since, its domains lead here. */
export const shownAll = (a: AppRecord, at: number): AppRecord => {
  const isAll = at >= a.changedAt && a.app.domains.some(({ isPending }) => isPending === true)
  if (!isAll) return { ...a, shownAt: at }
  const domains = a.app.domains.map((domain) => ({ ...domain, isPending: false }))
  return { ...a, shownAt: at, app: { ...a.app, domains } }
}

/** Every name that leads to it. */
export const namesOf = (a: AppRecord): Name[] => [
  { kind: 'app', name: a.app.name },
  ...a.app.domains.map(({ hostname }): Name => ({ kind: 'host', name: hostname })),
  ...(a.app.logTokens ?? []).map(({ token }): Name => ({ kind: 'token', name: token })),
  ...a.claiming,
  ...a.releasing,
]

export type NewApp = Pick<AppView, 'id' | 'name' | 'owner' | 'region' | 'stack' | 'team' | 'collaborators'>
export const newApp = (made: NewApp, now: number): AppRecord => ({
  app: {
    ...made,
    buildStack: made.stack,
    maintenance: false,
    buildpacks: [],
    buildpackDescription: null,
    domains: [],
    endpoints: [],
    features: [],
    repoBytes: null,
    slugBytes: null,
    releasedAt: null,
    createdAt: now,
    updatedAt: now,
  },
  phase: 'creating',
  claiming: [],
  releasing: [],
  changedAt: 0,
  shownAt: 0,
})
