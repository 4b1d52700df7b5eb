/**
 * Builds: what is compiled on this host, one build of an app at a time and a bounded number at once. Others
 * wait for their turn in the order in which they came, so that no app goes before another twice.
 *
 * Which build an app is busy with is in the app's ledger, whose word also decides whether the release of a
 * build is taken: one that was given up as lost, and comes back after another was begun, releases nothing.
 *
 * Failure policy: restarted with its builds, all of which are lost then; what a former life left pending is
 * put on record as failed before anything else is compiled here.
 */
import { actor, ref, refAt, type Caller, type Ctx } from '../src/runtime/index.ts'
import { build } from './build.ts'
import { Builder } from './effects/builder.ts'
import { Build, Builds, type BuildJob } from './protocols/build.ts'
import { Releases } from './protocols/releases.ts'

/** Asks to be its app's build; begins once it is. */
type Claim = {
  readonly job: BuildJob
  readonly caller: Caller
  readonly since: number
  /** A build that is known to be over. */
  readonly instead: string | undefined
}
type State = {
  /** When this life began: whatever began before it is over. */
  readonly since: number
  /** How many may compile at once. */
  readonly atOnce: number
  readonly claims: ReadonlyMap<string, Claim>
  /** There is an actor of it, until a while after its end. */
  readonly live: ReadonlySet<string>
  readonly compiling: ReadonlySet<string>
  /** Longest first. */
  readonly waiting: readonly string[]
}
type Self = Ctx<typeof Builds>

/** Each holds its output and its source. */
const buildsMax = 200
const againMs = 5_000
const askTimeoutMs = 5_000
const claimAgainMs = 500
/** Below what those who ask wait for. */
const claimMsMax = 12_000

export const builds = actor(Builds, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  init({ atOnce }: { readonly atOnce: number }, ctx): State {
    bury(ctx.now, ctx)
    const none = { live: new Set<string>(), compiling: new Set<string>(), waiting: [] }
    return { since: ctx.now, atOnce, claims: new Map(), ...none }
  },
  receive: {
    start(s, { buildId, job }, ctx) {
      if (s.live.has(buildId) || s.claims.has(buildId)) {
        ctx.reply({})
        return s
      }
      if (s.live.size + s.claims.size >= buildsMax) {
        ctx.refuseCaller('too_many', 'Too many builds are under way here. Please try again in a moment.')
        return s
      }
      const claim = { job, caller: ctx.caller, since: ctx.now, instead: undefined }
      ask(buildId, claim, ctx)
      return { ...s, claims: new Map(s.claims).set(buildId, claim) }
    },
    claim(s, { buildId }, ctx) {
      const claim = s.claims.get(buildId)
      if (claim !== undefined) ask(buildId, claim, ctx)
      return s
    },
    claimed(s, { buildId, held }, ctx) {
      const claim = s.claims.get(buildId)
      if (claim === undefined) return s
      if (held !== null) {
        ctx.run(
          Builder.look({ appId: claim.job.appId, ...held }),
          ({ isOver }) => ({ type: 'looked', buildId, holder: held.buildId, isOver }),
          ({ code, message }) => ({ type: 'unclaimed', buildId, code, reason: message }),
        )
        return s
      }
      ctx.spawn(build, buildId, claim.job)
      ctx.watch(refAt(Build, buildId, ctx.host))
      ctx.answer(claim.caller, {})
      return { ...without(s, buildId), live: new Set(s.live).add(buildId) }
    },
    looked(s, { buildId, holder, isOver }, ctx) {
      const claim = s.claims.get(buildId)
      if (claim === undefined) return s
      if (!isOver) {
        ctx.refuse(claim.caller, 'busy', 'Another build of this app is in progress. Please try again later.')
        return without(s, buildId)
      }
      const next = { ...claim, instead: holder }
      ask(buildId, next, ctx)
      return { ...s, claims: new Map(s.claims).set(buildId, next) }
    },
    unclaimed(s, { buildId, code, reason }, ctx) {
      const claim = s.claims.get(buildId)
      if (claim === undefined) return s
      if (code === 'not_found' || ctx.now - claim.since > claimMsMax) {
        ctx.refuse(claim.caller, code === 'not_found' ? code : 'platform', reason)
        return without(s, buildId)
      }
      ctx.after(`claim ${buildId}`, claimAgainMs, { type: 'claim', buildId })
      return s
    },
    turn(s, { buildId }, ctx) {
      const waits = s.waiting.includes(buildId) || s.compiling.has(buildId)
      const waiting = waits ? s.waiting : [...s.waiting, buildId]
      const free = s.atOnce - s.compiling.size
      const at = waiting.indexOf(buildId)
      if (at >= free) {
        ctx.reply({ ahead: s.compiling.size + at })
        return { ...s, waiting }
      }
      ctx.reply({ ahead: 0 })
      const compiling = new Set(s.compiling).add(buildId)
      return { ...s, compiling, waiting: waiting.filter((id) => id !== buildId) }
    },
    yield: (s, { buildId }) => idle(s, buildId),
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
  down: (s, { ref: gone }) => ({ ...idle(s, gone.key), live: except(s.live, gone.key) }),
})

const bury = (before: number, ctx: Self): void =>
  ctx.run(Builder.bury({ before }), undefined, ({ message }) => ({ type: 'notBuried', reason: message }))

const ask = (buildId: string, { job, instead }: Claim, ctx: Self): void =>
  ctx.ask(
    ref(Releases, job.appId),
    { type: 'beginBuild', buildId, host: ctx.host, ...(instead !== undefined && { instead }) },
    askTimeoutMs,
    ({ held }) => ({ type: 'claimed', buildId, held }),
    (failure) => {
      const code = failure.kind === 'refused' ? failure.code : failure.kind
      return { type: 'unclaimed', buildId, code, reason: failure.reason }
    },
  )

const without = (s: State, buildId: string): State => {
  const claims = new Map(s.claims)
  claims.delete(buildId)
  return { ...s, claims }
}

/** It compiles no more, and waits for nothing. */
const idle = (s: State, buildId: string): State => ({
  ...s,
  compiling: except(s.compiling, buildId),
  waiting: s.waiting.filter((id) => id !== buildId),
})

const except = (all: ReadonlySet<string>, one: string): ReadonlySet<string> =>
  new Set([...all].filter((id) => id !== one))
