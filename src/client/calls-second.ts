/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type SecondCalls = {
  'generations.info': { readonly params: { readonly generation: string } }
  'generations.list': object
  'hosts.drain': { readonly params: { readonly host: string } }
  'hosts.invite': object
  'hosts.list': object
  'hosts.remove': { readonly params: { readonly host: string }; readonly body?: { readonly force?: boolean } }
  'hosts.undrain': { readonly params: { readonly host: string } }
  'log-drains.create': { readonly params: { readonly app: string }; readonly body: { readonly url: string } }
  'log-drains.delete': { readonly params: { readonly app: string; readonly drain: string } }
  'log-drains.info': { readonly params: { readonly app: string; readonly drain: string } }
  'log-drains.list': { readonly params: { readonly app: string } }
  'log-sessions.create': {
    readonly params: { readonly app: string }
    readonly body?: {
      readonly dyno?: string | null
      readonly dyno_name?: string | null
      readonly type?: string | null
      readonly lines?: number | null
      readonly source?: string | null
      readonly tail?: boolean | null
    }
  }
  'log-tokens.create': { readonly params: { readonly app: string } }
  'log-tokens.delete': { readonly params: { readonly app: string; readonly token: string } }
  'oauth-authorizations.create': {
    readonly body?: {
      readonly description?: string | null
      readonly expires_in?: string | number | null
      readonly scope?: readonly string[] | null
      readonly client?: unknown
    }
  }
  'oauth-authorizations.delete': { readonly params: { readonly authorization: string } }
  'oauth-authorizations.info': { readonly params: { readonly authorization: string } }
  'oauth-authorizations.list': object
  'oauth-authorizations.regenerate-tokens': { readonly params: { readonly authorization: string } }
  'oauth-authorizations.update': {
    readonly params: { readonly authorization: string }
    readonly body?: { readonly description?: string }
  }
  'oauth-sessions.delete': { readonly params: { readonly session: string } }
  'oauth-sessions.list': object
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
    readonly body?: { readonly slug?: string; readonly release?: string; readonly description?: string }
  }
  'releases.info': { readonly params: { readonly app: string; readonly release: string } }
  'releases.list': { readonly params: { readonly app: string } }
  'repository.reset': { readonly params: { readonly app: string } }
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
