/**
 * The lists of apps, by user: each in two orders (by name, by id), so that a page of it costs the same
 * however many apps there are. And Access, performed over them.
 */
import type { Effects } from '../../../src/ports/effects.ts'
import type { Store } from '../../../src/ports/store.ts'
import { openIndexes, type Indexes } from '../../../src/ordered/ordered.ts'
import { wholeSpan, type Change, type Span } from '../../../src/ordered/pages.ts'
import { recordKey } from '../../../src/runtime/record.ts'
import { appFormat } from '../../app/kept.ts'
import type { AppRecord } from '../../app/record.ts'
import type { AppView } from '../../protocols/app.ts'
import { asEffectFailure, nameKey } from './names.ts'

type Show = {
  readonly appId: string
  readonly name: string
  readonly offer?: string | null
  readonly users: readonly string[]
  readonly former: readonly string[]
}

export type Listed = { readonly id: string; readonly name: string }
/** A transfer of an app that is pending. */
export type Offered = { readonly appId: string; readonly offer: string }
export type AppLists = {
  /** Of those that a user has access to by itself, the part that a span takes. @throws StoreUnavailable */
  read(userId: string, by: 'name' | 'id', span: Span): Promise<readonly Listed[]>
  /** Transfers of apps that a user owns or is offered; some may be over. @throws StoreUnavailable */
  offers(userId: string, max: number): Promise<readonly Offered[]>
  /**
   * An app as it is on record: to show many, none is woken. Undefined: it is not on record; null: it is not
   * there yet, or not any more. @throws StoreUnavailable
   */
  view(appId: string): Promise<AppView | null | undefined>
  /** The same of one that is on its way in or out as well. @throws StoreUnavailable */
  kept(appId: string): Promise<AppView | undefined>
}

const kind = 'access'
const indexOf = (userId: string, by: 'name' | 'id' | 'offers'): string => `${userId}.${by}`

export const openAppLists = (store: Store): AppLists => {
  const indexes = openIndexes(store, kind)
  const read = async (appId: string): Promise<AppRecord | undefined> => {
    const key = recordKey('app', appId)
    const entry = await store.get(key)
    return entry && (appFormat.decode(entry.value, key).state as AppRecord)
  }
  return {
    read: async (userId, by, span) =>
      (await indexes.read(indexOf(userId, by), span)).map(([key, value]) =>
        by === 'name' ? { id: value, name: key } : { id: key, name: value },
      ),
    offers: async (userId, max) =>
      (await indexes.read(indexOf(userId, 'offers'), { ...wholeSpan, max })).map(([appId, offer]) => ({
        appId,
        offer,
      })),
    async view(appId) {
      const record = await read(appId)
      return record && (record.phase === 'live' ? record.app : null)
    },
    kept: async (appId) => (await read(appId))?.app,
  }
}

export const performAccess = (store: Store): Effects => {
  const indexes = openIndexes(store, kind)
  return {
    'access.show': async ({ appId, name, offer, users, former }: Show) => {
      try {
        for (const user of users) await show(indexes, user, { id: appId, name }, true)
        for (const user of former)
          if (!users.includes(user)) await show(indexes, user, { id: appId, name }, false)
        if (offer === undefined) return
        for (const user of users) await showOffer(indexes, user, appId, offer)
        for (const user of former) if (!users.includes(user)) await showOffer(indexes, user, appId, null)
      } catch (error) {
        throw asEffectFailure(error)
      }
    },
    'access.owns': async ({ owner }: { readonly owner: string }) => {
      try {
        const apps = await indexes.read(indexOf(owner, 'id'), { ...wholeSpan, max: 1 })
        return apps.length > 0 || (await store.list(nameKey('pipeline', `${owner}/`))).length > 0
      } catch (error) {
        throw asEffectFailure(error)
      }
    },
  }
}

/**
 * Of one app only its own actor writes, one after the other. The list by id is the last to change: it knows
 * the name that the app had, for whoever begins again.
 */
const show = async (indexes: Indexes, user: string, { id, name }: Listed, isIn: boolean): Promise<void> => {
  const only = { ...wholeSpan, from: id, to: id, max: 1 }
  const [found] = await indexes.read(indexOf(user, 'id'), only)
  const former = found?.[1] ?? name
  const gone: Change[] = [...new Set([former, name])].flatMap((key) =>
    isIn && key === name ? [] : [{ key, value: id, removed: true }],
  )
  await indexes.change(indexOf(user, 'name'), [...gone, ...(isIn ? [{ key: name, value: id }] : [])])
  await indexes.change(
    indexOf(user, 'id'),
    isIn ? [{ key: id, value: name }] : [{ key: id, value: former, removed: true }],
  )
}

/** @param offer null: there is none */
const showOffer = async (
  indexes: Indexes,
  user: string,
  appId: string,
  offer: string | null,
): Promise<void> => {
  const index = indexOf(user, 'offers')
  if (offer !== null) return indexes.change(index, [{ key: appId, value: offer }])
  const [found] = await indexes.read(index, { ...wholeSpan, from: appId, to: appId, max: 1 })
  if (found !== undefined) await indexes.change(index, [{ key: appId, value: found[1], removed: true }])
}
