/** Log drains: where an app's log is sent on to. */
import { DrainUrlInvalid, parseDrainUrl } from '../../../src/syslog/drain-url.ts'
import { is, ref } from '../../../src/runtime/index.ts'
import { App, type AppView, type DrainView } from '../../protocols/app.ts'
import { Drain } from '../../protocols/drain.ts'
import { created, endpoint, ok, warned, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { cut, list } from '../range.ts'
import { drainBody, type DrainState } from '../shapes/drain.ts'
import { thisApp } from './app-of.ts'

const resource = 'log_drain'
const insecure = 'The certificate of this receiver is not verified.'
const inClear = 'Lines go to this receiver in clear text.'
/** Whose state is not known by then is shown without. */
const stateTimeoutMs = 2_000

export const drains = [
  endpoint({
    name: 'log-drains.list',
    http: { method: 'GET', path: '/apps/:app/log-drains' },
    summary: 'Log drains of an app, and how it is with each',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const page = cut(logDrains(app), request.range, { url: ({ url }) => url, id: ({ id }) => id })
      return list(page, await Promise.all(page.items.map((one) => shown(request, app, one))))
    },
  }),
  endpoint({
    name: 'log-drains.info',
    http: { method: 'GET', path: '/apps/:app/log-drains/:drain' },
    summary: 'One log drain, by URL, token or id',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok(await shown(request, app, pick(app, request.params.drain)))
    },
  }),
  endpoint({
    name: 'log-drains.create',
    http: { method: 'POST', path: '/apps/:app/log-drains' },
    summary: 'Send the log on to a URL',
    body: is.obj({ url: is.str }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const url = request.body.url.trim()
      const warning = warningOf(url)
      const made = await request.ask(ref(App, app.id), { type: 'addDrain', url }, { resource })
      const reply = created(drainBody(made, app, null))
      return warning === undefined ? reply : warned(reply, warning)
    },
  }),
  endpoint({
    name: 'log-drains.delete',
    http: { method: 'DELETE', path: '/apps/:app/log-drains/:drain' },
    summary: 'Send the log there no more',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const found = pick(app, request.params.drain)
      await request.ask(ref(App, app.id), { type: 'removeDrain', drain: found.id }, { resource })
      return ok(drainBody(found, app, null))
    },
  }),
]

const logDrains = ({ drains = [] }: AppView): readonly DrainView[] =>
  drains.filter(({ telemetry }) => telemetry === undefined)

/** What whoever adds it should know of it. @throws ApiError `invalid_params` */
const warningOf = (url: string): string | undefined => {
  try {
    const { tls } = parseDrainUrl(url)
    return tls === null ? inClear : tls.verified ? undefined : insecure
  } catch (error) {
    throw error instanceof DrainUrlInvalid ? invalid(error.message) : error
  }
}

const pick = (app: AppView, which: string): DrainView => {
  const found = logDrains(app).find(({ id, token, url }) => [id, token, url].includes(which))
  if (found === undefined) throw notFound(resource)
  return found
}

const shown = async (request: Request, app: AppView, drain: DrainView): Promise<object> => {
  const state: DrainState | null = await request
    .ask(ref(Drain, drain.id), { type: 'state' }, { resource, timeoutMs: stateTimeoutMs })
    .catch(() => null)
  return drainBody(drain, app, state)
}
