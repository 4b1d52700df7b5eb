/**
 * From an app's route to what becomes of a request for it. Pure. Codes and texts are Heroku's ("Error
 * Codes").
 */
import type { RouterFeature } from '../../config/features.ts'
import type { Decided, Refusal } from '../../src/proxy/contract.ts'
import type { Route } from '../protocols/shapes.ts'
import { targetsOf, type Standpoint } from './targets.ts'

const refuse = (route: Route, code: string, description: string): Refusal => ({
  kind: 'refuse',
  app: route.appId,
  code,
  status: 503,
  description,
  pageUrl: (code === 'H80' ? route.pages?.maintenance : route.pages?.error) ?? '',
})

/**
 * `wait`: its dynos are starting, or none can be reached from here; the request is held until the route
 * changes.
 */
export const decide = (route: Route, from: Standpoint): Decided | 'wait' => {
  const { appId: app, web } = route
  if (route.maintenance) return { ...refuse(route, 'H80', 'Maintenance mode'), at: 'info' }
  if (web === 'blank') return { ...refuse(route, 'H81', 'Blank app'), at: 'info' }
  if (web === 'none') return refuse(route, 'H14', 'No web processes running')
  if (web === 'crashed') return refuse(route, 'H10', 'App crashed')
  const { targets, near } = targetsOf(route, from)
  if (web === 'booting' || targets.length === 0) return 'wait'
  const has = (feature: RouterFeature): boolean => route.features?.includes(feature) === true
  return {
    kind: 'route',
    app,
    targets,
    near,
    keepAlive: !has('http-disable-keepalive-to-dyno'),
    endToEndContinue: has('http-end-to-end-continue'),
    errorPageUrl: route.pages?.error ?? '',
    ...(route.affinityKey === undefined ? {} : { affinity: { key: Buffer.from(route.affinityKey) } }),
  }
}

export const bootTimeout = (route: Route): Refusal => refuse(route, 'H20', 'App boot timeout')
export const tooManyWaiting = (route: Route): Refusal => refuse(route, 'H11', 'Backlog too deep')

/** Nobody's host. No app is known, so no app's log has a line of it. */
export const noSuchApp: Refusal = {
  kind: 'refuse',
  app: null,
  code: '',
  status: 404,
  description: 'No such app',
}
/** Where a host leads cannot be found out now. */
export const platformError: Refusal = {
  kind: 'refuse',
  app: null,
  code: 'H99',
  status: 503,
  description: 'Platform error',
}
