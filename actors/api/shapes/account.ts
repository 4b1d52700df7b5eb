/** Accounts, as the Platform API shows them. */
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
