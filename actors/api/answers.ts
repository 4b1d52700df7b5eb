/**
 * What endpoints answer with: one of a shape, or a list of such. Names are those of Heroku's published schema
 * (developer.heroku.com), whose shapes `npm run api-page` writes down, and our own.
 */
import heroku from './answers/heroku.json' with { type: 'json' }
import { own, type Shape } from './answers/own.ts'

const answers = {
  account: ['account.info', 'account.update'],
  'account-feature': ['account.features', 'account.feature', 'account.update-feature'],
  'add-on': ['addons.list', 'addons.list-by-app'],
  'add-on-attachment': ['addon-attachments.list', 'addon-attachments.list-by-app'],
  app: [
    'apps.create',
    'apps.list',
    'apps.list-own',
    'apps.info',
    'apps.update',
    'apps.destroy',
    'filters.apps',
  ],
  'app-feature': ['features.list', 'features.info', 'features.update'],
  'app-setup': ['app-setups.create', 'app-setups.info'],
  'app-transfer': [
    'app-transfers.create',
    'app-transfers.list',
    'app-transfers.info',
    'app-transfers.update',
    'app-transfers.delete',
  ],
  'app-webhook': ['webhooks.list', 'webhooks.create', 'webhooks.info', 'webhooks.update', 'webhooks.delete'],
  'app-webhook-delivery': ['webhook-deliveries.list', 'webhook-deliveries.info'],
  'app-webhook-event': ['webhook-events.list', 'webhook-events.info'],
  build: ['builds.list', 'builds.info', 'builds.create', 'builds.cancel'],
  'buildpack-installation': ['buildpack-installations.list', 'buildpack-installations.update'],
  collaborator: ['collaborators.list', 'collaborators.info', 'collaborators.create', 'collaborators.delete'],
  domain: ['domains.list', 'domains.info', 'domains.create', 'domains.delete', 'domains.update'],
  dyno: ['dynos.list', 'dynos.info', 'dynos.create', 'dynos.run-inside'],
  'dyno-size': ['dyno-sizes.list', 'dyno-sizes.info'],
  formation: ['formation.list', 'formation.info', 'formation.batch-update', 'formation.update'],
  generation: ['generations.list', 'generations.info'],
  'log-drain': ['log-drains.list', 'log-drains.info', 'log-drains.create', 'log-drains.delete'],
  key: ['account.keys', 'account.key', 'account.add-key', 'account.remove-key'],
  'log-session': ['log-sessions.create'],
  'oauth-authorization': [
    'oauth-authorizations.list',
    'oauth-authorizations.create',
    'oauth-authorizations.info',
    'oauth-authorizations.update',
    'oauth-authorizations.delete',
    'oauth-authorizations.regenerate-tokens',
  ],
  'oauth-client': [
    'oauth-clients.list',
    'oauth-clients.create',
    'oauth-clients.info',
    'oauth-clients.update',
    'oauth-clients.rotate-credentials',
    'oauth-clients.delete',
  ],
  'oauth-token': ['oauth-tokens.create', 'oauth-tokens.delete'],
  pipeline: ['pipelines.create', 'pipelines.list', 'pipelines.info', 'pipelines.update', 'pipelines.destroy'],
  'pipeline-coupling': [
    'pipeline-couplings.list',
    'pipeline-couplings.list-by-pipeline',
    'pipeline-couplings.create',
    'pipeline-couplings.info-by-app',
    'pipeline-couplings.info',
    'pipeline-couplings.update',
    'pipeline-couplings.delete',
  ],
  'pipeline-promotion': ['pipeline-promotions.create', 'pipeline-promotions.info'],
  'pipeline-promotion-target': ['pipeline-promotions.targets'],
  'rate-limit': ['account.rate-limits'],
  region: ['regions.list', 'regions.info'],
  release: ['releases.list', 'releases.info', 'releases.create'],
  slug: ['slugs.create', 'slugs.info'],
  'sni-endpoint': [
    'sni-endpoints.list',
    'sni-endpoints.info',
    'sni-endpoints.create',
    'sni-endpoints.update',
    'sni-endpoints.delete',
  ],
  source: ['sources.create'],
  space: ['spaces.list', 'spaces.info'],
  stack: ['stacks.list', 'stacks.info'],
  team: ['teams.list', 'teams.create', 'teams.info', 'teams.update', 'teams.delete'],
  'team-app': [
    'team-apps.create',
    'team-apps.list',
    'team-apps.info',
    'team-apps.update',
    'team-members.apps',
  ],
  'team-app-collaborator': [
    'team-collaborators.list',
    'team-collaborators.info',
    'team-collaborators.create',
    'team-collaborators.update',
    'team-collaborators.delete',
  ],
  'team-app-permission': ['teams.permissions'],
  'team-feature': ['teams.features', 'teams.feature'],
  'team-member': [
    'team-members.list',
    'team-members.set',
    'team-members.create',
    'team-members.update',
    'team-members.delete',
  ],
  'telemetry-drain': [
    'telemetry-drains.list-by-app',
    'telemetry-drains.list-by-space',
    'telemetry-drains.create',
    'telemetry-drains.info',
    'telemetry-drains.update',
    'telemetry-drains.delete',
  ],
  'addon-usage': ['addons.usage'],
  'app-quota': ['account.get-quota'],
  'audit-event': ['audit.list', 'audit.list-by-app'],
  buildpack: ['buildpacks.list', 'buildpacks.info'],
  'buildpack-readme': ['buildpacks.readme'],
  'buildpack-revision': ['buildpacks.revisions'],
  'bus-key': ['account.create-bus-key'],
  channel: ['channels.info', 'channels.update'],
  cluster: ['cluster.info'],
  'config-vars': ['config-vars.list', 'config-vars.update', 'releases.config-vars'],
  delivery: ['telemetry-drains.delivery'],
  finding: ['cluster.doctor'],
  host: ['hosts.list'],
  'host-draining': ['hosts.drain', 'hosts.undrain'],
  'host-event': ['host-events.list'],
  'host-removed': ['hosts.remove'],
  invite: ['hosts.invite'],
  'log-token': ['log-tokens.create', 'log-tokens.delete'],
  nothing: [
    'account.delete-bus-key',
    'build-cache.purge',
    'dynos.idle',
    'dynos.restart',
    'dynos.restart-all',
    'dynos.stop',
    'formations.restart',
    'formations.stop',
    'repository.reset',
  ],
  'oauth-session': ['oauth-sessions.list', 'oauth-sessions.delete'],
  schema: ['schema.info'],
  'sealing-keys': ['sealing-keys.list', 'sealing-keys.rotate', 'sealing-keys.create'],
  status: ['status.info'],
  usage: ['usage.list'],
  user: ['users.list', 'users.suspend', 'users.unsuspend', 'users.delete'],
  'user-token': ['users.create', 'users.rotate'],
} as const satisfies Readonly<Record<string, readonly string[]>>

