/**
 * The ways of a pipeline that take several steps: its name, and apps that come and go. Every step may be done
 * twice; an activation that finds something unfinished does it again.
 */
import { ref, type AskFailure, type Ctx, type EffectError } from '../../src/runtime/index.ts'
import { Names } from '../effects/names.ts'
import { App } from '../protocols/app.ts'
import type { Coupling, Pipeline } from '../protocols/pipeline.ts'
import type { Waiting } from '../waiting.ts'
import { unfinished, type PipelineRecord } from './record.ts'

export type Self = Ctx<typeof Pipeline>

/** `p` null: no such pipeline. */
export type State = { readonly p: PipelineRecord | null; readonly waiting: Waiting }

const stepTimeoutMs = 10_000
const againMs = 2_000
/** Wakes the actor should nothing else do so. */
const remindMs = 30_000

/** Everything that is under way, begun (again). */
export const resume = (p: PipelineRecord, ctx: Self): void => {
  for (const coupling of p.joining) join(coupling, ctx)
  for (const coupling of p.leaving) leave(coupling, ctx)
  for (const name of p.releasing) release(p, name, ctx)
  claim(p, ctx)
}

/** A name that is still being given back is claimed when that is done. */
export const claim = (p: PipelineRecord, ctx: Self): void => {
  const { claiming: name } = p
  if (name === null || p.releasing.includes(name)) return
  ctx.run(
    Names.claim(held(p, name, ctx)),
    () => ({ type: 'claimed', name }),
    ({ code, message }) => ({ type: 'claimFailed', name, code, reason: message }),
  )
}

export const release = (p: PipelineRecord, name: string, ctx: Self): void =>
  ctx.run(Names.release(held(p, name, ctx)), () => ({ type: 'releasedName', name }), failed('names'))

/** Two owners may each have a pipeline of a name. */
const held = (p: PipelineRecord, name: string, ctx: Self) =>
  ({ kind: 'pipeline', name: `${p.pipeline.owner.id}/${name}`, appId: ctx.self.key }) as const

export const join = ({ appId, createdAt: at }: Coupling, ctx: Self): void =>
  ctx.ask(
    ref(App, appId),
    { type: 'couple', pipelineId: ctx.self.key, at },
    stepTimeoutMs,
    () => ({ type: 'coupled', appId, at }),
    (failure) =>
      failure.kind === 'refused'
        ? { type: 'coupleRefused', appId, at, code: failure.code, reason: failure.reason }
        : failed('couple')(failure),
  )

export const leave = ({ appId, createdAt: at }: Coupling, ctx: Self): void => {
  const done = () => ({ type: 'uncoupled', appId, at }) as const
  ctx.ask(
    ref(App, appId),
    { type: 'uncouple', pipelineId: ctx.self.key, at },
    stepTimeoutMs,
    done,
    // An app that is gone is in no pipeline.
    (failure) => (failure.kind === 'refused' ? done() : failed('uncouple')(failure)),
  )
}

const failed =
  (step: string) =>
  (error: EffectError | AskFailure): { type: 'stepFailed'; step: string; reason: string } => ({
    type: 'stepFailed',
    step,
    reason: 'reason' in error ? error.reason : error.message,
  })

/** A failed step is tried again soon; should this activation die, a reminder starts another. */
export const later = (ctx: Self): void => ctx.after('resume', againMs, { type: 'resume' })

/** The record as it is from now on, with a reminder while something is to be done; null: there is none. */
export const become = (s: State, p: PipelineRecord | null, ctx: Self): State => {
  const was = s.p !== null && unfinished(s.p)
  const isNow = p !== null && unfinished(p)
  if (isNow && !was) remind(ctx)
  if (was && !isNow) ctx.forget('resume')
  return { ...s, p }
}

export const remind = (ctx: Self): void => ctx.remind('resume', ctx.now + remindMs, { type: 'resume' })
