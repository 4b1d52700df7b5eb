/** Collaborators of apps of teams, each with permissions of its own. */
import { is, ref } from '../../../src/runtime/index.ts'
import { App } from '../../protocols/app.ts'
import type { SeenApp } from '../access.ts'
import { created, endpoint, ok } from '../endpoint.ts'
import { invalid } from '../errors.ts'
import { thisApp } from './app-of.ts'
import { bodyOf, listing, pick, removing, showing, userNamed } from './collaborators.ts'
import { grantAccess, isOfTeam, permissionsIn } from './grants.ts'

const userShape = is.union(is.str, is.obj({ id: is.opt(is.str), email: is.opt(is.str) }))

export const teamCollaborators = [
  endpoint({
    name: 'team-collaborators.list',
    http: { method: 'GET', path: '/teams/apps/:app/collaborators' },
    summary: 'Who may use an app of a team beside it: what each was given',
    run: (request, edge) => listing(request, edge),
  }),
  endpoint({
    name: 'team-collaborators.info',
    http: { method: 'GET', path: '/teams/apps/:app/collaborators/:collaborator' },
    summary: 'One collaborator of an app of a team',
    run: (request, edge) => showing(request, edge),
  }),
  endpoint({
    name: 'team-collaborators.create',
    http: { method: 'POST', path: '/teams/apps/:app/collaborators' },
    summary:
      'Give a user permissions at an app of a team; members join it so by themselves, unless it is locked',
    needs: 'view',
    body: is.obj({
      user: userShape,
      permissions: is.opt(is.orNull(is.arr(is.str))),
      silent: is.opt(is.orNull(is.bool)),
    }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      if (!isOfTeam(app)) throw notOfTeam(app)
      const { user, permissions } = request.body
      return created(bodyOf(app, await grantAccess(request, app, await userNamed(user, edge), permissions)))
    },
  }),
  endpoint({
    name: 'team-collaborators.update',
    http: { method: 'PATCH', path: '/teams/apps/:app/collaborators/:collaborator' },
    summary: 'Give a collaborator of an app of a team other permissions',
    needs: 'manage',
    body: is.obj({ permissions: is.arr(is.str) }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      if (!isOfTeam(app)) throw notOfTeam(app)
      const { user, membership = '' } = pick(app, request.params.collaborator)
      const grant = { user, permissions: [...permissionsIn(request.body.permissions)], membership }
      const changed = { type: 'grant', teamId: app.owners.id, grant } as const
      return ok(bodyOf(app, await request.ask(ref(App, app.id), changed)))
    },
  }),
  endpoint({
    name: 'team-collaborators.delete',
    http: { method: 'DELETE', path: '/teams/apps/:app/collaborators/:collaborator' },
    summary: 'Take from a collaborator what was given; everybody may leave',
    needs: 'view',
    run: (request, edge) => removing(request, edge),
  }),
]

const notOfTeam = ({ name }: SeenApp): Error =>
  invalid(`No team owns ${name}: use /apps/${name}/collaborators.`)
