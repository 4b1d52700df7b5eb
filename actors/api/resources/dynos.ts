/** Dynos: what runs now, one-off runs, restarts and stops. */
import { is, ref, refAt } from '../../../src/runtime/index.ts'
import { heroku } from '../../../config/heroku.ts'
import { Dyno } from '../../protocols/dyno.ts'
import { Formation } from '../../protocols/formation.ts'
import type { DynoView } from '../../protocols/shapes.ts'
import type { Edge } from '../edge.ts'
import { accepted, created, endpoint, ok, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { dynoBody } from '../shapes/process.ts'
import { thisApp } from './app-of.ts'

const tokenLength = 40

export const dynos = [
  endpoint({
    name: 'dynos.list',
    http: { method: 'GET', path: '/apps/:app/dynos' },
    summary: 'Dynos of an app',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok((await dynosOf(request, app.id)).map((dyno) => dynoBody(dyno, app, edge.isolates)))
    },
  }),
  endpoint({
    name: 'dynos.info',
    http: { method: 'GET', path: '/apps/:app/dynos/:dyno' },
    summary: 'One dyno, by name or id',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok(dynoBody(await dynoOf(request, app.id), app, edge.isolates))
    },
  }),
  endpoint({
    name: 'dynos.create',
    http: { method: 'POST', path: '/apps/:app/dynos' },
    summary: 'Run a command in a one-off dyno, attached to the caller or not',
    scope: 'write-protected',
    body: is.obj({
      command: is.str,
      attach: is.opt(is.orNull(is.bool)),
      env: is.opt(is.orNull(is.map(is.union(is.str, is.num, is.bool)))),
      force_no_tty: is.opt(is.orNull(is.bool)),
      size: is.opt(is.orNull(is.str)),
      type: is.opt(is.orNull(is.str)),
      time_to_live: is.opt(is.orNull(is.int)),
    }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const { body } = request
      const asked = commandOf(body)
      checkLife(body)
      const attachToken = body.attach === true ? reserve(edge) : null
      const dyno = await request.ask(ref(Formation, app.id), {
        type: 'run',
        ...asked,
        attachToken,
        by: request.who,
        ...(body.size == null ? {} : { size: body.size }),
        ...(body.type == null ? {} : { processType: body.type }),
        ...(body.time_to_live == null ? {} : { timeToLiveMs: body.time_to_live * 1000 }),
      })
      return created(
        dynoBody(dyno, app, edge.isolates, attachToken === null ? null : attachUrl(edge, attachToken)),
      )
    },
  }),
  endpoint({
    name: 'dynos.run-inside',
    http: { method: 'POST', path: '/apps/:app/dynos/:dyno' },
    summary: 'Run a command inside a running dyno, attached to the caller',
    scope: 'write-protected',
    body: is.obj({
      command: is.str,
      env: is.opt(is.orNull(is.map(is.union(is.str, is.num, is.bool)))),
      force_no_tty: is.opt(is.orNull(is.bool)),
    }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const dyno = await dynoOf(request, app.id)
      if (dyno.host === null) throw invalid(`The dyno ${dyno.name} is not running.`)
      const asked = commandOf(request.body)
      const attachToken = reserve(edge)
      await request.ask(
        refAt(Dyno, dyno.id, dyno.host),
        { type: 'inside', ...asked, attachToken, by: request.who },
        { resource: 'dyno' },
      )
      return created(dynoBody(dyno, app, edge.isolates, attachUrl(edge, attachToken)))
    },
  }),
  endpoint({
    name: 'dynos.restart-all',
    http: { method: 'DELETE', path: '/apps/:app/dynos' },
    summary: 'Restart every dyno',
    run: (request, edge) => restart(request, edge, {}),
  }),
  endpoint({
    name: 'dynos.restart',
    http: { method: 'DELETE', path: '/apps/:app/dynos/:dyno' },
    summary: 'Restart one dyno',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return restart(request, edge, { dyno: (await dynoOf(request, app.id)).name })
    },
  }),
  endpoint({
    name: 'formations.restart',
    http: { method: 'DELETE', path: '/apps/:app/formations/:type' },
    summary: 'Restart the dynos of a process type',
    run: (request, edge) => restart(request, edge, { processType: request.params.type }),
  }),
  endpoint({
    name: 'dynos.stop',
    http: { method: 'POST', path: '/apps/:app/dynos/:dyno/actions/stop' },
    summary: 'Stop one dyno; one of the formation is started again',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return halt(request, edge, { dyno: (await dynoOf(request, app.id)).name })
    },
  }),
  endpoint({
    name: 'formations.stop',
    http: { method: 'POST', path: '/apps/:app/formations/:type/actions/stop' },
    summary: 'Stop the dynos of a process type',
    run: (request, edge) => halt(request, edge, { processType: request.params.type }),
  }),
  endpoint({
    name: 'dynos.idle',
    http: { method: 'POST', path: '/apps/:app/dynos/actions/idle' },
    summary: 'Put an app of Eco dynos to sleep now; the next request wakes it',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      await request.ask(ref(Formation, app.id), { type: 'idle' })
      return accepted()
    },
  }),
]

