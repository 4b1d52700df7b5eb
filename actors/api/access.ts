/**
 * Access: what a caller may do, by the scopes of its token and by its permissions at an app or a team. Pure.
 *
 * Scopes are Heroku's (OAuth), so are the permissions at an app. Collaborators of an app that a person owns
 * may do everything but manage it; those of a team's app what they were given, beside what their role in the
 * team lets them do at all of its apps.
 */
import type { AppView, Collaborator, Permission } from '../protocols/app.ts'
import type { Member, TeamRole, TeamView } from '../protocols/team.ts'
import type { User } from './accounts/users.ts'
import { ApiError } from './errors.ts'

export const permissions: readonly Permission[] = ['view', 'deploy', 'operate', 'manage']

export const scopes = ['global', 'identity', 'read', 'write', 'read-protected', 'write-protected'] as const
export type Scope = (typeof scopes)[number]

/** Who calls, and what for the token is good. */
export type Caller = {
  readonly user: User
  readonly scopes: readonly Scope[]
  /** Of the authorization whose token was shown; none: the operator's own. */
  readonly authorizationId: string | null
}

/** Protected is what holds secrets: config vars, one-off dynos, headers of drains. */
const covers: Readonly<Record<Scope, readonly Scope[]>> = {
  global: scopes,
  identity: ['identity'],
  read: ['read'],
  write: ['read', 'write'],
  'read-protected': ['read', 'read-protected'],
  'write-protected': ['read', 'write', 'read-protected', 'write-protected'],
}

export const hasScope = ({ scopes: held }: Caller, needed: Scope): boolean =>
  held.some((scope) => covers[scope].includes(needed))

/** @throws ApiError `forbidden` */
export const needScope = (caller: Caller, needed: Scope): void => {
  if (hasScope(caller, needed)) return
  throw new ApiError('forbidden', `This token cannot do that: its scope must include ${needed}.`)
}

/** @throws ApiError `forbidden` */
export const needOperator = ({ user }: Caller): void => {
  if (!user.operator) throw new ApiError('forbidden', 'Only an operator of this platform may do this.')
}

export const collaboratorMay: readonly Permission[] = ['view', 'deploy', 'operate']

/** An app, and the team that owns it if one does: both as they are now. */
export type SeenApp = AppView & { readonly owners?: TeamView | undefined }

export const roleMay: Readonly<Record<TeamRole, readonly Permission[]>> = {
  admin: permissions,
  member: ['view'],
  viewer: ['view'],
  collaborator: [],
}

export const memberOf = (team: TeamView | undefined, { id }: Pick<User, 'id'>): Member | undefined =>
  team?.members.find(({ user }) => user.id === id)

/** Those who may use it still: at an app of a team, what was given to a member ended with the membership. */
export const collaboratorsOf = ({ team, owners, collaborators = [] }: SeenApp): readonly Collaborator[] =>
  team == null
    ? collaborators
    : collaborators.filter(({ user, membership }) => {
        const member = memberOf(owners, user)
        return member !== undefined && member.id === membership
      })

/** Operators run the machines that hold everything, so nothing is closed to them. */
export const permissionsAt = (app: SeenApp, user: Pick<User, 'id' | 'operator'>): readonly Permission[] => {
  if (user.operator) return permissions
  const found = collaboratorsOf(app).find((one) => one.user.id === user.id)
  if (app.team != null) {
    const role = memberOf(app.owners, user)?.role
    const held = [...(role === undefined ? [] : roleMay[role]), ...(found?.permissions ?? [])]
    return permissions.filter((one) => held.includes(one))
  }
  if (app.owner.id === user.id) return permissions
  return found === undefined ? [] : collaboratorMay
}

/** Ids of those who may look at it, but for operators. */
export const viewersOf = (app: SeenApp): readonly string[] => {
  const members = app.team == null ? [app.owner] : (app.owners?.members ?? []).map(({ user }) => user)
  const all = [...members, ...collaboratorsOf(app).map(({ user }) => user)].map(({ id }) => id)
  return [...new Set(all)].filter((id) => permissionsAt(app, { id }).includes('view'))
}

/** @throws ApiError `forbidden` */
export const needPermission = (app: SeenApp, { user }: Caller, needed: Permission): void => {
  const held = permissionsAt(app, user)
  if (held.includes(needed)) return
  throw new ApiError(
    'forbidden',
    held.length === 0
      ? `You do not have access to the app ${app.name}.`
      : `You do not have the ${needed} permission on the app ${app.name}.`,
  )
}

/** Members make apps and pipelines of their team; what it is and who is in it, admins alone change. */
const teamPermissions = {
  see: ['admin', 'member', 'viewer', 'collaborator'],
  use: ['admin', 'member'],
  manage: ['admin'],
}
export type TeamPermission = keyof typeof teamPermissions

export const mayInTeam = (team: TeamView, user: User, needed: TeamPermission): boolean => {
  const role = memberOf(team, user)?.role
  return user.operator === true || (role !== undefined && teamPermissions[needed].includes(role))
}

/** @throws ApiError `forbidden` */
export const needInTeam = (team: TeamView, { user }: Caller, needed: TeamPermission): void => {
  if (mayInTeam(team, user, needed)) return
  throw new ApiError(
    'forbidden',
    mayInTeam(team, user, 'see')
      ? `Your role in the team ${team.name} does not allow this.`
      : `You do not have access to the team ${team.name}.`,
  )
}
