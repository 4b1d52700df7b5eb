/** What events are about, as the Platform API shows it: no part of it is a secret. */
import type { Pair } from '../../../src/certs/certificate.ts'
import type { Teams } from '../../effects/perform/teams.ts'
import type { AppView } from '../../protocols/app.ts'
import type { EventViews } from '../../protocols/event-views.ts'
import type { Event } from '../../protocols/event.ts'
import type { Addresses } from '../edge.ts'
import { appBody } from './app.ts'
import { collaboratorBody } from './collaborator.ts'
import { domainBody } from './domain.ts'
import { dynoBody, formationBody } from './process.ts'
import { buildBody, releaseBody } from './release.ts'
import { endpointBody } from './sni-endpoint.ts'
import { managerOf } from './team.ts'

/** What an app's own view does not have. */
export type EventSources = {
  readonly certificates: {
    readonly open: (appId: string, pairId: string) => Promise<Pick<Pair, 'certificate'> | undefined>
  }
  readonly teams: Pick<Teams, 'view'>
}

export const eventRenderer =
  (settings: Addresses, { certificates, teams }: EventSources) =>
  async (
    appId: string,
    { entity, appName }: Pick<Event, 'entity' | 'appName'>,
    view: unknown,
  ): Promise<object> => {
    const app = { id: appId, name: appName }
    switch (entity) {
      case 'app':
        return appBody(await underItsName(view as EventViews['app'], teams), settings)
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
        const pair = await certificates.open(appId, endpoint.pair.pairId)
        return endpointBody(endpoint, { ...app, domains }, pair?.certificate ?? '')
      }
      case 'collaborator':
        return collaboratorBody(app, view as EventViews['collaborator'])
    }
  }

/** A team's app is written under the name that the team had when it came. */
const underItsName = async (app: AppView, teams: EventSources['teams']): Promise<AppView> => {
  const team = app.team == null ? undefined : await teams.view(app.team.id)
  return team === undefined ? app : { ...app, owner: managerOf(team) }
}
