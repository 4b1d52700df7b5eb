/**
 * Authorizations: tokens of an account, each with what it is good for and until when. A token is told once,
 * when it is made; from then on only its ends.
 */
import { is } from '../../../src/runtime/index.ts'
import { scopes as known, type Scope } from '../access.ts'
import type { Authorization } from '../accounts/authorizations.ts'
import { isSecretOf } from '../accounts/clients.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { ApiError, invalid, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { cut, list } from '../range.ts'
import { authorizationBody } from '../shapes/oauth.ts'
import { timeText } from '../shapes/common.ts'
import { clientOf } from './oauth-clients.ts'

const resource = 'authorization'
const authorizationsMax = 500
const descriptionCharsMax = 255
const expiresInMax = 10 * 365 * 24 * 3600
const scope = 'global'

export const oauth = [
  endpoint({
    name: 'oauth-authorizations.list',
    http: { method: 'GET', path: '/oauth/authorizations' },
    summary: 'Authorizations of the account; of their tokens the ends',
    scope,
    async run(request, edge) {
      const all = await edge.accounts.authorizations.list(request.who.id)
      const page = cut(all, request.range, {
        id: ({ id }) => id,
        created_at: ({ createdAt }) => timeText(createdAt),
      })
      return list(page, await Promise.all(page.items.map((one) => shown(request, edge, one))))
    },
  }),
  endpoint({
    name: 'oauth-authorizations.create',
    http: { method: 'POST', path: '/oauth/authorizations' },
    summary: 'A new token, or a code for an OAuth client, by a token of scope global or by a password',
    scope,
    open: 'password',
    body: is.obj({
      description: is.opt(is.orNull(is.str)),
      expires_in: is.opt(is.orNull(is.union(is.str, is.int))),
      scope: is.opt(is.orNull(is.arr(is.str))),
      client: is.opt(is.orNull(is.union(is.str, is.obj({ id: is.str })))),
    }),
    async run(request, edge) {
      const { body, who } = request
      const wanted = { description: describing(body.description), scopes: scopesIn(body.scope) }
      const expiresAt = expiry(body.expires_in, edge.now())
      const client = body.client == null ? undefined : await clientOf(edge, whichIn(body.client))
      if ((await edge.accounts.authorizations.list(who.id)).length >= authorizationsMax)
        throw invalid(`An account cannot have more than ${authorizationsMax} authorizations.`)
      const { authorizations } = edge.accounts
      if (client !== undefined) {
        const { authorization, code } = await authorizations.grantTo(client.id, who.id, wanted)
        return created(await shown(request, edge, authorization, { code }))
      }
      const { authorization, token } = await authorizations.grant(who.id, { ...wanted, expiresAt })
      return created(await shown(request, edge, authorization, { token }))
    },
  }),
  endpoint({
    name: 'oauth-authorizations.info',
    http: { method: 'GET', path: '/oauth/authorizations/:authorization' },
    summary: 'One authorization; ~ is that of the token which asks',
    scope,
    run: async (request, edge) => ok(await shown(request, edge, await thisOne(request, edge))),
  }),
  endpoint({
    name: 'oauth-authorizations.update',
    http: { method: 'PATCH', path: '/oauth/authorizations/:authorization' },
    summary: 'Describe an authorization anew, or say that it is for an OAuth client',
    scope,
    body: is.obj({
      description: is.opt(is.str),
      client: is.opt(is.orNull(is.obj({ id: is.str, secret: is.str }))),
    }),
    async run(request, edge) {
      const found = await thisOne(request, edge)
      const { client, description } = request.body
      const clientId = client == null ? undefined : await provenId(edge, client)
      const next = await edge.accounts.authorizations.change(found, {
        description: describing(description ?? found.description),
        ...(clientId !== undefined && { clientId }),
      })
      if (next === undefined) throw notFound(resource)
      return ok(await shown(request, edge, next))
    },
  }),
  endpoint({
    name: 'oauth-authorizations.delete',
    http: { method: 'DELETE', path: '/oauth/authorizations/:authorization' },
    summary: 'End an authorization: its token opens nothing any more',
    scope,
    async run(request, edge) {
      const found = await thisOne(request, edge)
      await edge.accounts.authorizations.revoke(found)
      return ok(await shown(request, edge, found))
    },
  }),
  endpoint({
    name: 'oauth-authorizations.regenerate-tokens',
    http: { method: 'POST', path: '/oauth/authorizations/:authorization/actions/regenerate-tokens' },
    summary: 'Another token in the place of the one there is, which opens nothing any more',
    scope,
    async run(request, edge) {
      const found = await thisOne(request, edge)
      if (found.clientId !== undefined && found.tokenSum === '')
        throw invalid('This authorization has no token: its client gets one by its grant.')
      const again = await edge.accounts.authorizations.regenerate(found)
      if (again === undefined) throw notFound(resource)
      return ok(await shown(request, edge, again.authorization, again))
    },
  }),
  endpoint({
    name: 'oauth-sessions.list',
    http: { method: 'GET', path: '/oauth/sessions' },
    summary: 'Sessions of browsers: there are none, tokens alone open this platform',
    scope,
    run: () => ok([]),
  }),
  endpoint({
    name: 'oauth-sessions.delete',
    http: { method: 'DELETE', path: '/oauth/sessions/:session' },
    summary: 'End a session of a browser: there are none',
    scope,
    run: () => {
      throw notFound('session')
    },
  }),
]

