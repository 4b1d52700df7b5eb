/** From what a path or a body says of a team (its name or its id) to the team, and from an app to its own. */
import { heroku } from '../../../config/heroku.ts'
import { wholeSpan } from '../../../src/ordered/pages.ts'
import { teamsOf } from '../../effects/access.ts'
import type { AppView } from '../../protocols/app.ts'
import type { Member, TeamView } from '../../protocols/team.ts'
import { memberOf, needInTeam, type SeenApp, type TeamPermission } from '../access.ts'
import type { Edge } from '../edge.ts'
import type { Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { managerOf } from '../shapes/team.ts'

const teamName = /^[a-z][a-z0-9-]{1,28}[a-z0-9]$/

export const checkTeamName = (name: string): string => {
  if (teamName.test(name)) return name
  throw invalid(
    'Name must start with a letter, end with a letter or digit, have 3 to 30 characters and can only ' +
      'contain lowercase letters, digits, and dashes.',
  )
}

/** Undefined: there is none of that name or id. */
export const findTeam = async (
  { teams }: Pick<Edge, 'teams'>,
  which: string,
): Promise<TeamView | undefined> => {
  const id = uuid.test(which) ? which : teamName.test(which) ? await teams.idOf(which) : undefined
  const found = id === undefined ? undefined : await teams.view(id)
  return found !== undefined && [found.id, found.name].includes(which) ? found : undefined
}

/** Throws Heroku's 404, and its 403 for whoever may not do that in it. */
export const teamOf = async (
  { caller }: Pick<Request, 'caller'>,
  edge: Edge,
  which: string,
  needed: TeamPermission,
): Promise<TeamView> => {
  const team = await findTeam(edge, which)
  if (team === undefined) throw notFound('team')
  needInTeam(team, caller, needed)
  return team
}

/** With the team that owns it, under the name that it has now. Without one that is gone nobody may use it. */
export const seen = async (app: AppView, { teams }: Pick<Edge, 'teams'>): Promise<SeenApp> => {
  if (app.team == null) return app
  const owners = await teams.view(app.team.id)
  return owners === undefined ? app : { ...app, owner: managerOf(owners), owners }
}

/** Teams that the caller is of, by name. */
export const ownTeams = async (
  { who }: Pick<Request, 'who'>,
  { lists, teams }: Pick<Edge, 'lists' | 'teams'>,
): Promise<readonly { readonly team: TeamView; readonly member: Member }[]> => {
  const listed = await lists.read(teamsOf(who.id), 'name', { ...wholeSpan, max: heroku.teamsMax })
  const found = await Promise.all(listed.map(({ id }) => teams.view(id)))
  return found.flatMap((team) => {
    // The list may be behind.
    const member = memberOf(team, who)
    return team === undefined || member === undefined ? [] : [{ team, member }]
  })
}