type AppRequest = Request<{ readonly app: string }>
type Which = { readonly processType?: string; readonly dyno?: string }

const restart = async (request: AppRequest, edge: Edge, which: Which) => {
  const app = await thisApp(request, edge)
  await request.ask(
    ref(Formation, app.id),
    { type: 'restart', ...which, by: request.who },
    { resource: 'dyno' },
  )
  return accepted()
}

const halt = async (request: AppRequest, edge: Edge, which: Which) => {
  const app = await thisApp(request, edge)
  await request.ask(
    ref(Formation, app.id),
    { type: 'stopDyno', ...which, by: request.who },
    { resource: 'dyno' },
  )
  return accepted()
}

/** A one-off that has ended is none of an app's dynos any more. */
const dynosOf = async (request: Request, appId: string): Promise<readonly DynoView[]> => {
  const { dynos } = await request.ask(ref(Formation, appId), { type: 'dynos' })
  return dynos.filter(({ state }) => state !== 'complete')
}

const dynoOf = async (request: Request<{ readonly dyno: string }>, appId: string): Promise<DynoView> => {
  const which = request.params.dyno
  const found = (await dynosOf(request, appId)).find(({ id, name }) => name === which || id === which)
  if (found === undefined) throw notFound('dyno')
  return found
}

type Asked = {
  readonly command: string
  readonly env?: Readonly<Record<string, string | number | boolean>> | null | undefined
  readonly force_no_tty?: boolean | null | undefined
}

/** What both kinds of runs are asked for with. */
const commandOf = ({ command, env, force_no_tty }: Asked) => {
  if (command.trim() === '') throw invalid('Command cannot be empty.')
  if (command.includes('\0')) throw invalid('Command must not hold a NUL byte.')
  for (const [name, value] of Object.entries(env ?? {})) {
    if (!/^[^=\0]+$/.test(name)) throw invalid(`env: ${shown(name)} is no name of a variable.`)
    if (String(value).includes('\0')) throw invalid(`env: ${shown(name)} must not hold a NUL byte.`)
  }
  return {
    command,
    env: Object.fromEntries(Object.entries(env ?? {}).map(([name, value]) => [name, String(value)])),
    terminal: force_no_tty === true ? null : terminalOf(env ?? {}),
  }
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 100))
const typeForm = /^[-\w]{1,128}$/

type Life = { readonly type?: string | null | undefined; readonly time_to_live?: number | null | undefined }

/** As what it runs, and how long. */
const checkLife = ({ type, time_to_live: seconds }: Life): void => {
  if (type != null && !typeForm.test(type))
    throw invalid(`type: ${shown(type)} must be 1 to 128 letters, digits, - and _.`)
  if (seconds != null && seconds < 1) throw invalid('time_to_live must be at least 1 second.')
}

/** Known before the process starts: the client dials as soon as it has its answer. */
const reserve = (edge: Edge): string => {
  const token = edge.random.token(tokenLength)
  edge.rendezvous.reserve(token, heroku.bootTimeoutMs + heroku.attachTimeoutMs)
  return token
}

/** The CLI sends the size of its terminal, as numbers, when it has one; 0 when the terminal does not know. */
const terminalOf = (env: Readonly<Record<string, unknown>>): { columns: number; rows: number } | null => {
  const { COLUMNS: columns, LINES: rows } = env
  if (typeof columns !== 'number' || typeof rows !== 'number') return null
  return { columns: sizeOr(columns, 80), rows: sizeOr(rows, 24) }
}
const sizeOr = (size: number, fallback: number): number =>
  size >= 1 && size <= 65_535 ? Math.trunc(size) : fallback

const attachUrl = (edge: Edge, token: string): string => `rendezvous://${edge.settings.secureHost}/${token}`
