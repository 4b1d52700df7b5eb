/**
 * Domains of an app, as the Platform API shows them: its own below the platform's domain, and custom
 * ones.
 */
import type { AppView, EndpointView } from '../../protocols/app.ts'
import type { ApiSettings } from '../edge.ts'
import { idFor, named, timeText, type Named } from './common.ts'

type Domain = AppView['domains'][number]
type AppWithEndpoints = Named & {
  readonly endpoints?: readonly Pick<EndpointView, 'id' | 'name'>[] | undefined
}

/** No certificate is ever fetched for a domain: there is nothing to say of the state of that. */
const withoutAcm = { acm_status: null, acm_status_reason: null }

/** By name or id. */
export const endpointIn = <E extends Pick<EndpointView, 'id' | 'name'>>(
  app: { readonly endpoints?: readonly E[] | undefined },
  which: string,
): E | undefined => app.endpoints?.find(({ id, name }) => name === which || id === which)

export const domainBody = (
  domain: Domain,
  app: AppWithEndpoints,
  settings: Pick<ApiSettings, 'appDomain'>,
): object => ({
  ...withoutAcm,
  app: named(app),
  // What a DNS record of that name points at.
  cname: `${domain.cname}.${settings.appDomain}`,
  created_at: timeText(domain.createdAt),
  hostname: domain.hostname,
  id: domain.id,
  kind: 'custom',
  sni_endpoint: endpointRef(app, domain.endpointId),
  status: domain.isPending === true ? 'pending' : 'succeeded',
  updated_at: timeText(domain.updatedAt),
})

const endpointRef = (app: AppWithEndpoints, id: string | null | undefined): object | null => {
  const found = id == null ? undefined : endpointIn(app, id)
  return found === undefined ? null : { id: found.id, name: found.name }
}

export const ownDomainBody = (app: AppView, settings: ApiSettings): object => ({
  ...withoutAcm,
  sni_endpoint: null,
  app: named(app),
  cname: null,
  created_at: timeText(app.createdAt),
  hostname: `${app.name}.${settings.appDomain}`,
  id: idFor('domain', app.id),
  kind: 'heroku',
  status: 'succeeded',
  updated_at: timeText(app.createdAt),
})
