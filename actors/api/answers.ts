/**
 * What endpoints answer with, by the names of Heroku's published schema (developer.heroku.com): one of it, or
 * a list of such. What is not here has a shape of its own, or none.
 */
const answers = {
  account: ['account.info', 'account.update'],
  'account-feature': ['account.features'],
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
  'app-transfer': ['app-transfers.create', 'app-transfers.list'],
  'app-webhook': ['webhooks.list', 'webhooks.create', 'webhooks.info', 'webhooks.update', 'webhooks.delete'],
  'app-webhook-delivery': ['webhook-deliveries.list', 'webhook-deliveries.info'],
  'app-webhook-event': ['webhook-events.list', 'webhook-events.info'],
  build: ['builds.list', 'builds.info', 'builds.create'],
  'buildpack-installation': ['buildpack-installations.list', 'buildpack-installations.update'],
  collaborator: ['collaborators.list', 'collaborators.info', 'collaborators.create', 'collaborators.delete'],
  domain: ['domains.list', 'domains.info', 'domains.create', 'domains.delete', 'domains.update'],
  dyno: ['dynos.list', 'dynos.info', 'dynos.create', 'dynos.run-inside'],
  'dyno-size': ['dyno-sizes.list', 'dyno-sizes.info'],
  formation: ['formation.list', 'formation.info', 'formation.batch-update', 'formation.update'],
  generation: ['generations.list', 'generations.info'],
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
  pipeline: ['pipelines.create', 'pipelines.list', 'pipelines.info', 'pipelines.update', 'pipelines.destroy'],
  'pipeline-coupling': ['pipeline-couplings.list', 'pipeline-couplings.list-by-pipeline'],
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
  space: ['spaces.list'],
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
    'telemetry-drains.create',
    'telemetry-drains.info',
    'telemetry-drains.update',
    'telemetry-drains.delete',
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>

const byName = new Map<string, string>(
  Object.entries(answers).flatMap(([resource, names]) => names.map((name) => [name, resource] as const)),
)

/** Undefined: none of Heroku's. */
export const answerOf = (endpoint: string): string | undefined => byName.get(endpoint)
