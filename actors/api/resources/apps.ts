/** Apps: made, listed, renamed, changed, destroyed. */
import { wholeSpan, type Span } from '../../../src/ordered/pages.ts'
import { is, ref } from '../../../src/runtime/index.ts'
import { sharedOf } from '../../effects/access.ts'
import type { Listed } from '../../effects/perform/access.ts'
import { App, type AppView, type Grant } from '../../protocols/app.ts'
import { Formation } from '../../protocols/formation.ts'
import { Team } from '../../protocols/team.ts'
import { needPermission, roleMay, type SeenApp } from '../access.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Reply, type Request } from '../endpoint.ts'
import { ApiError, invalid } from '../errors.ts'
import { appIdOf, checkAppName, inventName } from '../name-index.ts'
import { cut, list, listOf, pageOf, rangeOf } from '../range.ts'
import { appBody, teamAppBody } from '../shapes/app.ts'
import { timeText } from '../shapes/common.ts'
import { processTierOf } from '../shapes/process.ts'
import { regionNamed, stackNamed } from './catalog.ts'
import { listedApp, thisApp } from './app-of.ts'
import { flagsIn, flagsShape, turnedOn } from './feature-flags.ts'
import { ownTeams, seen } from './team-of.ts'

const inventTries = 5
/** Dynos get 30 s to end, and every record is removed before the answer. */
const destroyTimeoutMs = 90_000
const infosAtOnce = 32
const sortedByTimeMax = 1_000
const tierTimeoutMs = 3_000

export const apps = [
  endpoint({
    name: 'apps.create',
    http: { method: 'POST', path: '/apps' },
    summary: 'Create an app; without a name it gets one',
    body: is.obj({
      name: is.opt(is.str),
      region: is.opt(is.json),
      stack: is.opt(is.json),
      feature_flags: flagsShape,
    }),
    again: true,
    async run(request, edge) {
      return created(appBody(await newApp(request, edge, request.body), edge.settings))
    },
  }),
  endpoint({
    name: 'apps.list',
    http: { method: 'GET', path: '/apps' },
    summary: 'Apps that the caller owns or may use, those of its teams among them',
    run: async (request, edge) => listed(request, edge, await listsOf(request, edge)),
  }),
  endpoint({
    name: 'apps.list-own',
    http: { method: 'GET', path: '/users/~/apps' },
    summary: 'Apps that the caller owns or may use, without those of teams',
    run: (request, edge) => listed(request, edge, [request.who.id]),
  }),
  endpoint({
    name: 'apps.info',
    http: { method: 'GET', path: '/apps/:app' },
    summary: 'One app, by name or id',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const asked = request.ask(ref(Formation, app.id), { type: 'types' }, { timeoutMs: tierTimeoutMs })
      // The app is worth showing without it.
      const tier = await asked.then(({ types }) => ({ process_tier: processTierOf(types) })).catch(() => ({}))
      return ok({ ...appBody(app, edge.settings), ...tier })
    },
  }),
  endpoint({
    name: 'apps.update',
    http: { method: 'PATCH', path: '/apps/:app' },
    summary: 'Rename, change the stack of builds to come, or set maintenance mode',
    body: is.obj({ name: is.opt(is.str), maintenance: is.opt(is.bool), build_stack: is.opt(is.json) }),
    async run(request, edge) {
      let app = await thisApp(request, edge)
      const { name, maintenance } = request.body
      const { build_stack: asked } = request.body
      const buildStack = asked === undefined ? {} : { buildStack: stackNamed(asked, edge) }
      const wanted = { ...(maintenance === undefined ? {} : { maintenance }), ...buildStack }
      if (name !== undefined && name !== app.name) {
        needPermission(app, request.caller, 'manage')
        checkAppName(name)
        // Before anything else is changed: all of it is refused, or none.
        if ((await appIdOf(edge.store, name)) !== undefined) throw taken(name)
      }
      if (Object.keys(wanted).length > 0)
        app = await seen(await request.ask(ref(App, app.id), { type: 'change', ...wanted }), edge)
      if (name !== undefined && name !== app.name) {
        const rename = { type: 'rename', name } as const
        const renamed = request.ask(ref(App, app.id), rename).catch((error: unknown) => {
          throw isTaken(error) ? taken(name) : error
        })
        app = await seen(await renamed, edge)
      }
      return ok(appBody(app, edge.settings))
    },
  }),
  endpoint({
    name: 'apps.destroy',
    http: { method: 'DELETE', path: '/apps/:app' },
    summary: 'Destroy an app and everything of it',
    needs: 'manage',
    timeoutMs: destroyTimeoutMs,
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const last = await request.ask(ref(App, app.id), { type: 'destroy' }, { timeoutMs: destroyTimeoutMs })
      return ok(appBody(await seen(last, edge), edge.settings))
    },
  }),
]

/** Lists in which a user's apps are: its own, and of its teams those that it may see there. */
const listsOf = async (request: Request, edge: Edge): Promise<readonly string[]> => {
  const own = await ownTeams(request, edge)
  // What was given to it at apps of teams, it has as one of them.
  if (own.length === 0) return [request.who.id]
  const whole = own.flatMap(({ team, member }) => (roleMay[member.role].includes('view') ? [team.id] : []))
  return [request.who.id, sharedOf(request.who.id), ...whole]
}

