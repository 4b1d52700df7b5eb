/**
 * Access: what a caller may do, by the scopes of its token and by its permissions at an app. Pure.
 *
 * Scopes are Heroku's (OAuth), so are the permissions at an app. Collaborators of an app that a person owns
 * may do everything but manage it; those of a team's app what they were given.
 */
import type { AppView } from '../protocols/app.ts'
import type { User } from './accounts/users.ts'
import { ApiError } from './errors.ts'

export const permissions = ['view', 'deploy', 'operate', 'manage'] as const
export type Permission = (typeof permissions)[number]

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

/** Operators run the machines that hold everything, so nothing is closed to them. */
export const permissionsAt = (app: AppView, user: User): readonly Permission[] => {
  if (user.operator || app.owner.id === user.id) return permissions
  const found = app.collaborators?.find((one) => one.user.id === user.id)
  return found === undefined ? [] : collaboratorMay
}

/** @throws ApiError `forbidden` */
export const needPermission = (app: AppView, { user }: Caller, needed: Permission): void => {
  const held = permissionsAt(app, user)
  if (held.includes(needed)) return
  throw new ApiError(
    'forbidden',
    held.length === 0
      ? `You do not have access to the app ${app.name}.`
      : `You do not have the ${needed} permission on the app ${app.name}.`,
  )
}
