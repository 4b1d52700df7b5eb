/** Shard: one router process on a host. Bound to its own node (key `shard`). */
import { ask, is, protocol, tell } from '../../src/runtime/index.ts'
import { routeShape } from './shapes.ts'

/**
 * Topic on which every change of a route is published, encoded as one `routeShape` (see src/runtime codec
 * `pack`).
 */
export const routesTopic = 'routes'

export const Shard = protocol('shard', 1, {
  /** A route as its formation published it. */
  routed: tell({ route: routeShape }),
  stats: ask({}, is.obj({ cached: is.int, hits: is.int, misses: is.int, inFlight: is.int })),
  /** Own timer, and from the process after a reconnection. */
  revalidate: tell({}),
  counted: tell({ cached: is.int, hits: is.int, misses: is.int, inFlight: is.int }),
  /** Finish what is in flight, then end. */
  drain: tell({}),
})
