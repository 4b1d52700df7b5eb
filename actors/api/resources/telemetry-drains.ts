/**
 * Telemetry drains: where an app's log is sent on to as OpenTelemetry has it. Values of headers go in sealed,
 * and come out for the app's owner alone.
 */
import { checkHeaders, EndpointInvalid, parseEndpoint } from '../../../src/otlp/endpoint.ts'
import { is, ref } from '../../../src/runtime/index.ts'
import { App, type AppView, type DrainView } from '../../protocols/app.ts'
import { Drain } from '../../protocols/drain.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { ApiError, invalid, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { cut, list } from '../range.ts'
import { deliveryBody, type DrainState } from '../shapes/drain.ts'
import { exporterType, signalsSent, telemetryDrainBody } from '../shapes/telemetry-drain.ts'
import { appOf, thisApp } from './app-of.ts'

const resource = 'telemetry_drain'
const headersShape = is.map(is.str)

export const telemetryDrains = [
  endpoint({
    name: 'telemetry-drains.list-by-app',
    http: { method: 'GET', path: '/apps/:app/telemetry-drains' },
    summary: 'Telemetry drains of an app',
    scope: 'read-protected',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const page = cut(telemetryOf(app), request.range, { id: ({ id }) => id })
      return list(page, await Promise.all(page.items.map((one) => shown(one, app, edge))))
    },
  }),
  endpoint({
    name: 'telemetry-drains.create',
    http: { method: 'POST', path: '/telemetry-drains' },
    summary: "Send an app's log on by OTLP",
    scope: 'write-protected',
    body: is.obj({
      owner: is.obj({ id: is.str, type: is.str }),
      signals: is.arr(is.str),
      exporter: is.obj({ type: is.str, endpoint: is.str, headers: is.opt(headersShape) }),
    }),
    async run(request, edge) {
      const { owner, signals, exporter } = request.body
      if (owner.type === 'space') throw notFound('space')
      if (owner.type !== 'app') throw invalid(`Invalid owner type: ${quoted(owner.type)} (allowed: app)`)
      const app = await appOf(request, edge, owner.id)
      checkSignals(signals)
      const to = await sealed(exporter, app, edge)
      const made = await request.ask(ref(App, app.id), { type: 'addDrain', ...to }, { resource })
      return created(await shown(made, app, edge))
    },
  }),
  endpoint({
    name: 'telemetry-drains.info',
    http: { method: 'GET', path: '/telemetry-drains/:drain' },
    summary: 'One telemetry drain',
    scope: 'read-protected',
    async run(request, edge) {
      const { drain, app } = await thisDrain(request, edge)
      return ok(await shown(drain, app, edge))
    },
  }),
  endpoint({
    name: 'telemetry-drains.delivery',
    http: { method: 'GET', path: '/telemetry-drains/:drain/delivery' },
    summary: 'How it is with a telemetry drain',
    async run(request, edge) {
      const { state } = await thisDrain(request, edge)
      return ok(deliveryBody(state))
    },
  }),
  endpoint({
    name: 'telemetry-drains.update',
    http: { method: 'PATCH', path: '/telemetry-drains/:drain' },
    summary: 'Let a telemetry drain lead elsewhere',
    scope: 'write-protected',
    body: is.obj({
      signals: is.opt(is.arr(is.str)),
      exporter: is.opt(
        is.obj({ type: is.opt(is.str), endpoint: is.opt(is.str), headers: is.opt(headersShape) }),
      ),
    }),
    async run(request, edge) {
      const { drain, app } = await thisDrain(request, edge)
      const { signals, exporter = {} } = request.body
      if (signals !== undefined) checkSignals(signals)
      const { type = exporterType, endpoint: url = drain.url } = exporter
      const headers = exporter.headers ?? (await headersOf(drain, app, edge))
      const to = await sealed({ type, endpoint: url, headers }, app, edge)
      const change = { type: 'changeDrain', drain: drain.id, ...to } as const
      return ok(await shown(await request.ask(ref(App, app.id), change, { resource }), app, edge))
    },
  }),
  endpoint({
    name: 'telemetry-drains.delete',
    http: { method: 'DELETE', path: '/telemetry-drains/:drain' },
    summary: 'Send the log there no more',
    async run(request, edge) {
      const { drain, app } = await thisDrain(request, edge)
      const body = await shown(drain, app, edge)
      await request.ask(ref(App, app.id), { type: 'removeDrain', drain: drain.id }, { resource })
      return ok(body)
    },
  }),
]

const telemetryOf = ({ drains = [] }: AppView): readonly DrainView[] =>
  drains.filter(({ telemetry }) => telemetry !== undefined)

type Found = { readonly drain: DrainView; readonly app: AppView; readonly state: DrainState }

/** A drain knows its app. That of an app which the caller may not see is not there. */
const thisDrain = async (request: Request<{ readonly drain: string }>, edge: Edge): Promise<Found> => {
  const { drain: id } = request.params
  if (!uuid.test(id)) throw notFound(resource)
  const state = await request.ask(ref(Drain, id), { type: 'state' }, { resource })
  const app = await appOf(request, edge, state.appId).catch((error: unknown) => {
    const isHidden = error instanceof ApiError && (error.code === 'forbidden' || error.code === 'not_found')
    throw isHidden ? notFound(resource) : error
  })
  const drain = telemetryOf(app).find((one) => one.id === id)
  if (drain === undefined) throw notFound(resource)
  return { drain, app, state }
}

const headersOf = ({ telemetry }: DrainView, app: AppView, edge: Edge) =>
  edge.vault.open(app.id, telemetry?.headersId ?? '')

const shown = async (drain: DrainView, app: AppView, edge: Edge): Promise<object> =>
  telemetryDrainBody(drain, app, await headersOf(drain, app, edge))

/** What the schema and the stock CLI know. */
const signalsKnown = ['traces', 'metrics', 'logs']

/** Whoever asks for all that there is, as the stock CLI does by itself, gets it: that is logs. */
const checkSignals = (signals: readonly string[]): void => {
  const isAll = signalsKnown.every((one) => signals.includes(one))
  const other = signals.find((one) => !(isAll ? signalsKnown : signalsSent).some((known) => known === one))
  if (other === undefined && signals.length > 0) return
  throw invalid(
    `Invalid signals: ${other === undefined ? 'none' : quoted(other)} ` +
      '(allowed: logs, which is what this platform has to send, or all of traces, metrics and logs)',
  )
}

type Exporter = {
  readonly type: string
  readonly endpoint: string
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Where it is to lead. What is on record can be opened: it is sealed first. */
const sealed = async ({ type, endpoint: given, headers = {} }: Exporter, app: AppView, edge: Edge) => {
  if (type !== exporterType) {
    const grpc = type === 'otlp' ? ', which is OTLP over gRPC' : ''
    throw invalid(`Invalid exporter type: ${quoted(type)}${grpc} (allowed: ${exporterType}, OTLP over HTTP)`)
  }
  const url = given.trim()
  try {
    parseEndpoint(url)
    checkHeaders(headers)
  } catch (error) {
    throw error instanceof EndpointInvalid ? invalid(error.message) : error
  }
  const headersId = Object.keys(headers).length === 0 ? '' : await edge.vault.seal(app.id, headers)
  return { url, telemetry: { headersId } }
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 100))
