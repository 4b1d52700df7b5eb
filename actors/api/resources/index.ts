/** The table of the API: every endpoint there is. `GET /schema` shows it. */
import type { Endpoint } from '../endpoint.ts'
import { account } from './account.ts'
import { appSetups } from './app-setups.ts'
import { appTransfers } from './app-transfers.ts'
import { apps } from './apps.ts'
import { collaborators } from './collaborators.ts'
import { audit } from './audit.ts'
import { buildStart } from './build-start.ts'
import { buildpacks } from './buildpacks.ts'
import { busKey } from './bus-key.ts'
import { builds } from './builds.ts'
import { channels } from './channels.ts'
import { catalog } from './catalog.ts'
import { configVars } from './config-vars.ts'
import { domains } from './domains.ts'
import { drains } from './drains.ts'
import { dynos } from './dynos.ts'
import { features } from './features.ts'
import { filters } from './filters.ts'
import { formation } from './formation.ts'
import { hosts } from './hosts.ts'
import { keys } from './keys.ts'
import { logs } from './logs.ts'
import { notOfferedBeside } from './not-offered.ts'
import { nothing } from './nothing.ts'
import { oauthClients } from './oauth-clients.ts'
import { oauthTokens } from './oauth-tokens.ts'
import { oauth } from './oauth.ts'
import { pipelineCouplings } from './pipeline-couplings.ts'
import { pipelinePromotions } from './pipeline-promotions.ts'
import { pipelines } from './pipelines.ts'
import { platform } from './platform.ts'
import { releases } from './releases.ts'
import { repository } from './repository.ts'
import { sealingKeys } from './sealing-keys.ts'
import { slugs } from './slugs.ts'
import { sniEndpoints } from './sni-endpoints.ts'
import { teamApps } from './team-apps.ts'
import { teamCollaborators } from './team-collaborators.ts'
import { teamMembers } from './team-members.ts'
import { teams } from './teams.ts'
import { telemetryDrains } from './telemetry-drains.ts'
import { usage } from './usage.ts'
import { users } from './users.ts'
import { webhooks } from './webhooks.ts'

/** What this platform has. */
export const offered: readonly Endpoint[] = [
  ...account,
  ...keys,
  ...busKey,
  ...oauth,
  ...oauthClients,
  ...oauthTokens,
  ...users,
  ...teams,
  ...teamMembers,
  ...teamApps,
  ...teamCollaborators,
  ...apps,
  ...collaborators,
  ...appTransfers,
  ...appSetups,
  ...configVars,
  ...features,
  ...formation,
  ...dynos,
  ...releases,
  ...slugs,
  ...builds,
  ...buildpacks,
  ...buildStart,
  ...repository,
  ...domains,
  ...sniEndpoints,
  ...logs,
  ...drains,
  ...channels,
  ...telemetryDrains,
  ...webhooks,
  ...catalog,
  ...pipelines,
  ...pipelineCouplings,
  ...pipelinePromotions,
  ...filters,
  ...hosts,
  ...sealingKeys,
  ...audit,
  ...usage,
  ...nothing,
]

/** With what it says of itself. */
export const served: readonly Endpoint[] = [...offered, ...platform(offered)]

export const endpoints: readonly Endpoint[] = [...served, ...notOfferedBeside(offered)]
