/** Accounts and what opens them, as the Platform API shows them. */
import type { Authorization } from '../accounts/authorizations.ts'
import type { User } from '../accounts/users.ts'
import { timeOrNull, timeText } from './common.ts'

export const accountBody = (user: User): object => ({
  allow_tracking: false,
  beta: false,
  country_of_residence: null,
  created_at: timeText(user.createdAt),
  default_organization: null,
  default_team: null,
  delinquent_at: null,
  email: user.email,
  federated: false,
  id: user.id,
  identity_provider: null,
  last_login: null,
  name: user.name ?? null,
  sms_number: null,
  suspended_at: timeOrNull(user.suspendedAt ?? null),
  two_factor_authentication: false,
  updated_at: timeText(user.updatedAt),
  verified: true,
})

/**
 * @param token when it has just been made; else its ends, which is what is known of it
 * @param now wall clock
 */
export const authorizationBody = (one: Authorization, user: User, now: number, token?: string): object => ({
  access_token: {
    expires_in: one.expiresAt === null ? null : Math.max(0, Math.floor((one.expiresAt - now) / 1000)),
    id: one.tokenId,
    token: token ?? one.shown,
  },
  client: null,
  created_at: timeText(one.createdAt),
  description: one.description,
  grant: null,
  id: one.id,
  refresh_token: null,
  scope: one.scopes,
  session: null,
  updated_at: timeText(one.updatedAt),
  user: { email: user.email, full_name: user.name ?? null, id: user.id },
})