/** Those whose names do not say that it is a list. */
const lists: ReadonlySet<string> = new Set([
  'account.features',
  'account.keys',
  'buildpack-installations.update',
  'buildpacks.revisions',
  'cluster.doctor',
  'filters.apps',
  'formation.batch-update',
  'pipeline-promotions.targets',
  'team-members.apps',
  'teams.features',
  'teams.permissions',
])
/** They list what is one thing. */
const notLists: ReadonlySet<string> = new Set(['config-vars.list', 'sealing-keys.list', 'usage.list'])

const byName = new Map<string, string>(
  Object.entries(answers).flatMap(([resource, names]) => names.map((name) => [name, resource] as const)),
)

/** Each by its name: what is ours goes before what is Heroku's. */
export const shapes: Readonly<Record<string, Shape>> = { ...heroku, ...own }

export type Answering = { readonly resource: string; readonly isList: boolean }

/** Undefined: it answers with nothing but refusals. */
export const answerOf = (endpoint: string): Answering | undefined => {
  const resource = byName.get(endpoint)
  const isList = lists.has(endpoint) || (/\.list\b/.test(endpoint) && !notLists.has(endpoint))
  return resource === undefined ? undefined : { resource, isList }
}

/** As JSON schema, with nothing left to look up. @throws RangeError of a shape that is nowhere */
export const answerSchema = ({ resource, isList }: Answering): Shape => {
  const one = shapes[resource]
  if (one === undefined) throw new RangeError(`there is no shape ${resource}: npm run api-page`)
  return isList ? { type: 'array', items: one } : one
}

/** What there is to answer with. */
export const resources: readonly string[] = Object.keys(answers).toSorted()
