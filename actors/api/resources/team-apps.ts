/** Apps of teams: made, listed, locked, and moved to a team or to one of its members. */
import { is, ref } from '../../../src/runtime/index.ts'
import { App, type AppView, type Grant } from '../../protocols/app.ts'
import type { Who } from '../../protocols/shapes.ts'
import { Team, type TeamView } from '../../protocols/team.ts'
import {
  collaboratorMay,
  collaboratorsOf,
  memberOf,
  needInTeam,
  permissions,
  type SeenApp,
} from '../access.ts'
import { addressOf, type User } from '../accounts/users.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { ApiError, invalid, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { list, pageOf, rangeOf } from '../range.ts'
import { teamAppBody } from '../shapes/app.ts'
import { isManager, managerOf, teamNamed } from '../shapes/team.ts'
import { thisApp } from './app-of.ts'
import { infos, newApp, type Whose } from './apps.ts'
import { flagsShape } from './feature-flags.ts'
import { userNamed } from './collaborators.ts'
import { findTeam, seen, teamOf } from './team-of.ts'

const resource = 'team'
const onlyOfTeams = 'Only an app of a team can be locked.'

export const teamApps = [
  endpoint({
    name: 'team-apps.create',
    http: { method: 'POST', path: '/teams/apps' },
    summary: 'Create an app for a team; without a team it is the account’s own',
    body: is.obj({
      team: is.opt(is.orNull(is.str)),
      name: is.opt(is.str),
      region: is.opt(is.json),
      stack: is.opt(is.json),
      locked: is.opt(is.bool),
      personal: is.opt(is.bool),
      space: is.opt(is.orNull(is.str)),
      internal_routing: is.opt(is.orNull(is.bool)),
      feature_flags: flagsShape,
    }),
    again: true,
    async run(request, edge) {
      const { team: which, locked, personal, space, internal_routing: isInternal, ...wanted } = request.body
      if (space != null) throw notFound('space')
      if (isInternal === true) throw invalid('Apps that are reached from within alone are not offered here.')
      const isOwn = which == null || personal === true
      const team = isOwn ? undefined : await teamOf(request, edge, which, 'use')
      if (team === undefined && locked === true) throw invalid(onlyOfTeams)
      const whose = team && ((appId: string) => comingTo(request, team, appId, locked ?? false))
      const app = await seen(await newApp(request, edge, wanted, whose), edge)
      return created(teamAppBody(app, request.caller.user, edge.settings))
    },
  }),
  endpoint({
    name: 'team-apps.list',
    http: { method: 'GET', path: '/teams/:team/apps' },
    summary: 'Apps of a team that the caller may see',
    async run(request, edge) {
      const team = await teamOf(request, edge, request.params.team, 'see')
      const orders = ['name', 'id'] as const
      const range = rangeOf(request.range, orders)
      const found = await edge.lists.read(team.id, range.by, { ...range, max: range.max + 1 })
      const page = pageOf(found, range, orders, (app) => app[range.by])
      const apps = await infos(request, edge, page.items)
      return list(
        page,
        apps.map((app) => teamAppBody(app, request.caller.user, edge.settings)),
      )
    },
  }),
  endpoint({
    name: 'team-apps.info',
    http: { method: 'GET', path: '/teams/apps/:app' },
    summary: 'One app, with whether it is locked, and joined',
    async run(request, edge) {
      return ok(teamAppBody(await thisApp(request, edge), request.caller.user, edge.settings))
    },
  }),
  endpoint({
    name: 'team-apps.update',
    http: { method: 'PATCH', path: '/teams/apps/:app' },
    summary: 'Lock or unlock an app of a team, or move an app to a team, or to one of its members',
    needs: 'manage',
    body: is.obj({ owner: is.opt(is.str), locked: is.opt(is.bool) }),
    async run(request, edge) {
      let app = await thisApp(request, edge)
      const { owner, locked } = request.body
      if (owner === undefined && locked === undefined) throw invalid('Require params: owner or locked.')
      if (owner !== undefined)
        app = await seen(await moved(request, edge, app, { owner, locked: locked === true }), edge)
      if (locked !== undefined)
        app = await seen(await request.ask(ref(App, app.id), { type: 'lock', isLocked: locked }), edge)
      return ok(teamAppBody(app, request.caller.user, edge.settings))
    },
  }),
]

