/** SNI endpoints: an app's certificates, as the Platform API shows them. */
import type { AppView, EndpointView } from '../../protocols/app.ts'
import { idFor, named, timeText, type Named } from './common.ts'

/** @param chain PEM */
export const endpointBody = (
  endpoint: EndpointView,
  app: Named & { readonly domains: readonly Pick<AppView['domains'][number], 'id' | 'endpointId'>[] },
  chain: string,
): object => {
  const { pair } = endpoint
  return {
    app: named(app),
    certificate_chain: chain,
    created_at: timeText(endpoint.createdAt),
    display_name: null,
    domains: app.domains.filter(({ endpointId }) => endpointId === endpoint.id).map(({ id }) => id),
    id: endpoint.id,
    name: endpoint.name,
    ssl_cert: {
      acm: false,
      'ca_signed?': pair.isTrusted,
      cert_domains: pair.names,
      expires_at: timeText(pair.expiresAt),
      id: idFor('certificate', pair.pairId),
      issuer: pair.issuer,
      'self_signed?': pair.isSelfSigned,
      starts_at: timeText(pair.startsAt),
      subject: pair.subject,
    },
    updated_at: timeText(endpoint.updatedAt),
  }
}
