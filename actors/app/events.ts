/** The events of an app's own changes: what its record says now against what it said before. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { Draft } from '../events/outbox.ts'
import type { AppView, EndpointView } from '../protocols/app.ts'
import type { EventViews } from '../protocols/event-views.ts'
import type { Who } from '../protocols/shapes.ts'
import { endpointsOf } from './endpoints.ts'
import type { AppRecord } from './record.ts'

type Of = Pick<Draft, 'by' | 'appName'>

/** @param by who asked for it; undefined: nobody in particular, so it is put down to the owner */
export const eventsOf = (before: AppRecord | null, after: AppRecord, by: Who | undefined): Draft[] => {
  const of = { by: by ?? after.app.owner, appName: after.app.name }
  const phaseWas = before?.phase ?? 'creating'
  if (after.phase === 'live' && phaseWas === 'creating')
    return [{ entity: 'app', action: 'create', ...of, view: factsOf(after.app) }]
  if (after.phase === 'destroying' && phaseWas === 'live')
    return [{ entity: 'app', action: 'destroy', ...of, view: factsOf(after.app) }]
  if (before === null || before.app === after.app || after.phase !== 'live') return []
  return [
    ...updates(before.app, after.app, of),
    ...collaborators(before.app, after.app, of),
    ...endpoints(before.app, after.app, of),
    ...domains(before.app, after.app, of),
  ]
}

/** The app without what has events of its own, and without what is a secret. */
const factsOf = ({
  drains: _drains,
  logTokens: _tokens,
  endpoints: _endpoints,
  collaborators: _collaborators,
  ...app
}: AppView): AppView => ({
  ...app,
  domains: [],
})

/** What users set; a build, a release or a push that it hears of are events of their own. */
const settingsOf = ({
  name,
  owner,
  team,
  maintenance,
  buildStack,
  buildpacks,
  features,
}: AppView): object => ({
  name,
  owner,
  team,
  maintenance,
  buildStack,
  buildpacks,
  features,
})

const updates = (before: AppView, after: AppView, of: Of): Draft[] =>
  isDeepStrictEqual(settingsOf(before), settingsOf(after))
    ? []
    : [{ entity: 'app', action: 'update', ...of, view: factsOf(after), before: factsOf(before) }]

const collaborators = (before: AppView, after: AppView, of: Of): Draft[] =>
  before.collaborators === after.collaborators
    ? []
    : differences('collaborator', of, before.collaborators ?? [], after.collaborators ?? [], {
        before: (collaborator) => collaborator,
        after: (collaborator) => collaborator,
      })

const domainView = (app: AppView, domain: AppView['domains'][number]): EventViews['domain'] => {
  const found = endpointsOf(app).find(({ id }) => id === domain.endpointId)
  return { domain, endpoint: found === undefined ? null : { id: found.id, name: found.name } }
}

const domains = (before: AppView, after: AppView, of: Of): Draft[] =>
  before.domains === after.domains
    ? []
    : differences('domain', of, before.domains, after.domains, {
        before: (domain) => domainView(before, domain),
        after: (domain) => domainView(after, domain),
      })

const endpointView = (app: AppView, endpoint: EndpointView): EventViews['sni-endpoint'] => ({
  endpoint,
  domainIds: app.domains.filter(({ endpointId }) => endpointId === endpoint.id).map(({ id }) => id),
})

const endpoints = (before: AppView, after: AppView, of: Of): Draft[] =>
  before.endpoints === after.endpoints
    ? []
    : differences('sni-endpoint', of, endpointsOf(before), endpointsOf(after), {
        before: (endpoint) => endpointView(before, endpoint),
        after: (endpoint) => endpointView(after, endpoint),
      })

/** What came, what is otherwise, what went: by id. */
const differences = <T extends { readonly id: string }>(
  entity: Draft['entity'],
  of: Of,
  before: readonly T[],
  after: readonly T[],
  view: { readonly before: (one: T) => unknown; readonly after: (one: T) => unknown },
): Draft[] => {
  const was = new Map(before.map((one) => [one.id, one]))
  const is = new Set(after.map(({ id }) => id))
  return [
    ...after.flatMap((one): Draft[] => {
      const old = was.get(one.id)
      if (old === undefined) return [{ entity, action: 'create', ...of, view: view.after(one) }]
      if (old === one || isDeepStrictEqual(old, one)) return []
      return [{ entity, action: 'update', ...of, view: view.after(one), before: view.before(old) }]
    }),
    ...before
      .filter(({ id }) => !is.has(id))
      .map((one): Draft => ({ entity, action: 'destroy', ...of, view: view.before(one) })),
  ]
}
