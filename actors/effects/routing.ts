/**
 * What a shard's actor may ask of its process: the route table and the proxy, which serve requests by
 * themselves.
 */
import { effect } from '../../src/runtime/index.ts'

export type ShardCounts = Readonly<
  Record<'cached' | 'hits' | 'misses' | 'unsure' | 'asking' | 'inFlight', number>
>

export const Routing = {
  /** Reads what changed in the record since the last time. */
  follow: effect<Record<string, never>, void>('routing.follow'),
  /** Asks again for the most used routes. */
  revalidate: effect<Record<string, never>, void>('routing.revalidate'),
  stats: effect<Record<string, never>, ShardCounts>('routing.stats'),
  /** Finishes what is in flight, then ends the process. */
  drain: effect<Record<string, never>, void>('routing.drain'),
}
