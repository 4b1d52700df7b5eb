/** Teams and who is in them, as the Platform API shows them. */
import type { Member, TeamView } from '../../protocols/team.ts'
import type { User } from '../accounts/users.ts'
import { memberOf } from '../access.ts'
import type { FeatureBody } from './feature.ts'
import { idFor, timeText } from './common.ts'

/** Of Heroku, by which clients know it: how the owner of a team's app is written. */
const managerDomain = '@herokumanager.com'
export const managerOf = ({ id, name }: Pick<TeamView, 'id' | 'name'>): { id: string; email: string } => ({
  id,
  email: `${name}${managerDomain}`,
})
export const isManager = (email: string): boolean => email.endsWith(managerDomain)
export const teamNamed = (email: string): string =>
  isManager(email) ? email.slice(0, -managerDomain.length) : email

/** @param user who asks, for the role in it */
export const teamBody = (team: TeamView, user: User): object => ({
  created_at: timeText(team.createdAt),
  credit_card_collections: false,
  default: false,
  enterprise_account: null,
  id: team.id,
  identity_provider: null,
  membership_limit: null,
  name: team.name,
  provisioned_licenses: false,
  role: memberOf(team, user)?.role ?? null,
  type: 'team',
  updated_at: timeText(team.updatedAt),
})

/** @param name of the account; its own record may be gone */
export const memberBody = (
  { id, user, role, createdAt, updatedAt }: Member,
  name: string | null,
): object => ({
  created_at: timeText(createdAt),
  email: user.email,
  federated: false,
  id,
  identity_provider: null,
  role,
  two_factor_authentication: false,
  updated_at: timeText(updatedAt),
  user: { email: user.email, id: user.id, name },
})

/** By its name the stock CLI knows that permissions can be given one by one. */
export const accessControls = (team: TeamView): FeatureBody => ({
  created_at: timeText(team.createdAt),
  description: 'Permissions of collaborators are given for each app.',
  display_name: 'App permissions',
  doc_url: 'https://devcenter.heroku.com/articles/app-permissions',
  enabled: true,
  feedback_email: managerOf(team).email,
  id: idFor('team_feature', team.id, 'org-access-controls'),
  name: 'org-access-controls',
  state: 'general',
  updated_at: timeText(team.createdAt),
})
