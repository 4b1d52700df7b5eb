/**
 * The lists of apps, by user: each in two orders (by name, by id), so that a page of it costs the same
 * however many apps there are. And Access, performed over them.
 */
import type { Effects } from '../../../src/ports/effects.ts'
import type { Store } from '../../../src/ports/store.ts'
import { openIndexes, type Indexes } from '../../../src/ordered/ordered.ts'
import { wholeSpan, type Change, type Span } from '../../../src/ordered/pages.ts'
import { asEffectFailure } from './names.ts'

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
}

const kind = 'access'
const indexOf = (userId: string, by: 'name' | 'id' | 'offers'): string => `${userId}.${by}`

export const openAppLists = (store: Store): AppLists => {
  const indexes = openIndexes(store, kind)
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
        const gone = { key: appId, value: '', removed: true } as const
        const entry = offer === null ? gone : { key: appId, value: offer }
        for (const user of users) await indexes.change(indexOf(user, 'offers'), [entry])
        for (const user of former) await indexes.change(indexOf(user, 'offers'), [gone])
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
