/** OAuth clients: registered, listed, given another secret, removed. */
import { is } from '../../../src/runtime/index.ts'
import type { Client } from '../accounts/clients.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { cut, listOf } from '../range.ts'
import { clientBody } from '../shapes/oauth.ts'

const resource = 'oauth_client'
const clientsMax = 100
const nameCharsMax = 255
const uriCharsMax = 2_000
const scope = 'global'

export const oauthClients = [
  endpoint({
    name: 'oauth-clients.list',
    http: { method: 'GET', path: '/oauth/clients' },
    summary: 'OAuth clients of the account; of their secrets the ends',
    scope,
    async run(request, edge) {
      const page = cut(await edge.accounts.clients.list(request.who.id), request.range, {
        id: ({ id }) => id,
        name: ({ name }) => name,
      })
      return listOf(page, (one) => clientBody(one, one.shown))
    },
  }),
  endpoint({
    name: 'oauth-clients.create',
    http: { method: 'POST', path: '/oauth/clients' },
    summary: 'Register an OAuth client, with a secret, which is told this once',
    scope,
    body: is.obj({ name: is.str, redirect_uri: is.str }),
    async run(request, edge) {
      const { name, redirect_uri: uri } = request.body
      const wanted = { name: nameIn(name), redirectUri: uriIn(uri) }
      const { clients } = edge.accounts
      if ((await clients.list(request.who.id)).length >= clientsMax)
        throw invalid(`An account cannot have more than ${clientsMax} OAuth clients.`)
      const { client, secret } = await clients.register(request.who.id, wanted)
      return created(clientBody(client, secret))
    },
  }),
  endpoint({
    name: 'oauth-clients.info',
    http: { method: 'GET', path: '/oauth/clients/:client' },
    summary: 'One OAuth client; of its secret the ends, for whose it is',
    async run(request, edge) {
      const found = await clientOf(edge, request.params.client)
      return ok(clientBody(found, found.ownerId === request.who.id ? found.shown : undefined))
    },
  }),
  endpoint({
    name: 'oauth-clients.update',
    http: { method: 'PATCH', path: '/oauth/clients/:client' },
    summary: 'Give an OAuth client another name or address',
    scope,
    body: is.obj({ name: is.opt(is.str), redirect_uri: is.opt(is.str) }),
    async run(request, edge) {
      const { id } = await thisOne(request, edge)
      const { name, redirect_uri: uri } = request.body
      const to = {
        ...(name !== undefined && { name: nameIn(name) }),
        ...(uri !== undefined && { redirectUri: uriIn(uri) }),
      }
      const changed = await edge.accounts.clients.change(id, to)
      if (changed === undefined) throw notFound(resource)
      return ok(clientBody(changed, changed.shown))
    },
  }),
  endpoint({
    name: 'oauth-clients.rotate-credentials',
    http: { method: 'POST', path: '/oauth/clients/:client/actions/rotate-credentials' },
    summary: 'Another secret for an OAuth client; that of before is good for nothing any more',
    scope,
    async run(request, edge) {
      const rotated = await edge.accounts.clients.rotate((await thisOne(request, edge)).id)
      if (rotated === undefined) throw notFound(resource)
      return ok(clientBody(rotated.client, rotated.secret))
    },
  }),
  endpoint({
    name: 'oauth-clients.delete',
    http: { method: 'DELETE', path: '/oauth/clients/:client' },
    summary: 'Remove an OAuth client: what it was given opens nothing any more',
    scope,
    async run(request, edge) {
      const found = await thisOne(request, edge)
      await edge.accounts.clients.remove(found)
      return ok(clientBody(found, found.shown))
    },
  }),
]

/** Whoever lets a client may look which it is. Throws Heroku's 404. */
export const clientOf = async ({ accounts }: Edge, which: string): Promise<Client> => {
  const found = uuid.test(which) ? await accounts.clients.find(which) : undefined
  if (found === undefined) throw notFound(resource)
  return found
}

/** What is not one's own is not there. */
const thisOne = async (
  { params, who }: Request<{ readonly client: string }>,
  edge: Edge,
): Promise<Client> => {
  const found = await clientOf(edge, params.client)
  if (found.ownerId !== who.id) throw notFound(resource)
  return found
}

const nameIn = (text: string): string => {
  if (text.trim() !== '' && text.length <= nameCharsMax) return text
  throw invalid(`Name must have from 1 to ${nameCharsMax} characters.`)
}

/** Of addresses without TLS those of the client's own machine or network alone, as the stock CLI has it. */
const isNear = (host: string): boolean =>
  /^(?:localhost|\[::1\]|(?:10|127|192)(?:\.\d{1,3}){3})$|\.local(?:host)?$/.test(host)

const uriIn = (text: string): string => {
  const url = text.length <= uriCharsMax ? URL.parse(text) : null
  const { protocol = '', hostname = '' } = url ?? {}
  if (protocol === 'https:' || (protocol === 'http:' && isNear(hostname))) return text
  throw invalid('Invalid redirect_uri: it must be an https address, or an http one of the local network.')
}
