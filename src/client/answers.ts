/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
import type { Account } from './answers/account.ts'
import type { AccountFeature } from './answers/account-feature.ts'
import type { AddOn } from './answers/add-on.ts'
import type { AddOnAttachment } from './answers/add-on-attachment.ts'
import type { AddonUsage } from './answers/addon-usage.ts'
import type { App } from './answers/app.ts'
import type { AppFeature } from './answers/app-feature.ts'
import type { AppQuota } from './answers/app-quota.ts'
import type { AppSetup } from './answers/app-setup.ts'
import type { AppTransfer } from './answers/app-transfer.ts'
import type { AppWebhook } from './answers/app-webhook.ts'
import type { AppWebhookDelivery } from './answers/app-webhook-delivery.ts'
import type { AppWebhookEvent } from './answers/app-webhook-event.ts'
import type { AuditEvent } from './answers/audit-event.ts'
import type { Build } from './answers/build.ts'
import type { Buildpack } from './answers/buildpack.ts'
import type { BuildpackInstallation } from './answers/buildpack-installation.ts'
import type { BuildpackReadme } from './answers/buildpack-readme.ts'
import type { BuildpackRevision } from './answers/buildpack-revision.ts'
import type { BusKey } from './answers/bus-key.ts'
import type { Channel } from './answers/channel.ts'
import type { Cluster } from './answers/cluster.ts'
import type { Collaborator } from './answers/collaborator.ts'
import type { ConfigVars } from './answers/config-vars.ts'
import type { Delivery } from './answers/delivery.ts'
import type { Domain } from './answers/domain.ts'
import type { Dyno } from './answers/dyno.ts'
import type { DynoSize } from './answers/dyno-size.ts'
import type { Finding } from './answers/finding.ts'
import type { Formation } from './answers/formation.ts'
import type { Generation } from './answers/generation.ts'
import type { Host } from './answers/host.ts'
import type { HostDraining } from './answers/host-draining.ts'
import type { HostEvent } from './answers/host-event.ts'
import type { HostRemoved } from './answers/host-removed.ts'
import type { Invite } from './answers/invite.ts'
import type { Key } from './answers/key.ts'
import type { LogDrain } from './answers/log-drain.ts'
import type { LogSession } from './answers/log-session.ts'
import type { LogToken } from './answers/log-token.ts'
import type { Nothing } from './answers/nothing.ts'
import type { OauthAuthorization } from './answers/oauth-authorization.ts'
import type { OauthClient } from './answers/oauth-client.ts'
import type { OauthSession } from './answers/oauth-session.ts'
import type { OauthToken } from './answers/oauth-token.ts'
import type { Pipeline } from './answers/pipeline.ts'
import type { PipelineCoupling } from './answers/pipeline-coupling.ts'
import type { PipelinePromotion } from './answers/pipeline-promotion.ts'
import type { PipelinePromotionTarget } from './answers/pipeline-promotion-target.ts'
import type { RateLimit } from './answers/rate-limit.ts'
import type { Region } from './answers/region.ts'
import type { Release } from './answers/release.ts'
import type { Schema } from './answers/schema.ts'
import type { SealingKeys } from './answers/sealing-keys.ts'
import type { Slug } from './answers/slug.ts'
import type { SniEndpoint } from './answers/sni-endpoint.ts'
import type { Source } from './answers/source.ts'
import type { Space } from './answers/space.ts'
import type { Stack } from './answers/stack.ts'
import type { Status } from './answers/status.ts'
import type { Team } from './answers/team.ts'
import type { TeamApp } from './answers/team-app.ts'
import type { TeamAppCollaborator } from './answers/team-app-collaborator.ts'
import type { TeamAppPermission } from './answers/team-app-permission.ts'
import type { TeamFeature } from './answers/team-feature.ts'
import type { TeamMember } from './answers/team-member.ts'
import type { TelemetryDrain } from './answers/telemetry-drain.ts'
import type { Usage } from './answers/usage.ts'
import type { User } from './answers/user.ts'
import type { UserToken } from './answers/user-token.ts'

