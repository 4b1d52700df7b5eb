/**
 * Features that an owner turns on or off for an app, under Heroku's names (`heroku features`, `heroku labs`).
 *
 * Only what the platform honours is here. The router reads those that are on from the app's route.
 */
export type FeatureKind = {
  readonly name: string
  /** `general`: under `heroku features`; `public`: under `heroku labs`. */
  readonly state: 'general' | 'public'
  readonly title: string
  readonly description: string
  /** Heroku's page on it; empty: it is this platform's own. */
  readonly docUrl: string
}

export const routerFeatures = [
  {
    name: 'http-session-affinity',
    state: 'general',
    title: 'HTTP session affinity',
    description: 'Send each client back to the dyno that answered it before',
    docUrl: 'https://devcenter.heroku.com/articles/session-affinity',
  },
  {
    name: 'http-end-to-end-continue',
    state: 'public',
    title: 'End-to-end 100 Continue',
    description: 'Let the app itself answer Expect: 100-continue',
    docUrl: 'https://devcenter.heroku.com/articles/http-routing',
  },
  {
    name: 'http-disable-keepalive-to-dyno',
    state: 'public',
    title: 'No keep-alive to dynos',
    description: 'Open a new connection to the dyno for every request',
    docUrl: 'https://devcenter.heroku.com/articles/http-routing',
  },
] as const satisfies readonly FeatureKind[]

export type RouterFeature = (typeof routerFeatures)[number]['name']

/** That a process type never runs twice. */
export const singletonFeature = (type: string): FeatureKind => ({
  name: `singleton-${type}`,
  state: 'general',
  title: `Singleton ${type}`,
  description: `Never run two ${type} processes of the same name at once, whatever happens`,
  docUrl: '',
})
