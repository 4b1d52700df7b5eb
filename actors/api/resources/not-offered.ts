/**
 * What Heroku's API has and this platform has not: each link of its schema that nobody else here serves, and
 * what the stock CLI asks of the data services. Whoever asks is told, and a mistyped path is still one.
 */
import { endpoint, type Endpoint, type Method } from '../endpoint.ts'
import { ApiError } from '../errors.ts'
import { thisApp } from './app-of.ts'

/** By what it is, in words that go before "are not offered here". */
const links: Readonly<Record<string, string>> = {
  'Account deletions': `
    DELETE /account
    DELETE /users/:account
  `,
  'Add-ons': `
    POST /addons/:addon/actions/provision
    POST /addons/:addon/actions/deprovision
    POST /addon-attachments
    DELETE /addon-attachments/:attachment
    GET /addon-attachments/:attachment
    GET /addons/:addon/addon-attachments
    GET /apps/:app/addon-attachments/:attachment
    POST /actions/addon-attachments/resolve
    GET /addons/:addon/config
    PATCH /addons/:addon/config
    GET /addon-region-capabilities
    GET /addon-services/:service/region-capabilities
    GET /regions/:region/addon-region-capabilities
    GET /addon-services/:service
    GET /addon-services
    GET /addons/:addon/webhook-deliveries/:delivery
    GET /addons/:addon/webhook-deliveries
    GET /addons/:addon/webhook-events/:event
    GET /addons/:addon/webhook-events
    POST /addons/:addon/webhooks
    DELETE /addons/:addon/webhooks/:webhook
    GET /addons/:addon/webhooks/:webhook
    GET /addons/:addon/webhooks
    PATCH /addons/:addon/webhooks/:webhook
    GET /addons/:addon
    POST /apps/:app/addons
    DELETE /apps/:app/addons/:addon
    GET /apps/:app/addons/:addon
    PATCH /apps/:app/addons/:addon
    GET /users/:account/addons
    GET /teams/:team/addons
    POST /actions/addons/resolve
    GET /teams/:team/allowed-addon-services
    POST /teams/:team/allowed-addon-services
    DELETE /teams/:team/allowed-addon-services/:service
    PUT /addons/:addon/log-drains/:drain
    GET /addons/:addon/log-drains
    GET /plans/:plan
    GET /addon-services/:service/plans/:plan
    GET /addon-services/:service/plans
  `,
  'Certificates managed by the platform': `
    POST /apps/:app/acm
    DELETE /apps/:app/acm
    PATCH /apps/:app/acm
  `,
  'Invoices and credits': `
    GET /account/delinquency
    POST /account/credits
    GET /account/credits/:credit
    GET /account/credits
    GET /account/invoice-address
    PUT /account/invoice-address
    GET /account/invoices/:invoice
    GET /account/invoices
    GET /teams/:team/usage/daily
    GET /teams/:team/delinquency
    GET /teams/:team/invoices/:invoice
    GET /teams/:team/invoices
    GET /teams/:team/usage/monthly
  `,
  'Enterprise accounts': `
    GET /enterprise-accounts/:account/archives/:year/:month
    GET /enterprise-accounts/:account/archives
    GET /enterprise-accounts/:account/events
    GET /enterprise-accounts/:account/usage/daily
    GET /enterprise-accounts/:account/members
    POST /enterprise-accounts/:account/members
    PATCH /enterprise-accounts/:account/members/:member
    DELETE /enterprise-accounts/:account/members/:member
    GET /enterprise-accounts/:account/usage/monthly
    GET /enterprise-accounts
    GET /enterprise-accounts/:account
    PATCH /enterprise-accounts/:account
    GET /enterprise-accounts/:account/teams
    POST /enterprise-accounts/:account/teams
  `,
  'Test runs of Heroku CI': `
    GET /pipelines/:pipeline/stage/:coupling/config-vars
    PATCH /pipelines/:pipeline/stage/:coupling/config-vars
    GET /test-runs/:run/test-cases
    GET /test-runs/:run/test-nodes
    POST /test-runs
    GET /test-runs/:run
    GET /pipelines/:pipeline/test-runs
    GET /pipelines/:pipeline/test-runs/:run
    PATCH /test-runs/:run
  `,
  'Data services': `
    GET /client/v11/apps/:app/transfers
    POST /client/v11/apps/:app/transfers
    GET /client/v11/apps/:app/transfers/:transfer
    DELETE /client/v11/apps/:app/transfers/:transfer
    POST /client/v11/apps/:app/transfers/:transfer/actions/public-url
    POST /client/v11/apps/:app/transfers/:transfer/actions/cancel
    GET /data/maintenances/v1/apps/:app
    GET /data/postgres/v1/levels/:level
    GET /data/postgres/v1/pricing
  `,
  'Identity providers': `
    GET /teams/:team/identity-providers
    POST /teams/:team/identity-providers
    PATCH /teams/:team/identity-providers/:provider
    DELETE /teams/:team/identity-providers/:provider
  `,
  'OCI images': `
    GET /apps/:app/oci-images/:image
    POST /apps/:app/oci-images
  `,
  'Other accounts': `
    GET /users/:account
    PATCH /users/:account
    GET /users/:account/apps
  `,
  'Overviews of pipelines': `
    GET /pipelines/:pipeline/latest-builds
    GET /pipelines/:pipeline/latest-deployments
    GET /pipelines/:pipeline/latest-releases
    GET /pipelines/:pipeline/pipeline-stack
  `,
  'Password resets by e-mail': `
    POST /password-resets
    POST /password-resets/:reset/actions/finalize
  `,
  'Phone numbers': `
    GET /users/:account/sms-number
    POST /users/:account/sms-number/actions/recover
    POST /users/:account/sms-number/actions/confirm
  `,
  Preferences: `
    GET /users/:account/preferences
    PATCH /users/:account/preferences
  `,
  'Private spaces': `
    GET /spaces/:space/inbound-ruleset
    GET /spaces/:space/inbound-rulesets/:ruleset
    GET /spaces/:space/inbound-rulesets
    PUT /spaces/:space/inbound-ruleset
    GET /spaces/:space/peering-info
    GET /spaces/:space/peerings
    POST /spaces/:space/peerings/:peering/actions/accept
    DELETE /spaces/:space/peerings/:peering
    GET /spaces/:space/peerings/:peering
    GET /spaces/:space/members/:account
    PATCH /spaces/:space/members/:account
    GET /spaces/:space/members
    GET /spaces/:space/nat
    GET /spaces/:space/topology
    POST /spaces/:space/transfer
    PATCH /spaces/:space
    DELETE /spaces/:space
    POST /spaces
    GET /spaces/:space/dynos
    GET /spaces/:space/log-drain
    PUT /spaces/:space/log-drain
    POST /spaces/:space/peerings
    GET /teams/:team/spaces
    POST /spaces/:space/vpn-connections
    DELETE /spaces/:space/vpn-connections/:connection
    GET /spaces/:space/vpn-connections
    GET /spaces/:space/vpn-connections/:connection
    PATCH /spaces/:space/vpn-connections/:connection
  `,
  'Review apps': `
    POST /review-apps
    GET /review-apps/:app
    DELETE /review-apps/:app
    GET /apps/:app/review-app
    GET /pipelines/:pipeline/review-apps
    POST /pipelines/:pipeline/review-app-config
    GET /pipelines/:pipeline/review-app-config
    PATCH /pipelines/:pipeline/review-app-config
    DELETE /pipelines/:pipeline/review-app-config
  `,
  'Choices of a generation': `
    GET /teams/:team/available-generations
  `,
  'Invitations by e-mail': `
    GET /teams/:team/invitations
    PUT /teams/:team/invitations
    DELETE /teams/:team/invitations/:invitation
    GET /teams/invitations/:invitation
    POST /teams/invitations/:invitation/accept
  `,
  'Lists of permissions by user, and preferences of teams,': `
    GET /teams/:team/permissions
    GET /teams/:team/preferences
    PATCH /teams/:team/preferences
  `,
  'Couplings of all apps of a team': `
    GET /teams/:team/pipeline-couplings
  `,
  'Transfers of pipelines': `
    POST /pipeline-transfers
  `,
  Webhooks: `
    GET /apps/:app/webhook-deliveries/:delivery
    GET /apps/:app/webhook-deliveries
    GET /apps/:app/webhook-events/:event
    GET /apps/:app/webhook-events
    POST /apps/:app/webhooks
    DELETE /apps/:app/webhooks/:webhook
    GET /apps/:app/webhooks/:webhook
    PATCH /apps/:app/webhooks/:webhook
  `,
}

