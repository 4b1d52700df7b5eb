/**
 * Pipeline: apps in stages. A pipeline holds which apps it has; each app holds which pipeline it is in, and
 * so is in one at most, whoever decides elsewhere.
 *
 * What is under way is on record before it is begun. Lost with the activation: who waits for an answer; what
 * they wait for is finished all the same.
 */
import { actor, type AskCtx } from '../src/runtime/index.ts'
import * as record from './pipeline/record.ts'
import { newPipeline, pipelineRecordSchema, unfinished, type PipelineRecord } from './pipeline/record.ts'
import * as saga from './pipeline/saga.ts'
import { become, type Self, type State } from './pipeline/saga.ts'
import { Pipeline } from './protocols/pipeline.ts'
import { settle, wait } from './waiting.ts'

export const pipeline = actor(Pipeline, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  durable: {
    version: 1,
    schema: pipelineRecordSchema,
    save: (s: State) => s.p ?? undefined,
    load: (p): State => ({ p, waiting: new Map() }),
  },
  init: (): State => ({ p: null, waiting: new Map() }),
  awake(s, ctx) {
    if (s.p !== null && unfinished(s.p)) saga.resume(s.p, ctx)
    return s
  },
  receive: {
    create(s, { name, owner, isOfTeam }, ctx) {
      if (s.p?.phase === 'live') {
        ctx.reply(s.p.pipeline)
        return s
      }
      if (s.p !== null && s.p.phase !== 'creating') return gone(s, ctx)
      const waiting = wait(s, 'create', ctx.caller)
      if (s.p !== null) return { ...s, waiting }
      const p = newPipeline({ id: ctx.self.key, name, owner, ...(isOfTeam && { isOfTeam }) }, ctx.now)
      saga.claim(p, ctx)
      return become({ ...s, waiting }, p, ctx)
    },
    info(s, _, ctx) {
      if (s.p?.phase !== 'live') return gone(s, ctx)
      ctx.reply(s.p.pipeline)
      return s
    },
    rename(s, { name }, ctx) {
      if (s.p?.phase !== 'live') return gone(s, ctx)
      if (s.p.pipeline.name === name) {
        ctx.reply(s.p.pipeline)
        return s
      }
      if (s.p.claiming === name) return { ...s, waiting: wait(s, renaming, ctx.caller) }
      if (s.p.claiming !== null) {
        ctx.refuseCaller('conflict', 'This pipeline is being renamed already. Please try again.')
        return s
      }
      const p = { ...s.p, claiming: name }
      saga.claim(p, ctx)
      return become({ ...s, waiting: wait(s, renaming, ctx.caller) }, p, ctx)
    },
    couple(s, { appId, stage }, ctx) {
      if (s.p?.phase !== 'live') return gone(s, ctx)
      // Begun already, if only by this very question, whose first turn was stored and not known to be.
      if (s.p.joining.some((one) => one.appId === appId && one.stage === stage))
        return { ...s, waiting: wait(s, appId, ctx.caller) }
      const outcome = record.join(s.p, appId, stage, ctx.now)
      if ('code' in outcome) return refused(s, outcome, ctx)
      saga.join(outcome.coupling, ctx)
      return become({ ...s, waiting: wait(s, appId, ctx.caller) }, outcome.p, ctx)
    },
    restage(s, { appId, stage }, ctx) {
      if (s.p?.phase !== 'live') return gone(s, ctx)
      const outcome = record.restage(s.p, appId, stage, ctx.now)
      if ('code' in outcome) return refused(s, outcome, ctx)
      ctx.reply(outcome.coupling)
      return become(s, outcome.p, ctx)
    },
    uncouple(s, { appId }, ctx) {
      if (s.p?.phase !== 'live') return gone(s, ctx)
      if (s.p.leaving.some((one) => one.appId === appId)) return { ...s, waiting: wait(s, appId, ctx.caller) }
      const outcome = record.leave(s.p, appId, ctx.now)
      if ('code' in outcome) return refused(s, outcome, ctx)
      saga.leave(outcome.coupling, ctx)
      return become({ ...s, waiting: wait(s, appId, ctx.caller) }, outcome.p, ctx)
    },
    left(s, { appId }, ctx) {
      ctx.reply({})
      if (s.p === null) return s
      const [p, was] = [record.without(s.p, appId, ctx.now), s.p]
      const out = was.leaving.find((one) => one.appId === appId)
      const answered = settle(s, appId, (caller) => {
        if (out === undefined) ctx.refuse(caller, 'not_found', "Couldn't find that app.")
        else ctx.answer(caller, out)
      })
      return onward(answered, p, ctx)
    },
    destroy(s, _, ctx) {
      if (s.p === null || s.p.phase === 'creating') return gone(s, ctx)
      const waiting = wait(s, 'destroy', ctx.caller)
      if (s.p.phase !== 'live') return { ...s, waiting }
      const p = record.destroying(s.p)
      for (const coupling of p.leaving) saga.leave(coupling, ctx)
      return onward({ ...s, waiting }, p, ctx)
    },
    claimed(s, { name }, ctx) {
      if (s.p === null || s.p.claiming !== name) return s
      if (s.p.phase === 'creating') {
        const live: PipelineRecord = { ...s.p, phase: 'live', claiming: null }
        return become(
          settle(s, 'create', (caller) => ctx.answer(caller, live.pipeline)),
          live,
          ctx,
        )
      }
      const former = s.p.pipeline.name
      const renamed = { ...s.p.pipeline, name, updatedAt: ctx.now }
      const p = { ...s.p, pipeline: renamed, claiming: null, releasing: [...s.p.releasing, former] }
      saga.release(p, former, ctx)
      return onward(
        settle(s, renaming, (caller) => ctx.answer(caller, renamed)),
        p,
        ctx,
      )
    },
    claimFailed(s, { name, code, reason }, ctx) {
      if (s.p === null || s.p.claiming !== name) return s
      if (code !== 'taken') {
        ctx.log({ at: 'claim_failed', name, reason })
        saga.later(ctx)
        return s
      }
      const what = s.p.phase === 'creating' ? 'create' : renaming
      const refusing = settle(s, what, (caller) =>
        ctx.refuse(caller, 'name_taken', `Name ${name} is already taken`),
      )
      return s.p.phase === 'creating'
        ? become(refusing, null, ctx)
        : onward(refusing, { ...s.p, claiming: null }, ctx)
    },
    releasedName(s, { name }, ctx) {
      if (s.p === null || !s.p.releasing.includes(name)) return s
      const p = { ...s.p, releasing: s.p.releasing.filter((other) => other !== name) }
      if (p.phase === 'ending' && p.releasing.length === 0) {
        return become(
          settle(s, 'destroy', (caller) => ctx.answer(caller, p.pipeline)),
          null,
          ctx,
        )
      }
      saga.claim(p, ctx)
      return become(s, p, ctx)
    },
    coupled(s, { appId, at }, ctx) {
      const done = s.p === null ? undefined : record.joined(s.p, appId, at, ctx.now)
      if (done === undefined) return s
      return become(
        settle(s, appId, (caller) => ctx.answer(caller, done.coupling)),
        done.p,
        ctx,
      )
    },
    coupleRefused(s, { appId, at, code, reason }, ctx) {
      if (!s.p?.joining.some((one) => one.appId === appId && one.createdAt === at)) return s
      const told = settle(s, appId, (caller) => ctx.refuse(caller, code, reason))
      return become(told, record.notJoined(s.p, appId, at), ctx)
    },
    uncoupled(s, { appId, at }, ctx) {
      const out = s.p?.leaving.find((one) => one.appId === appId && one.createdAt === at)
      if (s.p === null || out === undefined) return s
      const told = settle(s, appId, (caller) => ctx.answer(caller, out))
      return onward(told, record.isOut(s.p, appId, at), ctx)
    },
    stepFailed(s, { step, reason }, ctx) {
      ctx.log({ at: 'step_failed', step, reason })
      saga.later(ctx)
      return s
    },
    resume(s, _, ctx) {
      if (s.p === null || !unfinished(s.p)) return s
      saga.resume(s.p, ctx)
      // Reminders come once: the next one is set while there is something to do.
      saga.remind(ctx)
      return s
    },
  },
})

/** What callers of `rename` wait for; an app's id is what those wait for who have it join or leave. */
const renaming = 'rename'

type Refusing = Pick<AskCtx<typeof Pipeline, unknown>, 'refuseCaller'>

const gone = (s: State, ctx: Refusing): State => {
  ctx.refuseCaller('not_found', "Couldn't find that pipeline.")
  return s
}

const refused = (
  s: State,
  { code, reason }: { readonly code: string; readonly reason: string },
  ctx: Refusing,
): State => {
  ctx.refuseCaller(code, reason)
  return s
}

/** The name of a pipeline that is to go is given back once no app is in it. */
const onward = (s: State, p: PipelineRecord, ctx: Self): State => {
  if (p.phase !== 'destroying' || p.leaving.length > 0 || p.claiming !== null) return become(s, p, ctx)
  const { name } = p.pipeline
  saga.release(p, name, ctx)
  return become(s, { ...p, phase: 'ending', releasing: [...p.releasing, name] }, ctx)
}
