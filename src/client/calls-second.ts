/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type SecondCalls = {
  'oauth-authorizations.regenerate-tokens': { readonly params: { readonly authorization: string } }
  'oauth-authorizations.update': {
    readonly params: { readonly authorization: string }
    readonly body?: {
      readonly description?: string
      readonly client?: { readonly id: string; readonly secret: string } | null
    }
  }
  'oauth-clients.create': { readonly body: { readonly name: string; readonly redirect_uri: string } }
  'oauth-clients.delete': { readonly params: { readonly client: string } }
  'oauth-clients.info': { readonly params: { readonly client: string } }
  'oauth-clients.list': object
  'oauth-clients.rotate-credentials': { readonly params: { readonly client: string } }
  'oauth-clients.update': {
    readonly params: { readonly client: string }
    readonly body?: { readonly name?: string; readonly redirect_uri?: string }
  }
  'oauth-sessions.delete': { readonly params: { readonly session: string } }
  'oauth-sessions.list': object
  'oauth-tokens.create': {
    readonly body: {
      readonly grant: { readonly type: 'authorization_code' | 'refresh_token'; readonly code?: string | null }
      readonly client: { readonly secret: string }
      readonly refresh_token?: { readonly token?: string | null } | null
    }
  }
  'oauth-tokens.delete': { readonly params: { readonly token: string } }
  'pipeline-couplings.create': {
    readonly body: {
      readonly app: string
      readonly pipeline: string
      readonly stage: 'test' | 'review' | 'development' | 'staging' | 'production'
    }
  }
  'pipeline-couplings.delete': { readonly params: { readonly coupling: string } }
  'pipeline-couplings.info': { readonly params: { readonly coupling: string } }
  'pipeline-couplings.info-by-app': { readonly params: { readonly app: string } }
  'pipeline-couplings.list': object
  'pipeline-couplings.list-by-pipeline': { readonly params: { readonly pipeline: string } }
  'pipeline-couplings.update': {
    readonly params: { readonly coupling: string }
    readonly body?: { readonly stage?: 'test' | 'review' | 'development' | 'staging' | 'production' }
  }
  'pipeline-promotions.create': {
    readonly body: {
      readonly pipeline: { readonly id: string }
      readonly source: {
        readonly app: { readonly id: string }
        readonly release?: { readonly id: string } | null
      }
      readonly targets: readonly { readonly app: { readonly id: string } }[]
    }
  }
  'pipeline-promotions.info': { readonly params: { readonly promotion: string } }
  'pipeline-promotions.targets': { readonly params: { readonly promotion: string } }
  'pipelines.create': {
    readonly body: {
      readonly name: string
      readonly owner?: { readonly id: string; readonly type: 'user' | 'team' } | null
      readonly generation?: unknown
    }
  }
  'pipelines.destroy': { readonly params: { readonly pipeline: string } }
  'pipelines.info': { readonly params: { readonly pipeline: string } }
  'pipelines.list': object
  'pipelines.update': {
    readonly params: { readonly pipeline: string }
    readonly body?: { readonly name?: string }
  }
  'regions.info': { readonly params: { readonly region: string } }
  'regions.list': object
  'releases.config-vars': { readonly params: { readonly app: string; readonly release: string } }
  'releases.create': {
    readonly params: { readonly app: string }
    readonly body?: {
      readonly slug?: string
      readonly release?: string
      readonly description?: string
      readonly oci_image?: string | null
    }
  }
  'releases.info': { readonly params: { readonly app: string; readonly release: string } }
  'releases.list': { readonly params: { readonly app: string } }
  'repository.reset': { readonly params: { readonly app: string } }
  'schema.info': object
  'sealing-keys.create': { readonly body: { readonly keys: string } }
  'sealing-keys.list': object
  'sealing-keys.rotate': object
  'slugs.create': {
    readonly params: { readonly app: string }
    readonly body: {
      readonly process_types: Readonly<Record<string, string>>
      readonly buildpack_provided_description?: string | null
      readonly checksum?: string | null
      readonly commit?: string | null
      readonly commit_description?: string | null
      readonly stack?: unknown
    }
  }
  'slugs.info': { readonly params: { readonly app: string; readonly slug: string } }
  'sni-endpoints.create': {
    readonly params: { readonly app: string }
    readonly body: { readonly certificate_chain: string; readonly private_key: string }
  }
  'sni-endpoints.delete': { readonly params: { readonly app: string; readonly endpoint: string } }
  'sni-endpoints.info': { readonly params: { readonly app: string; readonly endpoint: string } }
  'sni-endpoints.list': { readonly params: { readonly app: string } }
  'sni-endpoints.update': {
    readonly params: { readonly app: string; readonly endpoint: string }
    readonly body: { readonly certificate_chain: string; readonly private_key: string }
  }
  'sources.create': object
  'spaces.info': { readonly params: { readonly space: string } }
  'spaces.list': object
  'stacks.info': { readonly params: { readonly stack: string } }
  'stacks.list': object
  'status.info': object
  'team-apps.create': {
    readonly body?: {
      readonly team?: string | null
      readonly name?: string
      readonly region?: unknown
      readonly stack?: unknown
      readonly locked?: boolean
      readonly personal?: boolean
      readonly space?: string | null
      readonly internal_routing?: boolean | null
      readonly feature_flags?: string | readonly string[] | null
    }
  }
  'team-apps.info': { readonly params: { readonly app: string } }
  'team-apps.list': { readonly params: { readonly team: string } }
  'team-apps.update': {
    readonly params: { readonly app: string }
    readonly body?: { readonly owner?: string; readonly locked?: boolean }
  }
  'team-collaborators.create': {
    readonly params: { readonly app: string }
    readonly body: {
      readonly user: string | { readonly id?: string; readonly email?: string }
      readonly permissions?: readonly string[] | null
      readonly silent?: boolean | null
    }
  }
  'team-collaborators.delete': { readonly params: { readonly app: string; readonly collaborator: string } }
  'team-collaborators.info': { readonly params: { readonly app: string; readonly collaborator: string } }
  'team-collaborators.list': { readonly params: { readonly app: string } }
  'team-collaborators.update': {
    readonly params: { readonly app: string; readonly collaborator: string }
    readonly body: { readonly permissions: readonly string[] }
  }
  'team-members.apps': { readonly params: { readonly team: string; readonly member: string } }
  'team-members.create': {
    readonly params: { readonly team: string }
    readonly body: { readonly email: string; readonly role: string | null; readonly federated?: boolean }
  }
  'team-members.delete': { readonly params: { readonly team: string; readonly member: string } }
  'team-members.list': { readonly params: { readonly team: string } }
  'team-members.set': {
    readonly params: { readonly team: string }
    readonly body: { readonly email: string; readonly role: string | null; readonly federated?: boolean }
  }
  'team-members.update': {
    readonly params: { readonly team: string }
    readonly body: { readonly email: string; readonly role: string | null; readonly federated?: boolean }
  }
  'teams.create': { readonly body: { readonly name: string } }
  'teams.delete': { readonly params: { readonly team: string } }
  'teams.feature': { readonly params: { readonly team: string; readonly feature: string } }
  'teams.features': { readonly params: { readonly team: string } }
  'teams.info': { readonly params: { readonly team: string } }
  'teams.list': object
  'teams.permissions': object
  'teams.update': {
    readonly params: { readonly team: string }
    readonly body?: { readonly name?: string; readonly default?: boolean }
  }
  'telemetry-drains.create': {
    readonly body: {
      readonly owner: { readonly id: string; readonly type: string }
      readonly signals: readonly string[]
      readonly exporter: {
        readonly type: string
        readonly endpoint: string
        readonly headers?: Readonly<Record<string, string>>
      }
    }
  }
  'telemetry-drains.delete': { readonly params: { readonly drain: string } }
  'telemetry-drains.delivery': { readonly params: { readonly drain: string } }
  'telemetry-drains.info': { readonly params: { readonly drain: string } }
  'telemetry-drains.list-by-app': { readonly params: { readonly app: string } }
  'telemetry-drains.list-by-space': { readonly params: { readonly space: string } }
  'telemetry-drains.update': {
    readonly params: { readonly drain: string }
    readonly body?: {
      readonly signals?: readonly string[]
      readonly exporter?: {
        readonly type?: string
        readonly endpoint?: string
        readonly headers?: Readonly<Record<string, string>>
      }
    }
  }
  'usage.list': object
  'users.create': {
    readonly body: {
      readonly email: string
      readonly name?: string | null
      readonly password?: string | null
      readonly operator?: boolean
    }
  }
  'users.delete': { readonly params: { readonly account: string } }
  'users.list': object
  'users.rotate': { readonly params: { readonly account: string } }
  'users.suspend': { readonly params: { readonly account: string } }
  'users.unsuspend': { readonly params: { readonly account: string } }
  'webhook-deliveries.info': { readonly params: { readonly app: string; readonly delivery: string } }
  'webhook-deliveries.list': { readonly params: { readonly app: string } }
  'webhook-events.info': { readonly params: { readonly app: string; readonly event: string } }
  'webhook-events.list': { readonly params: { readonly app: string } }
  'webhooks.create': {
    readonly params: { readonly app: string }
    readonly body: {
      readonly include: readonly string[]
      readonly level: 'notify' | 'sync'
      readonly url: string
      readonly authorization?: string | null
      readonly secret?: string | null
    }
  }
  'webhooks.delete': { readonly params: { readonly app: string; readonly webhook: string } }
  'webhooks.info': { readonly params: { readonly app: string; readonly webhook: string } }
  'webhooks.list': { readonly params: { readonly app: string } }
  'webhooks.update': {
    readonly params: { readonly app: string; readonly webhook: string }
    readonly body?: {
      readonly include?: readonly string[]
      readonly level?: 'notify' | 'sync'
      readonly url?: string
      readonly authorization?: string | null
      readonly secret?: string | null
    }
  }
}