/** The team knows of it before it is: it is not destroyed meanwhile. Who makes it may do anything there. */
const comingTo = async (
  request: Request,
  { id }: TeamView,
  appId: string,
  isLocked: boolean,
): Promise<Whose> => {
  const team = await request.ask(ref(Team, id), { type: 'admit', appId, users: [] }, { resource })
  const [grant] = grantsOf(team, [{ user: request.who, may: permissions }])
  return { owner: managerOf(team), team: { id, isLocked }, ...(grant && { grant }) }
}

type Wanted = { readonly user: Who; readonly may: Grant['permissions'] | typeof permissions }

/** Of those who are of the team. */
const grantsOf = (team: TeamView, wanted: readonly Wanted[]): Grant[] =>
  wanted.flatMap(({ user, may }) => {
    const member = memberOf(team, user)
    return member === undefined ? [] : [{ user: member.user, permissions: [...may], membership: member.id }]
  })

const moved = async (
  request: Request,
  edge: Edge,
  app: SeenApp,
  { owner, locked }: { readonly owner: string; readonly locked: boolean },
): Promise<AppView> => {
  const to = await recipientOf(request, edge, owner)
  // Before it is moved: all of it is refused, or none.
  if (locked && !('members' in to)) throw invalid(onlyOfTeams)
  if ([app.team?.id ?? app.owner.id].includes(to.id)) throw invalid(`${owner} owns ${app.name} already.`)
  return 'members' in to ? toTeam(request, app, to) : toUser(request, app, to)
}

const recipientOf = async (request: Request, edge: Edge, owner: string): Promise<TeamView | User> => {
  if (owner === '~') return request.caller.user
  const team =
    addressOf(owner) === undefined || isManager(owner) ? await findTeam(edge, teamNamed(owner)) : undefined
  if (team !== undefined) return team
  if (addressOf(owner) === undefined && !uuid.test(owner)) throw notFound('team')
  return userNamed(owner, edge)
}

/** Those who may use it go on with it; who owned it, and who brings it, may do anything there. */
const toTeam = async (request: Request, app: SeenApp, to: TeamView): Promise<AppView> => {
  needInTeam(to, request.caller, 'use')
  const isOwn = app.team == null
  const former: Wanted[] = isOwn ? [{ user: app.owner, may: permissions }] : []
  const others = isOwn ? collaboratorsOf(app).map(({ user }) => ({ user, may: collaboratorMay })) : []
  const users = [...former, ...others].map(({ user: { id, email } }) => ({ id, email }))
  const team = await request.ask(ref(Team, to.id), { type: 'admit', appId: app.id, users }, { resource })
  const mover = former.some(({ user }) => user.id === request.who.id)
    ? []
    : [{ user: request.who, may: permissions }]
  const rest = others.filter(({ user }) => user.id !== request.who.id)
  return request.ask(ref(App, app.id), {
    type: 'move',
    from: app.owner.id,
    owner: managerOf(team),
    team: { id: to.id, isLocked: false },
    grants: grantsOf(team, [...former, ...mover, ...rest]),
  })
}

/** As the stock CLI says: nobody else may use it from then on. */
const toUser = (request: Request, app: SeenApp, { id, email }: User): Promise<AppView> => {
  if (app.team == null)
    throw invalid(`No team owns ${app.name}: offer it to ${email} (POST /account/app-transfers).`)
  const isMember = app.owners !== undefined && memberOf(app.owners, { id }) !== undefined
  if (!isMember && request.caller.user.operator !== true)
    throw new ApiError('forbidden', `${email} is not a member of the team ${teamNamed(app.owner.email)}.`)
  return request.ask(ref(App, app.id), {
    type: 'move',
    from: app.owner.id,
    owner: { id, email },
    team: null,
    grants: [],
  })
}
