/**
 * What a shard's actor may ask of its process: the route table and the proxy, which serve requests by
 * themselves.
 */
import { effect } from '../../src/runtime/index.ts'
import type { Route } from '../protocols/shapes.ts'

export const Routing = {
  apply: effect<{ route: Route }, void>('routing.apply'),
  /** Asks the formations again for the most used routes. */
  revalidate: effect<Record<string, never>, void>('routing.revalidate'),
  stats: effect<Record<string, never>, { cached: number; hits: number; misses: number; inFlight: number }>(
    'routing.stats',
  ),
  /** Finishes what is in flight, then ends the process. */
  drain: effect<Record<string, never>, void>('routing.drain'),
}