export type Answers = {
  'account.add-key': Key
  'account.create-bus-key': BusKey
  'account.delete-bus-key': Nothing
  'account.feature': AccountFeature
  'account.features': readonly AccountFeature[]
  'account.get-quota': AppQuota
  'account.info': Account
  'account.key': Key
  'account.keys': readonly Key[]
  'account.rate-limits': RateLimit
  'account.remove-key': Key
  'account.update': Account
  'account.update-feature': AccountFeature
  'addon-attachments.list': readonly AddOnAttachment[]
  'addon-attachments.list-by-app': readonly AddOnAttachment[]
  'addons.list': readonly AddOn[]
  'addons.list-by-app': readonly AddOn[]
  'addons.usage': AddonUsage
  'app-setups.create': AppSetup
  'app-setups.info': AppSetup
  'app-transfers.create': AppTransfer
  'app-transfers.delete': AppTransfer
  'app-transfers.info': AppTransfer
  'app-transfers.list': readonly AppTransfer[]
  'app-transfers.update': AppTransfer
  'apps.create': App
  'apps.destroy': App
  'apps.info': App
  'apps.list': readonly App[]
  'apps.list-own': readonly App[]
  'apps.update': App
  'audit.list': readonly AuditEvent[]
  'audit.list-by-app': readonly AuditEvent[]
  'build-cache.purge': Nothing
  'buildpack-installations.list': readonly BuildpackInstallation[]
  'buildpack-installations.update': readonly BuildpackInstallation[]
  'buildpacks.info': Buildpack
  'buildpacks.list': readonly Buildpack[]
  'buildpacks.readme': BuildpackReadme
  'buildpacks.revisions': readonly BuildpackRevision[]
  'builds.cancel': Build
  'builds.create': Build
  'builds.info': Build
  'builds.list': readonly Build[]
  'channels.info': Channel
  'channels.update': Channel
  'cluster.doctor': readonly Finding[]
  'cluster.info': Cluster
  'collaborators.create': Collaborator
  'collaborators.delete': Collaborator
  'collaborators.info': Collaborator
  'collaborators.list': readonly Collaborator[]
  'config-vars.list': ConfigVars
  'config-vars.update': ConfigVars
  'domains.create': Domain
  'domains.delete': Domain
  'domains.info': Domain
  'domains.list': readonly Domain[]
  'domains.update': Domain
  'dyno-sizes.info': DynoSize
  'dyno-sizes.list': readonly DynoSize[]
  'dynos.create': Dyno
  'dynos.idle': Nothing
  'dynos.info': Dyno
  'dynos.list': readonly Dyno[]
  'dynos.restart': Nothing
  'dynos.restart-all': Nothing
  'dynos.run-inside': Dyno
  'dynos.stop': Nothing
  'features.info': AppFeature
  'features.list': readonly AppFeature[]
  'features.update': AppFeature
  'filters.apps': readonly App[]
  'formation.batch-update': readonly Formation[]
  'formation.info': Formation
  'formation.list': readonly Formation[]
  'formation.update': Formation
  'formations.restart': Nothing
  'formations.stop': Nothing
  'generations.info': Generation
  'generations.list': readonly Generation[]
  'host-events.list': readonly HostEvent[]
  'hosts.drain': HostDraining
  'hosts.invite': Invite
  'hosts.list': readonly Host[]
  'hosts.remove': HostRemoved
  'hosts.undrain': HostDraining
  'log-drains.create': LogDrain
  'log-drains.delete': LogDrain
  'log-drains.info': LogDrain
  'log-drains.list': readonly LogDrain[]
  'log-sessions.create': LogSession
  'log-tokens.create': LogToken
  'log-tokens.delete': LogToken
  'oauth-authorizations.create': OauthAuthorization
  'oauth-authorizations.delete': OauthAuthorization
  'oauth-authorizations.info': OauthAuthorization
  'oauth-authorizations.list': readonly OauthAuthorization[]
  'oauth-authorizations.regenerate-tokens': OauthAuthorization
  'oauth-authorizations.update': OauthAuthorization
  'oauth-clients.create': OauthClient
  'oauth-clients.delete': OauthClient
  'oauth-clients.info': OauthClient
  'oauth-clients.list': readonly OauthClient[]
  'oauth-clients.rotate-credentials': OauthClient
  'oauth-clients.update': OauthClient
  'oauth-sessions.delete': OauthSession
  'oauth-sessions.list': readonly OauthSession[]
  'oauth-tokens.create': OauthToken
  'oauth-tokens.delete': OauthToken
  'pipeline-couplings.create': PipelineCoupling
  'pipeline-couplings.delete': PipelineCoupling
  'pipeline-couplings.info': PipelineCoupling
  'pipeline-couplings.info-by-app': PipelineCoupling
  'pipeline-couplings.list': readonly PipelineCoupling[]
  'pipeline-couplings.list-by-pipeline': readonly PipelineCoupling[]
  'pipeline-couplings.update': PipelineCoupling
  'pipeline-promotions.create': PipelinePromotion
  'pipeline-promotions.info': PipelinePromotion
  'pipeline-promotions.targets': readonly PipelinePromotionTarget[]
  'pipelines.create': Pipeline
  'pipelines.destroy': Pipeline
  'pipelines.info': Pipeline
  'pipelines.list': readonly Pipeline[]
  'pipelines.update': Pipeline
  'regions.info': Region
  'regions.list': readonly Region[]
  'releases.config-vars': ConfigVars
  'releases.create': Release
  'releases.info': Release
  'releases.list': readonly Release[]
  'repository.reset': Nothing
  'schema.info': Schema
  'sealing-keys.create': SealingKeys
  'sealing-keys.list': SealingKeys
  'sealing-keys.rotate': SealingKeys
  'slugs.create': Slug
  'slugs.info': Slug
  'sni-endpoints.create': SniEndpoint
  'sni-endpoints.delete': SniEndpoint
  'sni-endpoints.info': SniEndpoint
  'sni-endpoints.list': readonly SniEndpoint[]
  'sni-endpoints.update': SniEndpoint
  'sources.create': Source
  'spaces.info': Space
  'spaces.list': readonly Space[]
  'stacks.info': Stack
  'stacks.list': readonly Stack[]
  'status.info': Status
  'team-apps.create': TeamApp
  'team-apps.info': TeamApp
  'team-apps.list': readonly TeamApp[]
  'team-apps.update': TeamApp
  'team-collaborators.create': TeamAppCollaborator
  'team-collaborators.delete': TeamAppCollaborator
  'team-collaborators.info': TeamAppCollaborator
  'team-collaborators.list': readonly TeamAppCollaborator[]
  'team-collaborators.update': TeamAppCollaborator
  'team-members.apps': readonly TeamApp[]
  'team-members.create': TeamMember
  'team-members.delete': TeamMember
  'team-members.list': readonly TeamMember[]
  'team-members.set': TeamMember
  'team-members.update': TeamMember
  'teams.create': Team
  'teams.delete': Team
  'teams.feature': TeamFeature
  'teams.features': readonly TeamFeature[]
  'teams.info': Team
  'teams.list': readonly Team[]
  'teams.permissions': readonly TeamAppPermission[]
  'teams.update': Team
  'telemetry-drains.create': TelemetryDrain
  'telemetry-drains.delete': TelemetryDrain
  'telemetry-drains.delivery': Delivery
  'telemetry-drains.info': TelemetryDrain
  'telemetry-drains.list-by-app': readonly TelemetryDrain[]
  'telemetry-drains.list-by-space': readonly TelemetryDrain[]
  'telemetry-drains.update': TelemetryDrain
  'usage.list': Usage
  'users.create': UserToken
  'users.delete': User
  'users.list': readonly User[]
  'users.rotate': UserToken
  'users.suspend': User
  'users.unsuspend': User
  'webhook-deliveries.info': AppWebhookDelivery
  'webhook-deliveries.list': readonly AppWebhookDelivery[]
  'webhook-events.info': AppWebhookEvent
  'webhook-events.list': readonly AppWebhookEvent[]
  'webhooks.create': AppWebhook
  'webhooks.delete': AppWebhook
  'webhooks.info': AppWebhook
  'webhooks.list': readonly AppWebhook[]
  'webhooks.update': AppWebhook
}
