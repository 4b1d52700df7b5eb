/** The certificates of an app: where they are kept, and which of its domains has which. Pure. */
import { heroku } from '../../config/heroku.ts'
import type { AppView, EndpointView } from '../protocols/app.ts'

type Domain = AppView['domains'][number]
type Pair = EndpointView['pair']

/** What becomes of the app, what is answered, and the pair that nobody has any more; or why not. */
export type Outcome<T> =
  | { readonly change: Partial<AppView>; readonly answer: T; readonly former: string | null }
  | { readonly code: 'not_found' | 'invalid_params'; readonly reason: string }

const noSuchEndpoint = { code: 'not_found', reason: "Couldn't find that SNI endpoint." } as const

export const endpointsOf = ({ endpoints = [] }: AppView): readonly EndpointView[] => endpoints

/** By name or id. */
export const endpointIn = (app: AppView, which: string): EndpointView | undefined =>
  endpointsOf(app).find(({ id, name }) => name === which || id === which)

/** Pair ids by hostname: what routers need to know. */
export const certificatesOf = (app: AppView): Record<string, string> =>
  Object.fromEntries(
    app.domains.flatMap(({ hostname, endpointId }) => {
      const endpoint = endpointsOf(app).find(({ id }) => id === endpointId)
      return endpoint === undefined ? [] : [[hostname, endpoint.pair.pairId]]
    }),
  )

export const add = (
  app: AppView,
  name: string,
  pair: Pair,
  made: { readonly id: string; readonly now: number },
): Outcome<EndpointView> => {
  const all = endpointsOf(app)
  if (all.length >= heroku.sniEndpointsMax)
    return {
      code: 'invalid_params',
      reason: `An app cannot have more than ${heroku.sniEndpointsMax} SNI endpoints.`,
    }
  const { id, now } = made
  const isTaken = all.some((other) => other.name === name)
  const answer = { id, name: isTaken ? `sni-${id.slice(0, 8)}` : name, pair, createdAt: now, updatedAt: now }
  return { change: { endpoints: [...all, answer] }, answer, former: null }
}

export const change = (app: AppView, which: string, pair: Pair, now: number): Outcome<EndpointView> => {
  const found = endpointIn(app, which)
  if (found === undefined) return noSuchEndpoint
  const answer = { ...found, pair, updatedAt: now }
  const endpoints = endpointsOf(app).map((other) => (other === found ? answer : other))
  return { change: { endpoints }, answer, former: found.pair.pairId }
}

/** Its domains go on with the platform's certificate. */
export const remove = (app: AppView, which: string): Outcome<EndpointView> => {
  const found = endpointIn(app, which)
  if (found === undefined) return noSuchEndpoint
  const endpoints = endpointsOf(app).filter((other) => other !== found)
  const domains = app.domains.map((domain) =>
    domain.endpointId === found.id ? { ...domain, endpointId: null } : domain,
  )
  return { change: { endpoints, domains }, answer: found, former: found.pair.pairId }
}

/** @param which the endpoint; null: none */
export const attach = (
  app: AppView,
  hostname: string,
  which: string | null,
  now: number,
): Outcome<Domain> => {
  const domain = app.domains.find((one) => one.hostname === hostname.toLowerCase() || one.id === hostname)
  if (domain === undefined) return { code: 'not_found', reason: "Couldn't find that domain name." }
  const endpoint = which === null ? null : endpointIn(app, which)
  if (endpoint === undefined) return { code: 'invalid_params', reason: noSuchEndpoint.reason }
  const answer = { ...domain, endpointId: endpoint?.id ?? null, updatedAt: now }
  const domains = app.domains.map((other) => (other === domain ? answer : other))
  return { change: { domains }, answer, former: null }
}
