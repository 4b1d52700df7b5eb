/** Who is in a team, and as what. */
import { heroku } from '../../../config/heroku.ts'
import { is, ref } from '../../../src/runtime/index.ts'
import { wholeSpan } from '../../../src/ordered/pages.ts'
import { sharedOf, teamsOf } from '../../effects/access.ts'
import { App } from '../../protocols/app.ts'
import type { Who } from '../../protocols/shapes.ts'
import { Team, teamRoles, type Member, type TeamRole, type TeamView } from '../../protocols/team.ts'
import { collaboratorsOf, memberOf, needInTeam } from '../access.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Method, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { cut, list, listOf } from '../range.ts'
import { teamAppBody } from '../shapes/app.ts'
import { memberBody } from '../shapes/team.ts'
import { infos } from './apps.ts'
import { userNamed } from './collaborators.ts'
import { teamOf } from './team-of.ts'

const resource = 'team_member'
/** Of one team, that a member is looked for in. */
const appsMax = 1_000

type MemberRequest = Request<{ readonly team: string; readonly member: string }>

const setting = (
  verb: 'create' | 'update' | 'set',
  method: Method,
  as: 'new' | 'known' | 'any',
  summary: string,
) =>
  endpoint({
    name: `team-members.${verb}`,
    http: { method, path: '/teams/:team/members' },
    summary,
    body: is.obj({ email: is.str, role: is.orNull(is.str), federated: is.opt(is.bool) }),
    async run(request, edge) {
      const { email, role } = request.body
      const team = await teamOf(request, edge, request.params.team, 'manage')
      const user = await userNamed(email, edge)
      const wanted = { user: { id: user.id, email: user.email }, role: roleIn(role), as }
      if (as !== 'known' && !(await hasRoom(edge, user.id)))
        throw invalid(`An account cannot be in more than ${heroku.teamsMax} teams.`)
      const member = await request.ask(ref(Team, team.id), { type: 'setMember', ...wanted }, { resource })
      const body = memberBody(member, user.name ?? null)
      return memberOf(team, user) === undefined ? created(body) : ok(body)
    },
  })

export const teamMembers = [
  endpoint({
    name: 'team-members.list',
    http: { method: 'GET', path: '/teams/:team/members' },
    summary: 'Members of a team',
    async run(request, edge) {
      const { members } = await teamOf(request, edge, request.params.team, 'see')
      const page = cut(members, request.range, { email: ({ user }) => user.email, id: ({ id }) => id })
      const bodies = page.items.map(async (one) => shown(one, edge))
      return list(page, await Promise.all(bodies))
    },
  }),
  setting('set', 'PUT', 'any', 'Add a user to a team, or give a member another role'),
  setting('create', 'POST', 'new', 'Add a user to a team'),
  setting('update', 'PATCH', 'known', 'Give a member of a team another role'),
  endpoint({
    name: 'team-members.delete',
    http: { method: 'DELETE', path: '/teams/:team/members/:member' },
    summary: 'Remove a user from a team and all of its apps; everybody may leave',
    async run(request, edge) {
      const [team, member] = await theirs(request, edge)
      if (member.user.id !== request.who.id) needInTeam(team, request.caller, 'manage')
      const remove = { type: 'removeMember', user: member.id } as const
      const gone = await request.ask(ref(Team, team.id), remove, { resource })
      await tidy(request, edge, team, gone)
      return ok(await shown(gone, edge))
    },
  }),
  endpoint({
    name: 'team-members.apps',
    http: { method: 'GET', path: '/teams/:team/members/:member/apps' },
    summary: 'Apps of a team that a member has joined',
    async run(request, edge) {
      const [team, member] = await theirs(request, edge)
      const apps = (await infos(request, edge, await sharedWith(edge, member.user))).filter(
        (app) =>
          app.team?.id === team.id && collaboratorsOf(app).some(({ user }) => user.id === member.user.id),
      )
      const page = cut(apps, request.range, { name: ({ name }) => name, id: ({ id }) => id })
      return listOf(page, (app) => teamAppBody(app, request.caller.user, edge.settings))
    },
  }),
]

const shown = async (member: Member, { accounts }: Edge): Promise<object> =>
  memberBody(member, (await accounts.users.find({ id: member.user.id }))?.name ?? null)

const theirs = async (request: MemberRequest, edge: Edge): Promise<readonly [TeamView, Member]> => {
  const { team: which, member: whom } = request.params
  const team = await teamOf(request, edge, which, 'see')
  const member = team.members.find(({ id, user }) => [id, user.id, user.email].includes(whom))
  if (member === undefined) throw notFound(resource)
  return [team, member]
}

const sharedWith = ({ lists }: Edge, { id }: Who) =>
  lists.read(sharedOf(id), 'id', { ...wholeSpan, max: appsMax })

const roleIn = (text: string | null): TeamRole => {
  const found = teamRoles.find((role) => role === text)
  if (found !== undefined) return found
  throw invalid(
    `Invalid role: ${JSON.stringify(text?.slice(0, 100) ?? null)} (allowed: ${teamRoles.join(', ')})`,
  )
}

const hasRoom = async ({ lists }: Edge, userId: string): Promise<boolean> =>
  (await lists.read(teamsOf(userId), 'id', { ...wholeSpan, max: heroku.teamsMax })).length < heroku.teamsMax

/** What they were given at its apps opens nothing any more; where this does not come to, it stays written. */
const tidy = async (
  request: MemberRequest,
  edge: Edge,
  team: TeamView,
  { id, user }: Member,
): Promise<void> => {
  try {
    for (const listed of await sharedWith(edge, user)) {
      const app = await edge.lists.view(listed.id)
      const over = app?.collaborators?.find(({ membership }) => membership === id)
      const remove = { type: 'removeCollaborator', user: over?.id ?? '' } as const
      if (over !== undefined) await request.ask(ref(App, listed.id), remove).catch(() => undefined)
    }
  } catch (error) {
    edge.log({ at: 'members_apps_not_tidied', team: team.id, reason: String(error) })
  }
}
