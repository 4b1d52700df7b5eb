/**
 * A live run that the record does not know: started by a placement while the record was away, or decided by a
 * later state of a record that was rolled back since. It holds its slot when nothing better does; else it
 * ends.
 */
import type { RunReport } from '../protocols/shapes.ts'
import { isSingleton } from './order.ts'
import { withSlot, type Formed, type RunState, type Slot } from './record.ts'
import { end, halt, isFormed, sayState, type Self } from './rollout.ts'

export const adopt = (f: Formed, host: string, since: number, report: RunReport, ctx: Self): Formed => {
  if (report.phase === 'exited') return f
  const slot = f.slots.find((held) => held.name === report.name)
  if (slot === undefined || !isWanted(f, slot, report)) {
    halt(host, report.id, report.name, ctx)
    return f
  }
  ctx.log({ at: 'adopted', dyno: slot.name, run: report.id, host, epoch: report.epoch })
  const run: RunState = {
    id: report.id,
    epoch: report.epoch,
    host,
    phase: report.phase,
    at: ctx.now,
    since,
    address: report.address,
    port: report.port,
    outer: report.outer,
    halted: false,
  }
  const f2 = { ...f, epoch: Math.max(f.epoch, report.epoch) }
  const held: Slot = { ...slot, run, lastRunId: run.id, dueAt: 0, updatedAt: ctx.now }
  if (report.phase === 'up') {
    sayState(slot, 'up', ctx)
    const ended = end(end(f2, slot, slot.run, ctx), slot, slot.old, ctx)
    return withSlot(ended, slot.name, { ...held, old: null, state: 'up' })
  }
  sayState(slot, 'starting', ctx)
  const serves = slot.run?.phase === 'up' && !isSingleton(f, slot)
  const ended = end(f2, slot, serves ? slot.old : slot.run, ctx)
  return withSlot(ended, slot.name, { ...held, old: serves ? slot.run : slot.old, state: 'starting' })
}

const isWanted = (f: Formed, slot: Slot, report: RunReport): boolean => {
  if (f.destroying || !isFormed(slot) || slot.state === 'idle' || report.phase === 'stopping') return false
  if (report.releaseVersion !== f.release?.version) return false
  if (report.releaseId !== undefined && report.releaseId !== f.release.id) return false
  // Its end is on record: a host that starts again finds what is left of it before it sees that it ended.
  if (slot.run === null && slot.lastRunId === report.id) return false
  return slot.run === null || slot.run.phase === 'placing' || report.epoch > slot.run.epoch
}
