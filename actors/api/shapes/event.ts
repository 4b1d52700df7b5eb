/** What events are about, as the Platform API shows it: no part of it is a secret. */
import type { EventViews } from '../../protocols/event-views.ts'
import type { Event } from '../../protocols/event.ts'
import type { Addresses } from '../edge.ts'
import { appBody } from './app.ts'
import { collaboratorBody } from './collaborator.ts'
import { domainBody } from './domain.ts'
import { dynoBody, formationBody } from './process.ts'
import { buildBody, releaseBody } from './release.ts'
import { endpointBody } from './sni-endpoint.ts'

/** @param chainOf the certificate of a sealed pair, in PEM; empty when it is gone */
export const eventRenderer =
  (settings: Addresses, chainOf: (appId: string, pairId: string) => Promise<string>) =>
  async (
    appId: string,
    { entity, appName }: Pick<Event, 'entity' | 'appName'>,
    view: unknown,
  ): Promise<object> => {
    const app = { id: appId, name: appName }
    switch (entity) {
      case 'app':
        return appBody(view as EventViews['app'], settings)
      case 'build':
        return buildBody(view as EventViews['build'], app, settings)
      case 'domain': {
        const { domain, endpoint } = view as EventViews['domain']
        return domainBody(domain, { ...app, endpoints: endpoint === null ? [] : [endpoint] }, settings)
      }
      case 'dyno':
        // Nothing is said of hosts.
        return dynoBody(view as EventViews['dyno'], app, () => true)
      case 'formation':
        return formationBody(view as EventViews['formation'], app)
      case 'release': {
        const { release, isCurrent } = view as EventViews['release']
        return releaseBody(release, app, isCurrent, settings)
      }
      case 'sni-endpoint': {
        const { endpoint, domainIds } = view as EventViews['sni-endpoint']
        const domains = domainIds.map((id) => ({ id, endpointId: endpoint.id }))
        return endpointBody(endpoint, { ...app, domains }, await chainOf(appId, endpoint.pair.pairId))
      }
      case 'collaborator':
        return collaboratorBody(app, view as EventViews['collaborator'])
    }
  }
