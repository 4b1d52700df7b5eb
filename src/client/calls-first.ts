/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type FirstCalls = {
  'account.add-key': { readonly body: { readonly public_key: string } }
  'account.create-bus-key': object
  'account.delete-bus-key': object
  'account.feature': { readonly params: { readonly feature: string } }
  'account.features': object
  'account.get-quota': { readonly params: { readonly account: string } }
  'account.info': object
  'account.key': { readonly params: { readonly key: string } }
  'account.keys': object
  'account.rate-limits': object
  'account.remove-key': { readonly params: { readonly key: string } }
  'account.update': {
    readonly body?: {
      readonly name?: string | null
      readonly password?: string
      readonly new_password?: string
      readonly allow_tracking?: boolean
      readonly beta?: boolean
    }
  }
  'account.update-feature': { readonly params: { readonly feature: string } }
  'addon-attachments.list': object
  'addon-attachments.list-by-app': { readonly params: { readonly app: string } }
  'addons.list': object
  'addons.list-by-app': { readonly params: { readonly app: string } }
  'addons.usage': { readonly params: { readonly app: string } }
  'app-setups.create': {
    readonly body: {
      readonly source_blob: {
        readonly url: string
        readonly version?: string | null
        readonly checksum?: string | null
        readonly version_description?: string | null
      }
      readonly app?: { readonly name?: string; readonly region?: unknown; readonly stack?: unknown } | null
      readonly overrides?: {
        readonly env?: Readonly<Record<string, string>> | null
        readonly buildpacks?: readonly { readonly url: string }[] | null
      } | null
    }
  }
  'app-setups.info': { readonly params: { readonly setup: string } }
  'app-transfers.create': {
    readonly body: {
      readonly app: string | { readonly id?: string; readonly name?: string }
      readonly recipient: string | { readonly id?: string; readonly email?: string }
      readonly silent?: boolean | null
    }
  }
  'app-transfers.delete': { readonly params: { readonly transfer: string } }
  'app-transfers.info': { readonly params: { readonly transfer: string } }
  'app-transfers.list': object
  'app-transfers.update': {
    readonly params: { readonly transfer: string }
    readonly body: { readonly state: string }
  }
  'apps.create': {
    readonly body?: {
      readonly name?: string
      readonly region?: unknown
      readonly stack?: unknown
      readonly feature_flags?: string | readonly string[] | null
    }
  }
  'apps.destroy': { readonly params: { readonly app: string } }
  'apps.info': { readonly params: { readonly app: string } }
  'apps.list': object
  'apps.list-own': object
  'apps.update': {
    readonly params: { readonly app: string }
    readonly body?: { readonly name?: string; readonly maintenance?: boolean; readonly build_stack?: unknown }
  }
  'audit.list': object
  'audit.list-by-app': { readonly params: { readonly app: string } }
  'build-cache.purge': { readonly params: { readonly app: string } }
  'buildpack-installations.list': { readonly params: { readonly app: string } }
  'buildpack-installations.update': {
    readonly params: { readonly app: string }
    readonly body: { readonly updates: readonly { readonly buildpack?: string }[] }
  }
  'buildpacks.info': { readonly params: { readonly buildpack: string } }
  'buildpacks.list': object
  'buildpacks.readme': { readonly params: { readonly buildpack: string } }
  'buildpacks.revisions': { readonly params: { readonly buildpack: string } }
  'builds.cancel': { readonly params: { readonly app: string; readonly build: string } }
  'builds.create': {
    readonly params: { readonly app: string }
    readonly body: {
      readonly source_blob: {
        readonly url: string
        readonly version?: string | null
        readonly checksum?: string | null
        readonly version_description?: string | null
      }
      readonly buildpacks?: readonly { readonly url?: string; readonly name?: string }[] | null
    }
  }
  'builds.info': { readonly params: { readonly app: string; readonly build: string } }
  'builds.list': { readonly params: { readonly app: string } }
  'channels.info': { readonly params: { readonly app: string } }
  'channels.update': { readonly params: { readonly app: string } }
  'cluster.doctor': object
  'cluster.info': object
  'collaborators.create': {
    readonly params: { readonly app: string }
    readonly body: {
      readonly user: string | { readonly id?: string; readonly email?: string }
      readonly silent?: boolean | null
    }
  }
  'collaborators.delete': { readonly params: { readonly app: string; readonly collaborator: string } }
  'collaborators.info': { readonly params: { readonly app: string; readonly collaborator: string } }
  'collaborators.list': { readonly params: { readonly app: string } }
  'config-vars.list': { readonly params: { readonly app: string } }
  'config-vars.update': {
    readonly params: { readonly app: string }
    readonly body?: Readonly<Record<string, string | null>>
  }
  'domains.create': {
    readonly params: { readonly app: string }
    readonly body: { readonly hostname: string; readonly sni_endpoint?: string | null }
  }
  'domains.delete': { readonly params: { readonly app: string; readonly domain: string } }
  'domains.info': { readonly params: { readonly app: string; readonly domain: string } }
  'domains.list': { readonly params: { readonly app: string } }
  'domains.update': {
    readonly params: { readonly app: string; readonly domain: string }
    readonly body: { readonly sni_endpoint: string | null }
  }
  'dyno-sizes.info': { readonly params: { readonly size: string } }
  'dyno-sizes.list': object
  'dynos.create': {
    readonly params: { readonly app: string }
    readonly body: {
      readonly command: string
      readonly attach?: boolean | null
      readonly env?: Readonly<Record<string, string | number | boolean>> | null
      readonly force_no_tty?: boolean | null
      readonly size?: string | null
      readonly type?: string | null
      readonly time_to_live?: number | null
    }
  }
  'dynos.idle': { readonly params: { readonly app: string } }
  'dynos.info': { readonly params: { readonly app: string; readonly dyno: string } }
  'dynos.list': { readonly params: { readonly app: string } }
  'dynos.restart': { readonly params: { readonly app: string; readonly dyno: string } }
  'dynos.restart-all': { readonly params: { readonly app: string } }
  'dynos.run-inside': {
    readonly params: { readonly app: string; readonly dyno: string }
    readonly body: {
      readonly command: string
      readonly env?: Readonly<Record<string, string | number | boolean>> | null
      readonly force_no_tty?: boolean | null
    }
  }
  'dynos.stop': { readonly params: { readonly app: string; readonly dyno: string } }
  'features.info': { readonly params: { readonly app: string; readonly feature: string } }
  'features.list': { readonly params: { readonly app: string } }
  'features.update': {
    readonly params: { readonly app: string; readonly feature: string }
    readonly body: { readonly enabled: boolean }
  }
  'filters.apps': { readonly body?: { readonly in?: { readonly id?: readonly string[] } } }
  'formation.batch-update': {
    readonly params: { readonly app: string }
    readonly body: {
      readonly updates: readonly {
        readonly type: string
        readonly singleton?: boolean
        readonly labels?: Readonly<Record<string, string>> | null
        readonly quantity?: string | number
        readonly size?: string
        readonly dyno_size?: string | { readonly id?: string; readonly name?: string }
      }[]
    }
  }
  'formation.info': { readonly params: { readonly app: string; readonly type: string } }
  'formation.list': { readonly params: { readonly app: string } }
  'formation.update': {
    readonly params: { readonly app: string; readonly type: string }
    readonly body?: {
      readonly singleton?: boolean
      readonly labels?: Readonly<Record<string, string>> | null
      readonly quantity?: string | number
      readonly size?: string
      readonly dyno_size?: string | { readonly id?: string; readonly name?: string }
    }
  }
  'formations.restart': { readonly params: { readonly app: string; readonly type: string } }
  'formations.stop': { readonly params: { readonly app: string; readonly type: string } }
  'generations.info': { readonly params: { readonly generation: string } }
  'generations.list': object
  'host-events.list': object
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
      readonly client?: string | { readonly id: string } | null
    }
  }
  'oauth-authorizations.delete': { readonly params: { readonly authorization: string } }
  'oauth-authorizations.info': { readonly params: { readonly authorization: string } }
  'oauth-authorizations.list': object
}
