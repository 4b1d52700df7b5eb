/** Who may use an app, as the Platform API shows them. */
import type { AppView, Collaborator, Permission } from '../../protocols/app.ts'
import type { TeamRole } from '../../protocols/team.ts'
import { collaboratorMay, permissions } from '../access.ts'
import { idFor, named, timeText, type Named } from './common.ts'

export const says = (held: readonly Permission[]): object[] =>
  held.map((name) => ({ name, description: `Can ${name} the app` }))

/** @param role at an app of a team: theirs in the team */
export const collaboratorBody = (
  app: Named,
  { id, user, permissions: given, createdAt, updatedAt }: Collaborator,
  role: TeamRole = 'collaborator',
): object => ({
  app: named(app),
  created_at: timeText(createdAt),
  id,
  permissions: says(given ?? collaboratorMay),
  role,
  updated_at: timeText(updatedAt),
  user: { email: user.email, federated: false, id: user.id },
})

export const ownerId = ({ id, owner }: AppView): string => idFor('collaborator', id, owner.id)

/** The owner is in the list, as on Heroku. */
export const ownerBody = (app: AppView): object => ({
  app: named(app),
  created_at: timeText(app.createdAt),
  id: ownerId(app),
  permissions: says(permissions),
  role: 'owner',
  updated_at: timeText(app.createdAt),
  user: { email: app.owner.email, federated: false, id: app.owner.id },
})
