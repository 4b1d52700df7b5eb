/** OAuth clients and what they are given, as the Platform API shows them. */
import type { Authorization } from '../accounts/authorizations.ts'
import type { Client } from '../accounts/clients.ts'
import type { User } from '../accounts/users.ts'
import { idFor, timeText } from './common.ts'

/** @param secret when it has just been made; else its ends, or nothing for others than whose it is */
export const clientBody = (one: Client, secret: string | undefined): object => ({
  created_at: timeText(one.createdAt),
  id: one.id,
  ignores_delinquent: null,
  name: one.name,
  redirect_uri: one.redirectUri,
  ...(secret !== undefined && { secret }),
  updated_at: timeText(one.updatedAt),
})

const secondsTo = (at: number, now: number): number => Math.max(0, Math.floor((at - now) / 1000))
const lifeOf = ({ expiresAt }: Authorization, now: number): number | null =>
  expiresAt === null ? null : secondsTo(expiresAt, now)

/** What has just been made; of everything else the ends are known. */
type Told = { readonly token?: string; readonly code?: string }

/**
 * @param client that it was given to, as it is now
 * @param now wall clock
 */
export const authorizationBody = (
  one: Authorization,
  { user, client }: { readonly user: User; readonly client?: Client | undefined },
  now: number,
  { token, code }: Told = {},
): object => ({
  access_token:
    one.tokenSum === '' ? null : { expires_in: lifeOf(one, now), id: one.tokenId, token: token ?? one.shown },
  client:
    client === undefined ? null : { id: client.id, name: client.name, redirect_uri: client.redirectUri },
  created_at: timeText(one.createdAt),
  description: one.description,
  grant:
    one.grant == null
      ? null
      : { code: code ?? one.grant.shown, expires_in: secondsTo(one.grant.expiresAt, now), id: one.grant.id },
  id: one.id,
  refresh_token:
    one.refresh == null ? null : { expires_in: null, id: one.refresh.id, token: one.refresh.shown },
  scope: one.scopes,
  session: null,
  updated_at: timeText(one.updatedAt),
  user: { email: user.email, full_name: user.name ?? null, id: user.id },
})

/** @param given when they have just been got */
export const tokenBody = (
  one: Authorization,
  now: number,
  given?: { readonly type: string; readonly token: string; readonly refreshToken: string },
): object => ({
  access_token: { expires_in: lifeOf(one, now), id: one.tokenId, token: given?.token ?? one.shown },
  authorization: { id: one.id },
  client: null,
  created_at: timeText(one.createdAt),
  grant: { code: '', type: given?.type ?? '' },
  id: one.tokenId,
  ...(one.refresh != null && {
    refresh_token: {
      expires_in: null,
      id: one.refresh.id,
      token: given?.refreshToken ?? one.refresh.shown,
    },
  }),
  // Heroku's schema has one always.
  session: { id: idFor('oauth_session', one.id) },
  updated_at: timeText(one.updatedAt),
  user: { id: one.userId },
})
