/**
 * Builds: what is compiled on this host. Starts a Build for each push that this host took.
 *
 * Failure policy: restarted with its builds, all of which are lost then; what a former life left pending is
 * put on record as failed before anything else is compiled here.
 */
import { actor, refAt, type Ctx } from '../src/runtime/index.ts'
import { build } from './build.ts'
import { Builder } from './effects/builder.ts'
import { Build, Builds } from './protocols/build.ts'

type State = {
  /** When this life began: whatever began before it is over. */
  readonly since: number
  readonly running: ReadonlySet<string>
}

/** Each takes a processor and up to its dyno size of memory. */
const buildsMax = 16
const againMs = 5_000

export const builds = actor(Builds, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  init(_: null, ctx): State {
    bury(ctx.now, ctx)
    return { since: ctx.now, running: new Set() }
  },
  receive: {
    start(s, { buildId, job }, ctx) {
      if (s.running.has(buildId)) {
        ctx.reply({})
        return s
      }
      if (s.running.size >= buildsMax) {
        ctx.refuseCaller('too_many', 'too many builds run here now; try again when one has ended')
        return s
      }
      ctx.spawn(build, buildId, job)
      ctx.watch(refAt(Build, buildId, ctx.host))
      ctx.reply({})
      return { ...s, running: new Set(s.running).add(buildId) }
    },
    notBuried(s, { reason }, ctx) {
      ctx.log({ at: 'lost-builds-not-kept', reason })
      ctx.after('bury', againMs, { type: 'bury' })
      return s
    },
    bury(s, _, ctx) {
      bury(s.since, ctx)
      return s
    },
  },
  down: (s, { ref }) => ({ ...s, running: new Set([...s.running].filter((id) => id !== ref.key)) }),
})

const bury = (before: number, ctx: Ctx<typeof Builds>): void =>
  ctx.run(Builder.bury({ before }), undefined, ({ message }) => ({ type: 'notBuried', reason: message }))
