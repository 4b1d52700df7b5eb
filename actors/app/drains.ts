/** The log drains of an app: which there are, and those that are on their way to be, or not to be. Pure. */
import { heroku } from '../../config/heroku.ts'
import type { AppView, DrainView } from '../protocols/app.ts'
import type { AppRecord } from './record.ts'

export const drainsOf = ({ drains = [] }: AppView): readonly DrainView[] => drains

/** By id, token or URL. */
export const drainIn = (app: AppView, which: string): DrainView | undefined =>
  drainsOf(app).find(({ id, token, url }) => [id, token, url].includes(which))

type Made = { readonly id: string; readonly token: string; readonly now: number }

/** The record with one more, to be opened; or why not, in Logplex's words. */
export const add = (
  a: AppRecord,
  url: string,
  { id, token, now }: Made,
): { readonly a: AppRecord; readonly drain: DrainView } | { readonly reason: string } => {
  const all = drainsOf(a.app)
  if (all.some((other) => other.url === url)) return { reason: 'Url has already been taken' }
  if (all.length >= heroku.drainsMax)
    return { reason: 'You have already added the maximum number of drains allowed' }
  const drain = { id, token, url, createdAt: now, updatedAt: now }
  const app = { ...a.app, drains: [...all, drain], updatedAt: now }
  return { a: { ...a, app, opening: [...(a.opening ?? []), id] }, drain }
}

export const opened = (a: AppRecord, id: string): AppRecord => ({ ...a, opening: without(a.opening, id) })

/** The record without it, to be closed. */
export const remove = (a: AppRecord, { id }: DrainView, now: number): AppRecord => ({
  ...a,
  app: { ...a.app, drains: drainsOf(a.app).filter((other) => other.id !== id), updatedAt: now },
  opening: without(a.opening, id),
  closing: [...without(a.closing, id), id],
})

export const closed = (a: AppRecord, id: string): AppRecord => ({ ...a, closing: without(a.closing, id) })

const without = (ids: readonly string[] = [], id: string): string[] => ids.filter((other) => other !== id)
