/** Users of the platform, for operators alone. An account is made with a token, which is told this once. */
import { is } from '../../../src/runtime/index.ts'
import { wholeSpan } from '../../../src/ordered/pages.ts'
import { teamsOf } from '../../effects/access.ts'
import type { Granted } from '../accounts/authorizations.ts'
import { sumOfPassword } from '../accounts/passwords.ts'
import { addressOf, type User } from '../accounts/users.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { ApiError, invalid, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { cut, listOf } from '../range.ts'
import { accountBody } from '../shapes/account.ts'
import { checkPassword } from './account.ts'

const common = { needs: 'operator', scope: 'global' } as const

export const users = [
  endpoint({
    ...common,
    name: 'users.list',
    http: { method: 'GET', path: '/accounts' },
    summary: 'Accounts of this platform',
    async run(request, edge) {
      const page = cut(await edge.accounts.users.all(), request.range, {
        email: ({ email }) => email,
        id: ({ id }) => id,
      })
      return listOf(page, (user) => userBody(user, edge))
    },
  }),
  endpoint({
    ...common,
    name: 'users.create',
    http: { method: 'POST', path: '/accounts' },
    summary: 'An account with a token, which is told this once',
    body: is.obj({
      email: is.str,
      name: is.opt(is.orNull(is.str)),
      password: is.opt(is.orNull(is.str)),
      operator: is.opt(is.bool),
    }),
    async run({ body }, edge) {
      const email = addressOf(body.email)
      if (email === undefined)
        throw invalid(`Invalid e-mail address: ${JSON.stringify(body.email.slice(0, 100))}`)
      if (body.password != null) checkPassword(body.password)
      const sum = body.password == null ? {} : { password: await sumOfPassword(body.password, edge.random) }
      const more = { name: body.name ?? null, ...(body.operator === true && { operator: true }), ...sum }
      const user = await edge.accounts.users.add(email, more)
      if (user === undefined) throw invalid(`${email} has an account already.`)
      return created(withToken(user, edge, await first(user, edge)))
    },
  }),
  endpoint({
    ...common,
    name: 'users.rotate',
    http: { method: 'POST', path: '/accounts/:account/actions/rotate' },
    summary: 'Another token for an account; all others end, and its key for the bus',
    async run(request, edge) {
      const user = await other(request, edge)
      await endTokens(user, edge)
      return ok(withToken(user, edge, await first(user, edge)))
    },
  }),
  endpoint({
    ...common,
    name: 'users.suspend',
    http: { method: 'POST', path: '/accounts/:account/actions/suspend' },
    summary: 'Let an account in no more, and end its key for the bus; its apps run on',
    async run(request, edge) {
      const user = await suspended(request, edge, edge.now())
      // What is heard with it is not asked for.
      await edge.busKeys?.remove(user.id)
      return ok(userBody(user, edge))
    },
  }),
  endpoint({
    ...common,
    name: 'users.unsuspend',
    http: { method: 'POST', path: '/accounts/:account/actions/unsuspend' },
    summary: 'Let a suspended account in again',
    run: async (request, edge) => ok(userBody(await suspended(request, edge, null), edge)),
  }),
  endpoint({
    ...common,
    name: 'users.delete',
    http: { method: 'DELETE', path: '/accounts/:account' },
    summary: 'Remove an account that has access to no app and is in no team',
    async run(request, edge) {
      const user = await other(request, edge)
      const [app] = await edge.lists.read(user.id, 'name', { ...wholeSpan, max: 1 })
      if (app !== undefined)
        throw new ApiError(
          'conflict',
          `${user.email} has access to apps, of which one is ${app.name}: transfer, destroy or leave them first.`,
        )
      const [team] = await edge.lists.read(teamsOf(user.id), 'name', { ...wholeSpan, max: 1 })
      if (team !== undefined)
        throw new ApiError('conflict', `${user.email} is in the team ${team.name}: remove it there first.`)
      await endTokens(user, edge)
      for (const one of await edge.accounts.clients.list(user.id)) await edge.accounts.clients.remove(one)
      await edge.accounts.users.remove(user)
      return ok(userBody(user, edge))
    },
  }),
]

const userBody = (user: User, { accounts }: Edge): object => ({
  ...accountBody(user),
  operator: user.operator === true || user.id === accounts.owner().id,
})

const withToken = (user: User, edge: Edge, { authorization, token }: Granted): object => ({
  ...userBody(user, edge),
  token,
  authorization: { id: authorization.id },
})

const first = ({ id }: User, edge: Edge): Promise<Granted> =>
  edge.accounts.authorizations.grant(id, {
    description: 'Made by an operator',
    scopes: ['global'],
    expiresAt: null,
  })

/** All that opens something as that user. */
const endTokens = async ({ id }: User, { accounts, busKeys }: Edge): Promise<void> => {
  for (const one of await accounts.authorizations.list(id)) await accounts.authorizations.revoke(one)
  await busKeys?.remove(id)
}

/** The account of a path. Not the first operator's, whose token is in every control host's home. */
const other = async (
  { params }: Request<{ readonly account: string }>,
  { accounts }: Edge,
): Promise<User> => {
  const email = addressOf(params.account)
  const isKnown = email !== undefined || uuid.test(params.account)
  const found = isKnown
    ? await accounts.users.find(email === undefined ? { id: params.account } : { email })
    : undefined
  if (found === undefined) throw notFound('account')
  if (found.id === accounts.owner().id)
    throw invalid(`${found.email} is the operator that this platform was made with: it stays as it is.`)
  return found
}

const suspended = async (
  request: Request<{ readonly account: string }>,
  edge: Edge,
  suspendedAt: number | null,
): Promise<User> => {
  const { id } = await other(request, edge)
  const user = await edge.accounts.users.change(id, (kept) => ({ ...kept, suspendedAt }))
  if (user === undefined) throw notFound('account')
  return user
}
