/** Shard: one router process on a host. Bound to its own node (key `shard`). */
import { ask, is, protocol, tell } from '../../src/runtime/index.ts'

/**
 * Topic on which every change of a route is published, encoded as one `routeShape` (see src/runtime codec
 * `pack`).
 */
export const routesTopic = 'routes'
/** Topic of stand-ins that begin and end to serve, each encoded as one `standInShape`. */
export const standInsTopic = 'standins'

const counts = {
  cached: is.int,
  hits: is.int,
  misses: is.int,
  /** Cached routes that are not made sure of since the last gap. */
  unsure: is.int,
  /** Hosts that are asked for now. */
  asking: is.int,
  /** Requests. */
  inFlight: is.int,
}

export const Shard = protocol('shard', 1, {
  stats: ask({}, is.obj(counts)),
  /** Own timer, and from the process after a reconnection: what did the table miss? */
  follow: tell({}),
  /** Own timer. */
  revalidate: tell({}),
  counted: tell(counts),
  /** Finish what is in flight, then end. */
  drain: tell({}),
})
