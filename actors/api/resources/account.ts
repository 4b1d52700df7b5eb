/** Account: who one is, and how often one may ask. */
import { is } from '../../../src/runtime/index.ts'
import { isPassword, passwordCharsMax, passwordCharsMin, sumOfPassword } from '../accounts/passwords.ts'
import { endpoint, ok } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { accountBody } from '../shapes/account.ts'

const nameCharsMax = 100

export const account = [
  endpoint({
    name: 'account.info',
    http: { method: 'GET', path: '/account', also: ['/users/~'] },
    summary: 'The account that asks',
    scope: 'identity',
    run: ({ caller }) => ok(accountBody(caller.user)),
  }),
  endpoint({
    name: 'account.update',
    http: { method: 'PATCH', path: '/account', also: ['/users/~'] },
    summary: 'Change the name, or the password (`new_password`, with the `password` of now if there is one)',
    scope: 'global',
    body: is.obj({
      name: is.opt(is.orNull(is.str)),
      password: is.opt(is.str),
      new_password: is.opt(is.str),
      allow_tracking: is.opt(is.bool),
      beta: is.opt(is.bool),
    }),
    async run({ body, caller: { user } }, edge) {
      const { name = user.name ?? null, password = '', new_password: wanted } = body
      if (name !== null && name.length > nameCharsMax)
        throw invalid(`Name is too long (maximum is ${nameCharsMax} characters)`)
      if (wanted !== undefined) {
        checkPassword(wanted)
        if (user.password !== undefined && !(await isPassword(password, user.password)))
          throw invalid('Password is not the one of this account.')
      }
      const sum = wanted === undefined ? {} : { password: await sumOfPassword(wanted, edge.random) }
      const changed = await edge.accounts.users.change(user.id, (kept) => ({ ...kept, name, ...sum }))
      if (changed === undefined) throw notFound('account')
      return ok(accountBody(changed))
    },
  }),
  endpoint({
    name: 'account.rate-limits',
    http: { method: 'GET', path: '/account/rate-limits' },
    summary: 'How many requests are left; asking is free',
    free: true,
    run: (request, edge) => ok({ remaining: edge.rates.remaining(request.who.id) }),
  }),
  endpoint({
    name: 'account.features',
    http: { method: 'GET', path: '/account/features' },
    summary: 'Features of the account: there are none',
    run: () => ok([]),
  }),
  endpoint({
    name: 'account.feature',
    http: { method: 'GET', path: '/account/features/:feature' },
    summary: 'One feature of the account',
    run: () => {
      throw notFound('account_feature')
    },
  }),
  endpoint({
    name: 'account.update-feature',
    http: { method: 'PATCH', path: '/account/features/:feature' },
    summary: 'Turn a feature of the account on or off: there are none',
    run: () => {
      throw notFound('account_feature')
    },
  }),
]

/** @throws ApiError `invalid_params` */
export const checkPassword = (password: string): void => {
  if (password.length >= passwordCharsMin && password.length <= passwordCharsMax) return
  throw invalid(`Password must have from ${passwordCharsMin} to ${passwordCharsMax} characters.`)
}
