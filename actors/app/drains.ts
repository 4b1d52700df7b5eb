/**
 * The drains of an app, of its log as such and as telemetry: which there are, and those that are on their way
 * to be, to lead elsewhere, or not to be. Pure.
 */
import { heroku } from '../../config/heroku.ts'
import type { AppView, DrainView } from '../protocols/app.ts'
import type { AppRecord } from './record.ts'

type Target = Pick<DrainView, 'url' | 'telemetry'>
type Refusal = { readonly code: 'invalid_params' | 'not_found'; readonly reason: string }
/** The record, in which the drain is to be opened, or to be opened again; or why not, in Logplex's words. */
export type Outcome = { readonly a: AppRecord; readonly drain: DrainView } | Refusal

export const drainsOf = ({ drains = [] }: AppView): readonly DrainView[] => drains

/** By id, token or URL. */
export const drainIn = (app: AppView, which: string): DrainView | undefined =>
  drainsOf(app).find(({ id, token, url }) => [id, token, url].includes(which))

const isTelemetry = ({ telemetry }: Target): boolean => telemetry !== undefined
const isSame = (a: Target, b: Target): boolean =>
  a.url === b.url && a.telemetry?.headersId === b.telemetry?.headersId

const taken = (to: Target): Refusal => ({
  code: 'invalid_params',
  reason: `${isTelemetry(to) ? 'Endpoint' : 'Url'} has already been taken`,
})

export const add = (
  a: AppRecord,
  to: Target,
  { id, token, now }: { readonly id: string; readonly token: string; readonly now: number },
): Outcome => {
  const all = drainsOf(a.app)
  if (all.some((other) => isSame(other, to))) return taken(to)
  const kind = isTelemetry(to) ? 'telemetry drains' : 'drains'
  if (all.filter((other) => isTelemetry(other) === isTelemetry(to)).length >= heroku.drainsMax)
    return { code: 'invalid_params', reason: `You have already added the maximum number of ${kind} allowed` }
  const drain = { id, token: isTelemetry(to) ? id : token, ...to, createdAt: now, updatedAt: now }
  return { a: opening(a, [...all, drain], [id], now), drain }
}

/** @param which telemetry drain, by its id */
export const change = (a: AppRecord, which: string, to: Target, now: number): Outcome => {
  const before = drainsOf(a.app).find((one) => isTelemetry(one) && one.id === which)
  if (before === undefined) return { code: 'not_found', reason: "Couldn't find that telemetry drain." }
  const others = drainsOf(a.app).filter(({ id }) => id !== before.id)
  if (others.some((other) => isSame(other, to))) return taken(to)
  const drain = { ...before, ...to, updatedAt: Math.max(now, before.updatedAt + 1) }
  const all = drainsOf(a.app).map((one) => (one.id === drain.id ? drain : one))
  return { a: opening(a, all, [drain.id], now), drain }
}

/** Telemetry says the app's name. */
export const renamed = (
  a: AppRecord,
  now: number,
): { readonly a: AppRecord; readonly ids: readonly string[] } => {
  const ids = drainsOf(a.app)
    .filter(isTelemetry)
    .map(({ id }) => id)
  const all = drainsOf(a.app).map((one) =>
    isTelemetry(one) ? { ...one, updatedAt: Math.max(now, one.updatedAt + 1) } : one,
  )
  return { a: ids.length === 0 ? a : opening(a, all, ids, now), ids }
}

const opening = (
  a: AppRecord,
  all: readonly DrainView[],
  ids: readonly string[],
  now: number,
): AppRecord => ({
  ...a,
  app: { ...a.app, drains: [...all], updatedAt: Math.max(now, a.app.updatedAt) },
  opening: [...(a.opening ?? []).filter((id) => !ids.includes(id)), ...ids],
})

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
