/**
 * Shard: one router process. Its table and proxy serve requests by themselves; the actor keeps the table
 * true.
 *
 * Announcements come on a topic and may be missed, so the most used routes are asked for again from time to
 * time and after each reconnection. Losing this actor costs freshness, never a request.
 */
import { actor, type Caller } from '../../src/runtime/index.ts'
import { Routing } from '../effects/routing.ts'
import { Shard } from '../protocols/shard.ts'

type State = { readonly asked: readonly Caller[] }

const revalidateEveryMs = 60_000

export const shard = actor(Shard, {
  // Only the newest word on an app counts.
  mailbox: {
    capacity: 10_000,
    overflow: 'latest-per-key',
    keyOf: (message) => (message.type === 'routed' ? message.route.appId : undefined),
  },
  init: (_: null, ctx): State => {
    ctx.after('revalidate', revalidateEveryMs, { type: 'revalidate' })
    return { asked: [] }
  },
  receive: {
    routed(s, { route }, ctx) {
      ctx.run(Routing.apply({ route }))
      return s
    },
    revalidate(s, _, ctx) {
      ctx.run(Routing.revalidate({}))
      ctx.after('revalidate', revalidateEveryMs, { type: 'revalidate' })
      return s
    },
    stats(s, _, ctx) {
      ctx.run(Routing.stats({}), (stats) => ({ type: 'counted', ...stats }))
      return { asked: [...s.asked, ctx.caller] }
    },
    counted(s, { cached, hits, misses, inFlight }, ctx) {
      for (const caller of s.asked) ctx.answer(caller, { cached, hits, misses, inFlight })
      return { asked: [] }
    },
    drain(s, _, ctx) {
      ctx.run(Routing.drain({}))
      return s
    },
  },
})
