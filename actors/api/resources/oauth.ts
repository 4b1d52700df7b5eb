/**
 * Authorizations: tokens of an account, each with what it is good for and until when. A token is told once,
 * when it is made; from then on only its ends.
 */
import { is } from '../../../src/runtime/index.ts'
import { scopes as known, type Scope } from '../access.ts'
import type { Authorization } from '../accounts/authorizations.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { cut, list } from '../range.ts'
import { authorizationBody } from '../shapes/account.ts'
import { timeText } from '../shapes/common.ts'

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
      return list(
        page,
        page.items.map((one) => shown(request, edge, one)),
      )
    },
  }),
  endpoint({
    name: 'oauth-authorizations.create',
    http: { method: 'POST', path: '/oauth/authorizations' },
    summary: 'A new token, by a token of scope global or by e-mail address and password',
    scope,
    open: 'password',
    body: is.obj({
      description: is.opt(is.orNull(is.str)),
      expires_in: is.opt(is.orNull(is.union(is.str, is.int))),
      scope: is.opt(is.orNull(is.arr(is.str))),
      client: is.opt(is.orNull(is.json)),
    }),
    async run(request, edge) {
      const { body, who } = request
      if (body.client != null) throw invalid('OAuth clients are not offered here: leave client out.')
      const wanted = {
        description: describing(body.description),
        scopes: scopesIn(body.scope),
        expiresAt: expiry(body.expires_in, edge.now()),
      }
      if ((await edge.accounts.authorizations.list(who.id)).length >= authorizationsMax)
        throw invalid(`An account cannot have more than ${authorizationsMax} authorizations.`)
      const { authorization, token } = await edge.accounts.authorizations.grant(who.id, wanted)
      return created(shown(request, edge, authorization, token))
    },
  }),
  endpoint({
    name: 'oauth-authorizations.info',
    http: { method: 'GET', path: '/oauth/authorizations/:authorization' },
    summary: 'One authorization; ~ is that of the token which asks',
    scope,
    run: async (request, edge) => ok(shown(request, edge, await thisOne(request, edge))),
  }),
  endpoint({
    name: 'oauth-authorizations.update',
    http: { method: 'PATCH', path: '/oauth/authorizations/:authorization' },
    summary: 'Describe an authorization anew',
    scope,
    body: is.obj({ description: is.opt(is.str) }),
    async run(request, edge) {
      const found = await thisOne(request, edge)
      const description = describing(request.body.description ?? found.description)
      const { userId, id } = found
      const next = await edge.accounts.authorizations.describe(userId, id, description)
      if (next === undefined) throw notFound(resource)
      return ok(shown(request, edge, next))
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
      return ok(shown(request, edge, found))
    },
  }),
  endpoint({
    name: 'oauth-authorizations.regenerate-tokens',
    http: { method: 'POST', path: '/oauth/authorizations/:authorization/actions/regenerate-tokens' },
    summary: 'Another token in the place of the one there is, which opens nothing any more',
    scope,
    async run(request, edge) {
      const { authorization, token } = await edge.accounts.authorizations.regenerate(
        await thisOne(request, edge),
      )
      return ok(shown(request, edge, authorization, token))
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

const shown = (request: Request, edge: Edge, one: Authorization, token?: string): object =>
  authorizationBody(one, request.caller.user, edge.now(), token)

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
