/**
 * Runs that go to another host because theirs is lost, drained or too full: decided by placement, on record
 * here. What is not as placement thought is left alone; the confirmation ends its asking either way.
 */
import type { MessageOf } from '../../src/runtime/index.ts'
import type { Formation } from '../protocols/formation.ts'
import { say } from '../say.ts'
import { isSingleton } from './order.ts'
import { withSlot, type Formed, type RunState, type Slot } from './record.ts'
import { isHeld } from './preboot.ts'
import { complete } from './observe.ts'
import { end, isFormed, launch, sayState, send, stopFirst, type Self } from './rollout.ts'

type Move = MessageOf<typeof Formation, 'move'>
type Way = Move['runs'][number]

export const move = (f: Formed, m: Move, ctx: Self): Formed =>
  m.runs.reduce((next, way) => moveOne(next, m.why, way, ctx), f)

const moveOne = (f: Formed, why: Move['why'], way: Way, ctx: Self): Formed => {
  const slot = f.slots.find((held) => held.run?.id === way.runId)
  if (slot?.run == null) return why === 'dead' ? forget(f, way.runId) : f
  if (!isFormed(slot)) return why === 'dead' ? complete(f, slot, false, ctx) : f
  if (way.epoch <= slot.run.epoch) return f
  if (why === 'dead') {
    sayMove(slot, ctx)
    return follow(f, { ...slot, old: null }, way, ctx)
  }
  if (isSingleton(f, slot)) return why === 'suspect' ? f : stopFirst(f, slot, ctx)
  if (way.host === null) return f
  sayMove(slot, ctx)
  const serves = slot.run.phase === 'up' && !slot.run.halted && !isHeld(f, slot)
  const ended = end(f, slot, serves ? slot.old : slot.run, ctx)
  return follow(ended, { ...slot, old: serves ? slot.run : slot.old }, way, ctx)
}

/** A host that is gone needs no asking whether its runs have ended. */
const forget = (f: Formed, runId: string): Formed => {
  const slot = f.slots.find((held) => held.old?.id === runId)
  if (slot !== undefined) return withSlot(f, slot.name, { ...slot, old: null })
  const ending = f.ending.filter((run) => run.id !== runId)
  return ending.length === f.ending.length ? f : { ...f, ending }
}

const sayMove = (slot: Slot, ctx: Self): void => {
  say(ctx, ctx.self.key, 'heroku', slot.name, 'Relocating dyno to a new server')
  sayState(slot, 'starting', ctx)
}

/** The next life, where placement found room for it; else where it will. */
const follow = (f: Formed, slot: Slot, { newRunId, epoch, host }: Way, ctx: Self): Formed => {
  if (host === null) return launch(f, { ...slot, state: 'starting' }, ctx)
  const run: RunState = {
    id: newRunId,
    epoch,
    host,
    phase: 'sent',
    at: ctx.now,
    since: 0,
    address: null,
    port: null,
    outer: null,
    halted: false,
  }
  const updatedAt = slot.state === 'starting' ? slot.updatedAt : ctx.now
  const started: Slot = { ...slot, run, lastRunId: run.id, state: 'starting', dueAt: 0, updatedAt }
  send(f, started, run, ctx)
  return withSlot({ ...f, epoch: Math.max(f.epoch, epoch) }, slot.name, started)
}
