/** Formation: how many dynos of each process type, and how large. */
import { is, ref } from '../../../src/runtime/index.ts'
import { Formation } from '../../protocols/formation.ts'
import type { ProcessType } from '../../protocols/shapes.ts'
import { endpoint, ok, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { formationBody } from '../shapes/process.ts'
import { thisApp } from './app-of.ts'

// The CLI sends quantities as text, with a sign when they are relative; others send numbers and `dyno_size`.
// This platform's own: `singleton`, never two lives of a process at once, whatever happens; `labels`, what
// its host must have (null and {}: nothing).
const change = {
  singleton: is.opt(is.bool),
  labels: is.opt(is.orNull(is.map(is.str))),
  quantity: is.opt(is.union(is.str, is.int)),
  size: is.opt(is.str),
  dyno_size: is.opt(is.union(is.str, is.obj({ id: is.opt(is.str), name: is.opt(is.str) }))),
}
type Change = {
  readonly quantity?: string | number
  readonly size?: string
  readonly singleton?: boolean
  readonly labels?: Readonly<Record<string, string>> | null
  readonly dyno_size?: string | { readonly id?: string; readonly name?: string }
}

export const formation = [
  endpoint({
    name: 'formation.list',
    http: { method: 'GET', path: '/apps/:app/formation' },
    summary: 'Process types of an app',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok((await typesOf(request, app.id)).map((type) => formationBody(type, app)))
    },
  }),
  endpoint({
    name: 'formation.info',
    http: { method: 'GET', path: '/apps/:app/formation/:type' },
    summary: 'One process type',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok(formationBody(pick(await typesOf(request, app.id), request.params.type), app))
    },
  }),
  endpoint({
    name: 'formation.batch-update',
    http: { method: 'PATCH', path: '/apps/:app/formation' },
    summary: 'Scale or resize process types: all of them or none',
    body: is.obj({ updates: is.arr(is.obj({ type: is.str, ...change })) }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const updates = request.body.updates.map((update) => wanted(update.type, update))
      const { types } = await request.ask(ref(Formation, app.id), { type: 'scale', updates, by: request.who })
      return ok(types.map((type) => formationBody(type, app)))
    },
  }),
  endpoint({
    name: 'formation.update',
    http: { method: 'PATCH', path: '/apps/:app/formation/:type' },
    summary: 'Scale or resize one process type',
    body: is.obj(change),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const { type } = pick(await typesOf(request, app.id), request.params.type)
      const updates = [wanted(type, request.body)]
      const { types } = await request.ask(ref(Formation, app.id), { type: 'scale', updates, by: request.who })
      return ok(formationBody(pick(types, type), app))
    },
  }),
]

const typesOf = async (request: Request, appId: string): Promise<readonly ProcessType[]> =>
  (await request.ask(ref(Formation, appId), { type: 'types' })).types

const pick = (types: readonly ProcessType[], which: string): ProcessType => {
  const found = types.find(({ id, type }) => type === which || id === which)
  if (found === undefined) throw notFound('formation')
  return found
}

const wanted = (type: string, { quantity, size, dyno_size: sized, singleton, labels }: Change) => {
  const named = size ?? (typeof sized === 'string' ? sized : (sized?.name ?? sized?.id))
  const text = quantity === undefined ? undefined : String(quantity).trim()
  if (text !== undefined && !/^[+-]?\d{1,6}$/.test(text)) throw invalid('Quantity must be a number.')
  if (typeof quantity === 'number' && quantity < 0)
    throw invalid('Quantity must be greater than or equal to 0.')
  return {
    type,
    ...(text === undefined ? {} : { quantity: text }),
    ...(named === undefined ? {} : { size: named }),
    ...(singleton === undefined ? {} : { singleton }),
    ...(labels === undefined ? {} : { labels: { ...labels } }),
  }
}
