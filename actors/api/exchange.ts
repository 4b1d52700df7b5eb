/** What an OAuth client shows to get tokens: a code or a refresh token, and its own secret. */
import { checker, is } from '../../src/runtime/index.ts'
import type { GrantType } from './accounts/authorizations.ts'
import { invalid } from './errors.ts'

export const exchangeShape = is.obj({
  grant: is.obj({ type: is.oneOf('authorization_code', 'refresh_token'), code: is.opt(is.orNull(is.str)) }),
  client: is.obj({ secret: is.str }),
  refresh_token: is.opt(is.orNull(is.obj({ token: is.opt(is.orNull(is.str)) }))),
})

const check = checker(exchangeShape)
type Body = {
  readonly grant: { readonly type: GrantType; readonly code?: string | null }
  readonly client: { readonly secret: string }
  readonly refresh_token?: { readonly token?: string | null } | null
}

/** @throws ApiError `invalid_params` */
export const exchangeIn = (
  body: unknown,
): { readonly type: GrantType; readonly secret: string; readonly clientSecret: string } => {
  if (check(body) !== undefined) throw invalid('Require params: grant.type, client.secret.')
  const { grant, client, refresh_token: refresh } = body as Body
  const secret = grant.type === 'refresh_token' ? refresh?.token : grant.code
  if (secret == null || secret === '')
    throw invalid(`Require params: ${grant.type === 'refresh_token' ? 'refresh_token.token' : 'grant.code'}.`)
  return { type: grant.type, secret, clientSecret: client.secret }
}
