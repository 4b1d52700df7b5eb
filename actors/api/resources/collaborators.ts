/** Collaborators: others who may use an app. */
import { is, ref } from '../../../src/runtime/index.ts'
import { App, type Collaborator } from '../../protocols/app.ts'
import { collaboratorsOf, memberOf, needPermission, type SeenApp } from '../access.ts'
import { addressOf, type User } from '../accounts/users.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Reply, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { cut, listOf } from '../range.ts'
import { collaboratorBody, ownerBody, ownerId } from '../shapes/collaborator.ts'
import { thisApp } from './app-of.ts'
import { grantAccess, isOfTeam } from './grants.ts'

const resource = 'collaborator'
const userShape = is.union(is.str, is.obj({ id: is.opt(is.str), email: is.opt(is.str) }))

export const collaborators = [
  endpoint({
    name: 'collaborators.list',
    http: { method: 'GET', path: '/apps/:app/collaborators' },
    summary: 'Who may use an app: its owner and its collaborators',
    run: (request, edge) => listing(request, edge),
  }),
  endpoint({
    name: 'collaborators.info',
    http: { method: 'GET', path: '/apps/:app/collaborators/:collaborator' },
    summary: 'One collaborator, by e-mail address or id',
    run: (request, edge) => showing(request, edge),
  }),
  endpoint({
    name: 'collaborators.create',
    http: { method: 'POST', path: '/apps/:app/collaborators' },
    summary: 'Let another user use the app: everything but renaming, transferring and destroying it',
    body: is.obj({ user: userShape, silent: is.opt(is.orNull(is.bool)) }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const user = await userNamed(request.body.user, edge)
      if (isOfTeam(app)) return created(bodyOf(app, await grantAccess(request, app, user)))
      const { id, email } = user
      const made = await request.ask(ref(App, app.id), { type: 'addCollaborator', user: { id, email } })
      return created(collaboratorBody(app, made))
    },
  }),
  endpoint({
    name: 'collaborators.delete',
    http: { method: 'DELETE', path: '/apps/:app/collaborators/:collaborator' },
    summary: 'Let a user use the app no more; everybody may leave',
    needs: 'view',
    run: (request, edge) => removing(request, edge),
  }),
]

export const listing = async (request: Request<{ readonly app: string }>, edge: Edge): Promise<Reply> => {
  const app = await thisApp(request, edge)
  const owner = { id: ownerId(app), user: app.owner, createdAt: app.createdAt, updatedAt: app.createdAt }
  const page = cut([owner, ...collaboratorsOf(app)], request.range, {
    email: ({ user }) => user.email,
    id: ({ id }) => id,
  })
  return listOf(page, (one) => (one === owner ? ownerBody(app) : bodyOf(app, one)))
}

type OneRequest = Request<{ readonly app: string; readonly collaborator: string }>

export const showing = async (request: OneRequest, edge: Edge): Promise<Reply> => {
  const app = await thisApp(request, edge)
  const which = request.params.collaborator
  if ([app.owner.id, app.owner.email].includes(which)) return ok(ownerBody(app))
  return ok(bodyOf(app, pick(app, which)))
}

export const removing = async (request: OneRequest, edge: Edge): Promise<Reply> => {
  const app = await thisApp(request, edge)
  const which = request.params.collaborator
  if ([app.owner.id, app.owner.email].includes(which))
    throw invalid(`${app.owner.email} is the owner of ${app.name}: transfer the app first.`)
  const found = pick(app, which)
  if (found.user.id !== request.who.id)
    needPermission(app, request.caller, app.team == null ? 'operate' : 'manage')
  await request.ask(ref(App, app.id), { type: 'removeCollaborator', user: found.id }, { resource })
  return ok(bodyOf(app, found))
}

export const bodyOf = (app: SeenApp, one: Collaborator): object =>
  collaboratorBody(app, one, memberOf(app.owners, one.user)?.role)

export const pick = (app: SeenApp, which: string): Collaborator => {
  const found = collaboratorsOf(app).find(({ id, user }) => [id, user.id, user.email].includes(which))
  if (found === undefined) throw notFound(resource)
  return found
}

/** The user that an address or an id names. There are no invitations: whoever is named has an account. */
export const userNamed = async (
  wanted: string | { readonly id?: string; readonly email?: string },
  edge: Edge,
): Promise<User> => {
  const text = typeof wanted === 'string' ? wanted : (wanted.id ?? wanted.email ?? '')
  const email = addressOf(text)
  if (email === undefined && !uuid.test(text))
    throw invalid(
      `Invalid user ${JSON.stringify(text.slice(0, 100))}: it must be an e-mail address or an id.`,
    )
  const found = await edge.accounts.users.find(email === undefined ? { id: text } : { email })
  if (found === undefined) throw notFound('user')
  return found
}
