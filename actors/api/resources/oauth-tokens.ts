/** Tokens of OAuth clients: got for a code, renewed by a refresh token, ended. */
import { created, endpoint, ok } from '../endpoint.ts'
import { ApiError, notFound } from '../errors.ts'
import { exchangeIn, exchangeShape } from '../exchange.ts'
import { tokenBody } from '../shapes/oauth.ts'

const resource = 'oauth_token'

export const oauthTokens = [
  endpoint({
    name: 'oauth-tokens.create',
    http: { method: 'POST', path: '/oauth/tokens' },
    summary: 'Tokens for an OAuth client, by its secret and a code (once) or a refresh token',
    scope: 'global',
    open: 'exchange',
    body: exchangeShape,
    async run(request, edge) {
      const { type, secret } = exchangeIn(request.body)
      const { authorizations } = edge.accounts
      const id = request.caller.authorizationId ?? ''
      const found = await authorizations.find(request.who.id, id)
      const given = found && (await authorizations.exchange(found, type, secret))
      if (given === undefined)
        throw new ApiError('unauthorized', 'The grant is over: it was used before, or is too old.')
      return created(tokenBody(given.authorization, edge.now(), { type, ...given }))
    },
  }),
  endpoint({
    name: 'oauth-tokens.delete',
    http: { method: 'DELETE', path: '/oauth/tokens/:token' },
    summary: 'End an access token, by its id, or by that of a refresh token all that it was given with',
    scope: 'global',
    async run(request, edge) {
      const { authorizations } = edge.accounts
      const all = await authorizations.list(request.who.id)
      const { token } = request.params
      const found = all.find(
        ({ tokenId, tokenSum, refresh }) => (tokenSum !== '' && tokenId === token) || refresh?.id === token,
      )
      if (found === undefined) throw notFound(resource)
      const isAccess = found.tokenId === token && found.refresh != null
      await (isAccess ? authorizations.close(found) : authorizations.revoke(found))
      return ok(tokenBody(found, edge.now()))
    },
  }),
]
