/** Teams: made, listed, renamed, destroyed. Who is in them: team-members.ts; their apps: team-apps.ts. */
import { heroku } from '../../../config/heroku.ts'
import { is, ref } from '../../../src/runtime/index.ts'
import { Team } from '../../protocols/team.ts'
import { permissions } from '../access.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { cut, listOf } from '../range.ts'
import { says } from '../shapes/collaborator.ts'
import { accessControls, teamBody } from '../shapes/team.ts'
import { checkTeamName, findTeam, ownTeams, teamOf } from './team-of.ts'

const resource = 'team'

export const teams = [
  endpoint({
    name: 'teams.list',
    http: { method: 'GET', path: '/teams' },
    summary: 'Teams of the account',
    async run(request, edge) {
      const all = (await ownTeams(request, edge)).map(({ team }) => team)
      const page = cut(all, request.range, { name: ({ name }) => name, id: ({ id }) => id })
      return listOf(page, (team) => teamBody(team, request.caller.user))
    },
  }),
  endpoint({
    name: 'teams.create',
    http: { method: 'POST', path: '/teams' },
    summary: 'Create a team; the account is its first admin',
    body: is.obj({ name: is.str }),
    again: true,
    async run(request, edge) {
      const name = checkTeamName(request.body.name)
      const id = request.newId()
      const others = (await ownTeams(request, edge)).filter(({ team }) => team.id !== id)
      if (others.length >= heroku.teamsMax)
        throw invalid(`An account cannot be in more than ${heroku.teamsMax} teams.`)
      // Asking the index first keeps refused names from activating an actor; the claim decides.
      const holder = await findTeam(edge, name)
      if (holder !== undefined && holder.id !== id) throw invalid(`Name ${name} is already taken`)
      const create = { type: 'create', name, owner: request.who } as const
      const team = await request.ask(ref(Team, id), create, { resource })
      return created(teamBody(team, request.caller.user))
    },
  }),
  endpoint({
    name: 'teams.permissions',
    http: { method: 'GET', path: '/teams/permissions' },
    summary: 'What can be given to collaborators of apps of teams',
    run: () => ok(says(permissions)),
  }),
  endpoint({
    name: 'teams.info',
    http: { method: 'GET', path: '/teams/:team' },
    summary: 'One team, by name or id',
    async run(request, edge) {
      return ok(teamBody(await teamOf(request, edge, request.params.team, 'see'), request.caller.user))
    },
  }),
  endpoint({
    name: 'teams.update',
    http: { method: 'PATCH', path: '/teams/:team' },
    summary: 'Rename a team',
    body: is.obj({ name: is.opt(is.str), default: is.opt(is.bool) }),
    async run(request, edge) {
      const { name, default: isDefault } = request.body
      const team = await teamOf(request, edge, request.params.team, 'manage')
      if (isDefault === true) throw invalid('Default teams are not offered here: say -t with each command.')
      const rename = { type: 'rename', name: checkTeamName(name ?? team.name) } as const
      return ok(teamBody(await request.ask(ref(Team, team.id), rename, { resource }), request.caller.user))
    },
  }),
  endpoint({
    name: 'teams.delete',
    http: { method: 'DELETE', path: '/teams/:team' },
    summary: 'Destroy a team that has no apps',
    async run(request, edge) {
      const { id } = await teamOf(request, edge, request.params.team, 'manage')
      const last = await request.ask(ref(Team, id), { type: 'destroy' }, { resource })
      return ok(teamBody(last, request.caller.user))
    },
  }),
  endpoint({
    name: 'teams.features',
    http: { method: 'GET', path: '/teams/:team/features' },
    summary: 'Features of a team: permissions at each app',
    async run(request, edge) {
      return ok([await featureOf(request, edge)])
    },
  }),
  endpoint({
    name: 'teams.feature',
    http: { method: 'GET', path: '/teams/:team/features/:feature' },
    summary: 'One feature of a team',
    async run(request, edge) {
      const one = await featureOf(request, edge)
      if (![one.id, one.name].includes(request.params.feature)) throw notFound('team_feature')
      return ok(one)
    },
  }),
]

const featureOf = async (request: Request<{ readonly team: string }>, edge: Edge) =>
  accessControls(await teamOf(request, edge, request.params.team, 'see'))
