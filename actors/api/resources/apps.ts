/** Apps: made, listed, renamed, changed, destroyed. */
import { wholeSpan } from '../../../src/ordered/pages.ts'
import { is, ref } from '../../../src/runtime/index.ts'
import { App, type AppView } from '../../protocols/app.ts'
import { Formation } from '../../protocols/formation.ts'
import { needPermission } from '../access.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { ApiError, invalid } from '../errors.ts'
import { appIdOf, checkAppName, inventName } from '../name-index.ts'
import { cut, list, pageOf, rangeOf } from '../range.ts'
import { appBody } from '../shapes/app.ts'
import { timeText } from '../shapes/common.ts'
import { processTierOf } from '../shapes/process.ts'
import { regionNamed, stackNamed } from './catalog.ts'
import { listedApp, thisApp } from './app-of.ts'

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
    body: is.obj({ name: is.opt(is.str), region: is.opt(is.json), stack: is.opt(is.json) }),
    async run(request, edge) {
      return created(appBody(await newApp(request, edge, request.body), edge.settings))
    },
  }),
  endpoint({
    name: 'apps.list',
    http: { method: 'GET', path: '/apps', also: ['/users/~/apps'] },
    summary: 'Apps that the caller owns or may use',
    async run(request, edge) {
      const body = (app: AppView) => appBody(app, edge.settings)
      if (/^\s*(updated_at|created_at)\b/.test(request.range ?? '')) {
        const page = cut(await allInfos(request, edge), request.range, {
          updated_at: (app) => timeText(app.updatedAt),
          created_at: (app) => timeText(app.createdAt),
        })
        return list(page, page.items.map(body))
      }
      const orders = ['name', 'id'] as const
      const range = rangeOf(request.range, orders)
      // One more, to know whether there are more.
      const found = await edge.lists.read(request.who.id, range.by, { ...range, max: range.max + 1 })
      const page = pageOf(found, range, orders, (app) => app[range.by])
      return list(page, (await infos(request, edge, page.items)).map(body))
    },
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
      }
      if (Object.keys(wanted).length > 0)
        app = await request.ask(ref(App, app.id), { type: 'change', ...wanted })
      if (name !== undefined && name !== app.name) {
        if ((await appIdOf(edge.store, name)) !== undefined) throw taken(name)
        app = await request.ask(ref(App, app.id), { type: 'rename', name }).catch(nameTaken(name))
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
      return ok(appBody(last, edge.settings))
    },
  }),
]

/** Throws Heroku's 422 for what cannot be had. */
export const newApp = (
  request: Request,
  edge: Edge,
  { name, ...wanted }: { readonly name?: string; readonly region?: unknown; readonly stack?: unknown },
): Promise<AppView> => {
  const [region, stack] = [regionNamed(wanted.region), stackNamed(wanted.stack, edge)]
  const all = { region, stack, owner: request.who }
  return name === undefined ? createNameless(request, edge, all) : create(request, edge, name, all)
}

type Wanted = Pick<AppView, 'region' | 'stack' | 'owner'>

const create = async (request: Request, edge: Edge, name: string, wanted: Wanted): Promise<AppView> => {
  checkAppName(name)
  // Asking the index first keeps refused names from activating an actor; the claim decides.
  if ((await appIdOf(edge.store, name)) !== undefined) throw taken(name)
  const app = ref(App, edge.random.uuid())
  return request.ask(app, { type: 'create', name, ...wanted }).catch(nameTaken(name))
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
const nameTaken =
  (name: string) =>
  (error: unknown): never => {
    throw error instanceof ApiError && error.refusal === 'name_taken' ? taken(name) : error
  }

/** Times change, and are in no index: all that a caller has are asked for, which must not be too many. */
const allInfos = async (request: Request, edge: Edge): Promise<AppView[]> => {
  const all = await edge.lists.read(request.who.id, 'id', { ...wholeSpan, max: sortedByTimeMax + 1 })
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
): Promise<AppView[]> => {
  const found: AppView[] = []
  for (let at = 0; at < index.length; at += infosAtOnce) {
    const batch = index.slice(at, at + infosAtOnce).map(({ id }) => listedApp(request, edge, id))
    found.push(...(await Promise.all(batch)).filter((app) => app !== undefined))
  }
  return found
}