const notOffered = (what: string, method: Method, path: string): Endpoint =>
  endpoint({
    name: `not-offered.${method.toLowerCase()}${path.replaceAll('/', '-').replaceAll(':', '')}`,
    http: { method, path: path as '/apps/:app' },
    summary: `${what}: not offered`,
    needs: 'view',
    scope: 'read',
    changes: false,
    async run(request, edge) {
      // Of an app that is not there, that is what there is to say.
      if (path.startsWith('/apps/:app/')) await thisApp(request, edge)
      throw new ApiError('not_found', `${what} are not offered here.`)
    },
  })

const linesOf = (text: string): string[] => text.trim().split(/\s*\n\s*/)
const shapeOf = ({ method, path }: { readonly method: string; readonly path: string }): string =>
  `${method} ${path.replaceAll(/:\w+/g, ':')}`

/** @param served every endpoint that does something */
export const notOfferedBeside = (served: readonly Endpoint[]): readonly Endpoint[] => {
  const known = new Set(
    served.flatMap(({ http: { method, path, also = [] } }) =>
      [path, ...also].map((one) => shapeOf({ method, path: one })),
    ),
  )
  return Object.entries(links).flatMap(([what, text]) =>
    linesOf(text)
      .map((line) => line.split(' ') as [Method, string])
      .filter(([method, path]) => !known.has(shapeOf({ method, path })))
      .map(([method, path]) => notOffered(what, method, path)),
  )
}
