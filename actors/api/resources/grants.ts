/** What users are given at apps of teams: by who manages the app, or by themselves when they join it. */
import { ref } from '../../../src/runtime/index.ts'
import { App, type Collaborator, type Permission } from '../../protocols/app.ts'
import { Team, type TeamView } from '../../protocols/team.ts'
import {
  collaboratorMay,
  collaboratorsOf,
  mayInTeam,
  memberOf,
  needPermission,
  permissions as known,
  permissionsAt,
  type SeenApp,
} from '../access.ts'
import type { User } from '../accounts/users.ts'
import type { Request } from '../endpoint.ts'
import { ApiError, invalid } from '../errors.ts'

/** Whoever may anything may look. @throws ApiError `invalid_params` */
export const permissionsIn = (wanted: readonly string[] | null | undefined): readonly Permission[] => {
  if (wanted == null) return collaboratorMay
  const other = wanted.find((text) => !known.some((one) => one === text))
  if (other !== undefined)
    throw invalid(`Invalid permission: ${JSON.stringify(other.slice(0, 100))} (allowed: ${known.join(', ')})`)
  return known.filter((one) => one === 'view' || wanted.includes(one))
}

type OfTeam = SeenApp & { readonly owners: TeamView }
export const isOfTeam = (app: SeenApp): app is OfTeam => app.owners !== undefined

/** Whoever is no member of the team yet becomes a collaborator of it. */
export const grantAccess = async (
  request: Request,
  app: OfTeam,
  user: User,
  wanted?: readonly string[] | null,
): Promise<Collaborator> => {
  const { owners: team } = app
  const joins = user.id === request.who.id && !permissionsAt(app, user).includes('manage')
  if (joins) needJoin(app, user)
  else needPermission(app, request.caller, 'manage')
  if (collaboratorsOf(app).some((one) => one.user.id === user.id))
    throw invalid(`${user.email} is already a collaborator on this app.`)
  const held = joins ? collaboratorMay : permissionsIn(wanted)
  const whom = { id: user.id, email: user.email }
  const membership = memberOf(team, user)?.id ?? (await admitted(request, team, app.id, whom))
  const grant = { user: whom, permissions: [...held], membership }
  return request.ask(ref(App, app.id), { type: 'grant', teamId: team.id, grant })
}

const needJoin = (app: OfTeam, user: User): void => {
  if (!mayInTeam(app.owners, user, 'use')) needPermission(app, { user } as Request['caller'], 'manage')
  if (app.team?.isLocked === true)
    throw new ApiError('forbidden', `The app ${app.name} is locked: ask who manages it for access.`)
}

const admitted = async (
  request: Request,
  { id }: TeamView,
  appId: string,
  user: { readonly id: string; readonly email: string },
): Promise<string> => {
  const team = await request.ask(ref(Team, id), { type: 'admit', appId, users: [user] }, { resource: 'team' })
  return memberOf(team, user)?.id ?? ''
}
