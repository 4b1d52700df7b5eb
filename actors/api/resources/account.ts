/** Account: who one is, and how often one may ask. */
import { accountBody } from '../shapes/app.ts'
import { endpoint, ok } from '../endpoint.ts'
import { notFound } from '../errors.ts'

export const account = [
  endpoint({
    name: 'account.info',
    http: { method: 'GET', path: '/account', also: ['/users/~'] },
    summary: 'The account that asks',
    run: (_, edge) => ok(accountBody(edge.accounts.owner())),
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
  endpoint({
    name: 'account.keys',
    http: { method: 'GET', path: '/account/keys' },
    summary: 'SSH keys: there are none, git goes over https',
    run: () => ok([]),
  }),
  endpoint({
    name: 'account.teams',
    http: { method: 'GET', path: '/teams' },
    summary: 'Teams of the account: there are none',
    run: () => ok([]),
  }),
]
