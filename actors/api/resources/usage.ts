/**
 * What dynos cost: the account's pool of Eco hours, as Heroku has it, and the operator's account of it all.
 */
import { wholeSpan } from '../../../src/ordered/pages.ts'
import type { AppUsage, Spent } from '../../protocols/usage.ts'
import type { Edge } from '../edge.ts'
import { endpoint, ok, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { appIdOf, uuid } from '../name-index.ts'
import { appOf } from './app-of.ts'

const monthPattern = /^\d{4}-(?:0[1-9]|1[0-2])$/
const appsReadMax = 1_000
const secondsOf = (ms: number): number => Math.floor(ms / 1000)

export const usage = [
  endpoint({
    name: 'account.get-quota',
    http: { method: 'GET', path: '/accounts/:account/actions/get-quota' },
    summary: 'Eco dyno hours of this month: the pool and what each app took of it, in seconds',
    async run(request, edge) {
      const { params, who } = request
      if (![who.id, who.email, '~'].includes(params.account)) throw notFound('account')
      const { limitMs, apps: all } = await edge.usage.eco()
      const apps = await ownOf(request, edge, all)
      return ok({
        account_quota: secondsOf(limitMs),
        quota_used: secondsOf(apps.reduce((sum, { usedMs }) => sum + usedMs, 0)),
        apps: apps.map((app) => ({ app_uuid: app.appId, quota_used: secondsOf(app.usedMs) })),
      })
    },
  }),
  endpoint({
    name: 'usage.list',
    http: { method: 'GET', path: '/usage' },
    summary: 'Dyno seconds of a month (UTC) by app, process type and dyno size; apps that are gone too',
    needs: 'operator',
    scope: 'global',
    async run(request, edge) {
      const { month, app } = request.query
      if (month !== undefined && !monthPattern.test(month))
        throw invalid(`Invalid month ${month}: it must be like 2026-11.`)
      const used = app === undefined ? await edge.usage.month(month) : await usageOfApp(edge, month, app)
      const apps = used.apps.filter(({ spent }) => spent.length > 0).sort(byName)
      return ok({ month: used.month, apps: apps.map(appUsageBody) })
    },
  }),
]

type Used = { readonly appId: string; readonly usedMs: number }

/** Operators see the use of all, of apps that are gone too. */
const ownOf = async (request: Request, edge: Edge, all: readonly Used[]): Promise<readonly Used[]> => {
  if (request.caller.user.operator === true) return all
  const isListed = await listedOf(request, edge)
  const owned = all.map(async (used) => {
    if (!(await isListed(used.appId))) return []
    const { owner } = await appOf(request, edge, used.appId)
    return owner.id === request.who.id ? [used] : []
  })
  return (await Promise.all(owned)).flat()
}

/** Of the apps of a caller: who has few is asked for all, who has many for each. */
const listedOf = async ({ who }: Request, { lists }: Edge) => {
  const some = await lists.read(who.id, 'id', { ...wholeSpan, max: appsReadMax })
  const few = new Set(some.map(({ id }) => id))
  return async (appId: string): Promise<boolean> => {
    if (few.size < appsReadMax) return few.has(appId)
    const [found] = await lists.read(who.id, 'id', { ...wholeSpan, from: appId, to: appId, max: 1 })
    return found !== undefined
  }
}

/** An app that is gone is known by its last name, or its id, in the months that it cost something in. */
const usageOfApp = async ({ store, usage: reports }: Edge, month: string | undefined, app: string) => {
  if (uuid.test(app)) return reports.month(month, app)
  const id = await appIdOf(store, app)
  const all = await reports.month(month)
  const apps = all.apps.filter(({ appId, appName, isThere }) => (isThere ? appId === id : appName === app))
  if (id === undefined && apps.length === 0) throw notFound('app')
  return { ...all, apps }
}

const byName = (a: AppUsage, b: AppUsage): number => (a.appName < b.appName ? -1 : 1)

const appUsageBody = ({ appId, appName, isThere, spent }: AppUsage): object => ({
  app: { id: appId, name: appName },
  destroyed: !isThere,
  dynos: dynosOf(spent),
})

const dynosOf = (spent: Spent): object[] =>
  [...spent]
    .sort((a, b) => (a[0] === b[0] ? (a[1] < b[1] ? -1 : 1) : a[0] < b[0] ? -1 : 1))
    .map(([type, size, ms]) => ({ type, size, seconds: secondsOf(ms) }))
