/**
 * Shard: one router process. Its table and proxy serve requests by themselves; the actor keeps the table
 * true.
 *
 * Announcements go straight into the table, for a mailbox between would only be one more place to lose them;
 * those that were missed are made up for from the record, again and again. Losing this actor costs
 * freshness, never a request.
 */
import { actor, type Caller } from '../../src/runtime/index.ts'
import { Routing } from '../effects/routing.ts'
import { Shard } from '../protocols/shard.ts'

type State = { readonly asked: readonly Caller[] }

/** What was missed is known within this. */
const followEveryMs = 5_000
/** The most used routes are asked for again, whatever the record's order of changes says. */
const revalidateEveryMs = 60_000

export const shard = actor(Shard, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  init: (_: null, ctx): State => {
    ctx.after('follow', followEveryMs, { type: 'follow' })
    ctx.after('revalidate', revalidateEveryMs, { type: 'revalidate' })
    return { asked: [] }
  },
  receive: {
    follow(s, _, ctx) {
      ctx.run(Routing.follow({}))
      ctx.after('follow', followEveryMs, { type: 'follow' })
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
    counted(s, { cached, hits, misses, unsure, asking, inFlight }, ctx) {
      const counts = { cached, hits, misses, unsure, asking, inFlight }
      for (const caller of s.asked) ctx.answer(caller, counts)
      return { asked: [] }
    },
    drain(s, _, ctx) {
      ctx.run(Routing.drain({}))
      return s
    },
  },
})
