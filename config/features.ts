/**
 * Features that an owner turns on or off for an app, under Heroku's names (`heroku features`, `heroku labs`).
 *
 * Only what the platform honours is here. The router reads those that are on from the app's route.
 */
import { heroku } from './heroku.ts'

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

/** What a dyno does otherwise: it learns of these when it starts. */
export const dynoFeatures = [
  {
    name: 'log-runtime-metrics',
    state: 'public',
    title: 'Runtime metrics in the log',
    description: 'Log load and memory of every dyno each 20 seconds; takes effect at the next restart',
    docUrl: 'https://devcenter.heroku.com/articles/log-runtime-metrics',
  },
  {
    name: 'runtime-dyno-metadata',
    state: 'public',
    title: 'Dyno metadata',
    description: 'Tell every dyno its app, release and slug in HEROKU_ variables; at the next restart',
    docUrl: 'https://devcenter.heroku.com/articles/dyno-metadata',
  },
  ...([90, 120, 180] as const).map(
    (seconds) =>
      ({
        name: `boot-timeout-${seconds}`,
        state: 'general',
        title: `Boot timeout of ${seconds} seconds`,
        description: `Let web processes take ${seconds} seconds to bind to $PORT, instead of 60`,
        docUrl: 'https://devcenter.heroku.com/articles/error-codes#r10-boot-timeout',
      }) as const,
  ),
] as const satisfies readonly FeatureKind[]

/** How the app's dynos follow each other. */
export const prebootFeature = {
  name: 'preboot',
  state: 'general',
  title: 'Preboot',
  description: 'Start new web dynos some minutes before the old ones are stopped',
  docUrl: 'https://devcenter.heroku.com/articles/preboot',
} as const satisfies FeatureKind

/** On, as the CLI wants it before it connects, until somebody turns it off. */
export const execFeature = {
  name: 'runtime-heroku-exec',
  state: 'general',
  title: 'Heroku Exec',
  description: 'Let heroku ps:exec, ps:copy and ps:forward into running dynos',
  docUrl: 'https://devcenter.heroku.com/articles/exec',
} as const satisfies FeatureKind

/** Everything that is turned on and off as it is, for `heroku features` and `heroku labs`. */
export const appFeatures: readonly FeatureKind[] = [
  ...routerFeatures,
  prebootFeature,
  execFeature,
  ...dynoFeatures,
]

/** What the record of an app holds while the feature is not as it is by itself. */
export const markOf = (name: string): string => (isOnByItself(name) ? `no-${name}` : name)
export const isOnByItself = (name: string): boolean => name === execFeature.name
export const isFeatureOn = (name: string, marks: readonly string[]): boolean =>
  marks.includes(markOf(name)) !== isOnByItself(name)

const dynoFeatureNames: ReadonlySet<string> = new Set(dynoFeatures.map(({ name }) => name))
export const isDynoFeature = (name: string): boolean => dynoFeatureNames.has(name)

/** How long a web process of an app with these features on may take to bind to $PORT: the longest counts. */
export const bootTimeoutMsOf = (features: readonly string[] = []): number =>
  features.reduce((ms, name) => {
    const seconds = /^boot-timeout-(\d+)$/.exec(name)?.[1]
    return seconds === undefined ? ms : Math.max(ms, Number(seconds) * 1_000)
  }, heroku.bootTimeoutMs)

/** That a process type never runs twice. */
export const singletonFeature = (type: string): FeatureKind => ({
  name: `singleton-${type}`,
  state: 'general',
  title: `Singleton ${type}`,
  description: `Never run two ${type} processes of the same name at once, whatever happens`,
  docUrl: '',
})
