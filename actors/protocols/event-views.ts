/** What the views of events are, by what the events are about (event.ts). */
import type { AppView, Collaborator, EndpointView } from './app.ts'
import type { BuildView } from './build.ts'
import type { DynoView, ProcessType, Release } from './shapes.ts'

/** The view of each kind: no secret, and nothing that has events of its own. */
export type EventViews = {
  readonly app: AppView
  readonly build: BuildView
  readonly collaborator: Collaborator
  readonly domain: {
    readonly domain: AppView['domains'][number]
    readonly endpoint: Pick<EndpointView, 'id' | 'name'> | null
  }
  readonly dyno: DynoView
  readonly formation: ProcessType
  readonly release: { readonly release: Release; readonly isCurrent: boolean }
  readonly 'sni-endpoint': { readonly endpoint: EndpointView; readonly domainIds: readonly string[] }
}