const listed = async (request: Request, edge: Edge, lists: readonly string[]): Promise<Reply> => {
  const body = (app: SeenApp) =>
    app.team == null ? appBody(app, edge.settings) : teamAppBody(app, request.caller.user, edge.settings)
  if (/^\s*(updated_at|created_at)\b/.test(request.range ?? '')) {
    const page = cut(await allInfos(request, edge, lists), request.range, {
      updated_at: (app) => timeText(app.updatedAt),
      created_at: (app) => timeText(app.createdAt),
    })
    return listOf(page, body)
  }
  const orders = ['name', 'id'] as const
  const range = rangeOf(request.range, orders)
  // One more, to know whether there are more.
  const found = await merged(edge, lists, range.by, { ...range, max: range.max + 1 })
  const page = pageOf(found, range, orders, (app) => app[range.by])
  return list(page, (await infos(request, edge, page.items)).map(body))
}

/** Of several lists the first that the span takes, in its order. */
const merged = async (
  edge: Edge,
  lists: readonly string[],
  by: 'name' | 'id',
  span: Span,
): Promise<readonly Listed[]> => {
  const parts = await Promise.all(lists.map((one) => edge.lists.read(one, by, span)))
  if (parts.length === 1) return parts.flat()
  const all = [...new Map(parts.flat().map((one) => [one.id, one])).values()]
  const sign = span.descending ? -1 : 1
  return all.sort((a, b) => (a[by] < b[by] ? -sign : a[by] > b[by] ? sign : 0)).slice(0, span.max)
}

/** Of an app that is to be, whose it is. */
export type Whose = Pick<AppView, 'owner'> & {
  readonly team?: NonNullable<AppView['team']>
  readonly grant?: Grant
}

/**
 * Throws Heroku's 422 for what cannot be had.
 * @param whose asked once more for each name that is tried; left out: the caller's own
 */
export const newApp = async (
  request: Request,
  edge: Edge,
  { name, ...wanted }: Asked,
  whose: Wanted['whose'] = () => Promise.resolve({ owner: request.who }),
): Promise<AppView> => {
  const [region, stack] = [regionNamed(wanted.region), stackNamed(wanted.stack, edge)]
  const flags = flagsIn(wanted.feature_flags)
  const all = { region, stack, whose }
  const made = await (name === undefined
    ? createNameless(request, edge, all)
    : create(request, edge, name, all))
  return turnedOn(request, made, flags)
}

type Asked = {
  readonly name?: string
  readonly region?: unknown
  readonly stack?: unknown
  readonly feature_flags?: Parameters<typeof flagsIn>[0]
}
type Wanted = Pick<AppView, 'region' | 'stack'> & { readonly whose: (appId: string) => Promise<Whose> }

const create = async (
  request: Request,
  edge: Edge,
  name: string,
  { whose, ...wanted }: Wanted,
): Promise<AppView> => {
  checkAppName(name)
  const id = request.newId()
  // Asking the index first keeps refused names from activating an actor; the claim decides.
  const holder = await appIdOf(edge.store, name)
  if (holder !== undefined && holder !== id) throw taken(name)
  const app = ref(App, id)
  const { team, ...owner } = await whose(app.key)
  try {
    return await request.ask(app, { type: 'create', name, ...wanted, ...owner, ...(team && { team }) })
  } catch (error) {
    if (!isTaken(error)) throw error
    if (team !== undefined) request.tell(ref(Team, team.id), { type: 'arrived', appId: app.key })
    throw taken(name)
  }
}

const createNameless = async (request: Request, edge: Edge, wanted: Wanted): Promise<AppView> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await create(request, edge, inventName(edge.random), wanted)
    } catch (error) {
      if (tries === inventTries || !(error instanceof ApiError) || error.code !== 'invalid_params')
        throw error
    }
  }
}

const taken = (name: string): ApiError => invalid(`Name ${name} is already taken`)
const isTaken = (error: unknown): boolean => error instanceof ApiError && error.refusal === 'name_taken'

/** Times change, and are in no index: all that a caller has are asked for, which must not be too many. */
const allInfos = async (request: Request, edge: Edge, lists: readonly string[]): Promise<SeenApp[]> => {
  const all = await merged(edge, lists, 'id', { ...wholeSpan, max: sortedByTimeMax + 1 })
  if (all.length <= sortedByTimeMax) return infos(request, edge, all)
  throw new ApiError(
    'requested_range_not_satisfiable',
    `More than ${sortedByTimeMax} apps are sorted by name or id alone.`,
  )
}

/** In the order given; an app that is gone by now, or somebody else's, is left out. */
export const infos = async (
  request: Request,
  edge: Edge,
  index: readonly { id: string }[],
): Promise<SeenApp[]> => {
  const found: SeenApp[] = []
  for (let at = 0; at < index.length; at += infosAtOnce) {
    const batch = index.slice(at, at + infosAtOnce).map(({ id }) => listedApp(request, edge, id))
    found.push(...(await Promise.all(batch)).filter((app) => app !== undefined))
  }
  return found
}
