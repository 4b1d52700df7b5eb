/** SNI endpoints: the certificates of an app's domains. Keys go in and never come out. */
import { PairRefused, readPair } from '../../../src/certs/read.ts'
import { is, ref } from '../../../src/runtime/index.ts'
import { App, type AppView, type EndpointView } from '../../protocols/app.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { endpointIn } from '../shapes/domain.ts'
import { endpointBody } from '../shapes/sni-endpoint.ts'
import { adjectives } from '../words.ts'
import { thisApp } from './app-of.ts'

const pairBody = is.obj({ certificate_chain: is.str, private_key: is.str })
const resource = 'sni_endpoint'

export const sniEndpoints = [
  endpoint({
    name: 'sni-endpoints.list',
    http: { method: 'GET', path: '/apps/:app/sni-endpoints' },
    summary: 'Certificates of an app',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok(await Promise.all((app.endpoints ?? []).map((one) => shown(one, app, edge))))
    },
  }),
  endpoint({
    name: 'sni-endpoints.info',
    http: { method: 'GET', path: '/apps/:app/sni-endpoints/:endpoint' },
    summary: 'One certificate, by name or id of its endpoint',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok(await shown(pick(app, request.params.endpoint), app, edge))
    },
  }),
  endpoint({
    name: 'sni-endpoints.create',
    http: { method: 'POST', path: '/apps/:app/sni-endpoints' },
    summary: 'Add a certificate with its key',
    body: pairBody,
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const made = await withPair(request, app, edge, (pair) =>
        request.ask(ref(App, app.id), { type: 'addEndpoint', name: newName(edge), pair }, { resource }),
      )
      return created(await shown(made, app, edge))
    },
  }),
  endpoint({
    name: 'sni-endpoints.update',
    http: { method: 'PATCH', path: '/apps/:app/sni-endpoints/:endpoint' },
    summary: 'Another certificate in place of one',
    body: pairBody,
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const { id } = pick(app, request.params.endpoint)
      const changed = await withPair(request, app, edge, (pair) =>
        request.ask(ref(App, app.id), { type: 'changeEndpoint', endpoint: id, pair }, { resource }),
      )
      return ok(await shown(changed, app, edge))
    },
  }),
  endpoint({
    name: 'sni-endpoints.delete',
    http: { method: 'DELETE', path: '/apps/:app/sni-endpoints/:endpoint' },
    summary: "Remove a certificate; its domains go on with the platform's",
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const found = pick(app, request.params.endpoint)
      const body = await shown(found, app, edge)
      await request.ask(ref(App, app.id), { type: 'removeEndpoint', endpoint: found.id }, { resource })
      return ok(body)
    },
  }),
]

const pick = (app: AppView, which: string): EndpointView => {
  const found = endpointIn(app, which)
  if (found === undefined) throw notFound(resource)
  return found
}

/** With the pair gone, which is for the moment of a change, its chain is empty. */
const shown = async (one: EndpointView, app: AppView, edge: Edge): Promise<object> =>
  endpointBody(one, app, (await edge.certificates.open(app.id, one.pair.pairId))?.certificate ?? '')

/** Reads and seals the pair of a request first: what is on record can be opened. */
const withPair = async (
  { body }: Request<unknown, { readonly certificate_chain: string; readonly private_key: string }>,
  app: AppView,
  edge: Edge,
  use: (pair: EndpointView['pair']) => Promise<EndpointView>,
): Promise<EndpointView> => {
  const { pair, facts } = read(body.certificate_chain, body.private_key, edge.now())
  const pairId = edge.random.uuid()
  await edge.certificates.keep(app.id, pairId, pair)
  return use({ ...facts, pairId, names: [...facts.names] })
}

const read = (chain: string, key: string, nowMs: number): ReturnType<typeof readPair> => {
  try {
    return readPair(chain, key, nowMs)
  } catch (error) {
    throw error instanceof PairRefused ? invalid(error.message) : error
  }
}

/** `frosty-48211`: of the form that Heroku's have. */
const newName = ({ random }: Edge): string => {
  const word = adjectives[Math.floor(random.next() * adjectives.length)] ?? 'quiet'
  return `${word}-${10_000 + Math.floor(random.next() * 90_000)}`
}