const shown = async (
  { caller: { user } }: Request,
  { accounts, now }: Edge,
  one: Authorization,
  told?: { readonly token?: string; readonly code?: string },
): Promise<object> => {
  const client = one.clientId === undefined ? undefined : await accounts.clients.find(one.clientId)
  return authorizationBody(one, { user, client }, now(), told)
}

const whichIn = (client: string | { readonly id: string }): string =>
  typeof client === 'string' ? client : client.id

const provenId = async (
  edge: Edge,
  { id, secret }: { readonly id: string; readonly secret: string },
): Promise<string> => {
  const client = await clientOf(edge, id)
  if (!isSecretOf(client, secret))
    throw new ApiError('unauthorized', 'That is not the secret of this client.')
  return client.id
}

const thisOne = async (
  { params, caller }: Request<{ readonly authorization: string }>,
  edge: Edge,
): Promise<Authorization> => {
  const id = params.authorization === '~' ? caller.authorizationId : params.authorization
  const isId = id !== null && uuid.test(id)
  const found = isId ? await edge.accounts.authorizations.find(caller.user.id, id) : undefined
  if (found === undefined) throw notFound(resource)
  return found
}

const describing = (text: string | null | undefined): string => {
  const description = text ?? ''
  if (description.length > descriptionCharsMax)
    throw invalid(`Description is too long (maximum is ${descriptionCharsMax} characters)`)
  return description
}

const scopesIn = (wanted: readonly string[] | null | undefined): readonly Scope[] => {
  if (wanted == null || wanted.length === 0) return ['global']
  const isKnown = (text: string): text is Scope => known.some((one) => one === text)
  const other = wanted.find((text) => !isKnown(text))
  if (other !== undefined)
    throw invalid(`Invalid scope: ${JSON.stringify(other.slice(0, 100))} (allowed: ${known.join(', ')})`)
  return [...new Set(wanted.filter(isKnown))]
}

/** The stock CLI sends seconds as text. */
const expiry = (wanted: string | number | null | undefined, now: number): number | null => {
  if (wanted == null || wanted === '') return null
  const seconds =
    typeof wanted === 'number' ? wanted : /^\d{1,12}$/.test(wanted) ? Number(wanted) : Number.NaN
  if (!(seconds >= 1 && seconds <= expiresInMax))
    throw invalid(`Invalid expires_in: it must be from 1 to ${expiresInMax} seconds.`)
  return now + seconds * 1000
}
