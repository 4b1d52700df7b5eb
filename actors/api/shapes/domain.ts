/**
 * Domains of an app, as the Platform API shows them: its own below the platform's domain, and custom
 * ones.
 */
import type { AppView } from '../../protocols/app.ts'
import type { ApiSettings } from '../edge.ts'
import { idFor, named, timeText } from './common.ts'

type Domain = AppView['domains'][number]

const withoutCertificate = { acm_status: null, acm_status_reason: null, sni_endpoint: null }

export const domainBody = (domain: Domain, app: AppView, settings: ApiSettings): object => ({
  ...withoutCertificate,
  app: named(app),
  // What a DNS record of that name points at.
  cname: `${domain.cname}.${settings.appDomain}`,
  created_at: timeText(domain.createdAt),
  hostname: domain.hostname,
  id: domain.id,
  kind: 'custom',
  // Nothing is pending: the name leads here from the moment it is claimed.
  status: 'none',
  updated_at: timeText(domain.updatedAt),
})

export const ownDomainBody = (app: AppView, settings: ApiSettings): object => ({
  ...withoutCertificate,
  app: named(app),
  cname: null,
  created_at: timeText(app.createdAt),
  hostname: `${app.name}.${settings.appDomain}`,
  id: idFor('domain', app.id),
  kind: 'heroku',
  status: 'succeeded',
  updated_at: timeText(app.createdAt),
})
