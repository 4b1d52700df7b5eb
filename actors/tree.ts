/**
 * The supervision trees of the platform, one screen each. Order is dependency; `npm run tree` prints them.
 */
import { child, dynamic, keyed, supervise, type TreeNode } from '../src/runtime/index.ts'
import { app } from './app.ts'
import { build } from './build.ts'
import { builds } from './builds.ts'
import { dyno } from './dyno.ts'
import { formation } from './formation.ts'
import { host } from './host.ts'
import { channel } from './logplex/channel.ts'
import { drain } from './logplex/drain.ts'
import { pipeline } from './pipeline.ts'
import { placement } from './placement.ts'
import { promotion } from './promotion.ts'
import { releases } from './releases.ts'
import { shard } from './router/shard.ts'
import { setup } from './setup.ts'
import { team } from './team.ts'
import { webhooks } from './webhooks.ts'

/** Apps with dynos stay active, for their routes are announced again and again. */
const formationsMax = 500_000
export const formations = keyed(formation, { activeMax: formationsMax })

/** What a host does (MANIFOLD_ROLES): `control`, `dyno`, `router`, `logplex`. */
export type HostRoles = {
  readonly roles: readonly string[]
  /** How many compile at once. */
  readonly buildsAtOnce?: number
}
const everyRole: HostRoles = { roles: ['control', 'dyno', 'router', 'logplex'] }

/**
 * The host process: the apps whose shard this host owns, and the dynos of this machine. Actors by key are
 * known on every host, and live on those that have their role.
 */
export const hostTree = ({ roles, buildsAtOnce = 1 }: HostRoles = everyRole): TreeNode =>
  // Any of both may go without the other: apps are decided elsewhere, dynos run on under the engine.
  supervise('host', { strategy: 'one_for_one', intensity: 5, periodMs: 60_000 }, [
    // A failed actor of a key is activated again from its record; its callers do not learn the outcome.
    supervise('apps', { strategy: 'one_for_one', intensity: 20, periodMs: 60_000 }, [
      // Lost: nothing new is placed until hosts have announced themselves again, which it asks for.
      ...(roles.includes('control') ? [child('placement', placement, null)] : []),
      // Lost: nothing; sources bring again what is not in the history yet.
      keyed(channel, { role: 'logplex' }),
      // Lost: nothing; the frame under way may be sent twice.
      keyed(drain, { role: 'logplex' }),
      keyed(releases),
      formations,
      keyed(app),
      keyed(team),
      // Lost: nothing; the delivery under way may be sent twice.
      keyed(webhooks),
      keyed(pipeline),
      keyed(promotion),
      // Lost: it has failed.
      keyed(setup),
    ]),
    ...(roles.includes('control') ? [buildTree(buildsAtOnce)] : []),
    ...(roles.includes('dyno') ? [dynoTree()] : []),
  ])

const buildTree = (atOnce: number): TreeNode =>
  // What it started goes with it: a new one puts on record what was lost, and must not meet what is not.
  supervise('compiler', { strategy: 'rest_for_one', intensity: 10, periodMs: 60_000 }, [
    // Lost: what was being compiled; the pushes are told so.
    child('builds', builds, { atOnce }),
    dynamic(build, { restart: 'temporary' }),
  ])

const dynoTree = (): TreeNode =>
  // The host goes first: a new one must not meet dynos that it did not start. They are all found again in the
  // engine.
  supervise('dynos', { strategy: 'rest_for_one', intensity: 10, periodMs: 60_000 }, [
    // Lost: launches under way; formations repeat them.
    child('host', host, null),
    // Never restarted by itself: a run is not started twice. The host finds it in the engine and adopts it.
    dynamic(dyno, { restart: 'temporary' }),
  ])

/** A router shard's own process: whatever else dies, requests are served. */
export const routerTree = (): TreeNode =>
  supervise('router', { strategy: 'one_for_one', intensity: 10, periodMs: 60_000 }, [
    // Lost: routes are cached by the process, which asks again for what it missed.
    child('shard', shard, null),
  ])
