/**
 * What hosts say, taken into the record: a run came up, ended, or is not there any more.
 *
 * The host is right about what runs on it; the record is right about what should. Reports may be lost,
 * doubled or late, so a phase only moves forward, and a run unknown to the record is told to end.
 */
import type { RunReport } from '../protocols/shapes.ts'
import { adopt } from './adopt.ts'
import { crashPolicy } from './crash-policy.ts'
import { heroku } from '../../config/heroku.ts'
import { endPhase } from './phase.ts'
import { isKept } from './preboot.ts'
import { regain } from './regain.ts'
import { withSlot, type Ending, type Formed, type RunState, type Slot } from './record.ts'
import { end, halt, launch, sayState, send, type Self } from './rollout.ts'

/** An announcement may have left its host before the report of a run that is not in it. */
const missingGraceMs = 3_000
const rank = { placing: 0, sent: 1, starting: 2, up: 3, stopping: 4, exited: 5 } as const

/** One run as its host sees it. `since`: the host's incarnation, 0 when the report does not say. */
export const observe = (f: Formed, host: string, since: number, report: RunReport, ctx: Self): Formed => {
  const ending = f.ending.find((run) => run.id === report.id)
  if (ending !== undefined) return observeEnding(f, ending, since, report)
  const slot = f.slots.find((held) => held.run?.id === report.id || held.old?.id === report.id)
  if (slot === undefined) return adopt(regain(f, report, ctx), host, since, report, ctx)
  const run = slot.run?.id === report.id ? slot.run : slot.old!
  // The same run on two hosts: its record was rolled back and it was placed again. The record's one stays.
  if (run.host !== null && run.host !== host) {
    if (report.phase !== 'exited') halt(host, report.id, report.name, ctx)
    return f
  }
  return run === slot.run
    ? observeRun(f, slot, { ...run, host }, since, report, ctx)
    : observeOld(f, slot, run, since, report)
}

/** Everything of this app on one host: what the record expects there and the host does not name is gone. */
export const observeAll = (
  f: Formed,
  host: string,
  since: number,
  reports: readonly RunReport[],
  ctx: Self,
): Formed => {
  const told = reports.reduce((next, report) => observe(next, host, since, report, ctx), f)
  const named = new Set(reports.map((report) => report.id))
  const gone = (run: { readonly id: string; readonly at: number; readonly since: number }): boolean =>
    !named.has(run.id) &&
    ((run.since !== 0 && since > run.since) || (since >= run.since && ctx.now - run.at > missingGraceMs))
  const here = told.slots.reduce((next, slot) => missing(next, slot, host, named, gone, ctx), told)
  const ending = here.ending.filter((run) => !(run.host === host && run.seen && gone(run)))
  return ending.length === here.ending.length ? here : { ...here, ending }
}

const missing = (
  f: Formed,
  slot: Slot,
  host: string,
  named: ReadonlySet<string>,
  gone: (run: RunState) => boolean,
  ctx: Self,
): Formed => {
  const kept: Slot = slot.old?.host === host && gone(slot.old) ? { ...slot, old: null } : slot
  const f2 = kept === slot ? f : withSlot(f, slot.name, kept)
  const run = slot.run
  if (run === null || run.host !== host || named.has(run.id)) return f2
  if (run.phase === 'sent') {
    send(f2, kept, run, ctx)
    return f2
  }
  if (!gone(run)) return f2
  if (slot.oneOff !== null) return complete(f2, kept, false, ctx)
  // The machine failed, not the app: no crash is counted.
  sayState(kept, 'starting', ctx)
  if (isKept(f2, kept)) return launch(f2, kept, ctx)
  return launch(end(f2, kept, kept.old, ctx), { ...kept, old: null }, ctx)
}

const observeEnding = (f: Formed, ending: Ending, since: number, report: RunReport): Formed => {
  if (report.phase === 'exited') return { ...f, ending: f.ending.filter((run) => run !== ending) }
  if (ending.seen && (since === 0 || since === ending.since)) return f
  const seen = { ...ending, seen: true, since: since === 0 ? ending.since : since }
  return { ...f, ending: f.ending.map((run) => (run === ending ? seen : run)) }
}

const observeOld = (f: Formed, slot: Slot, old: RunState, since: number, report: RunReport): Formed => {
  const next = report.phase === 'exited' ? null : advance(old, since, report, old.at)
  return next === old ? f : withSlot(f, slot.name, { ...slot, old: next })
}

const observeRun = (
  f: Formed,
  slot: Slot,
  run: RunState,
  since: number,
  report: RunReport,
  ctx: Self,
): Formed => {
  if (report.phase === 'exited') {
    if (slot.oneOff === null) return crashed(f, slot, run, report, ctx)
    return complete(f, slot, report.code === 0 && report.error === null, ctx)
  }
  const next = advance(run, since, report, ctx.now)
  if (next === run) return f
  const oneOff = slot.oneOff === null ? null : { ...slot.oneOff, env: {}, attach: null }
  const held: Slot = { ...slot, run: next, oneOff }
  if (next.phase !== 'up' || slot.state === 'up' || run.halted) return withSlot(f, slot.name, held)
  sayState(slot, 'up', ctx)
  const up: Slot = { ...held, state: 'up', updatedAt: ctx.now }
  if (isKept(f, slot)) return withSlot(f, slot.name, up)
  return withSlot(end(f, slot, slot.old, ctx), slot.name, { ...up, old: null })
}

/** The same object when the report says nothing new. */
const advance = (run: RunState, since: number, report: RunReport, now: number): RunState => {
  const phase = report.phase
  const renewed = since === 0 ? run.since : Math.max(run.since, since)
  if (phase === 'exited' || rank[phase] <= rank[run.phase]) {
    return renewed === run.since ? run : { ...run, since: renewed }
  }
  // A run that stops keeps the time it came up at: the crash policy asks how long that was.
  const at = phase === 'stopping' && run.phase === 'up' ? run.at : now
  return {
    ...run,
    phase,
    at,
    since: renewed,
    address: report.address,
    port: report.port,
    outer: report.outer,
  }
}

/** A one-off is over, whatever its status. @param ok it ended by itself, with status 0 */
export const complete = (f: Formed, slot: Slot, ok: boolean, ctx: Self): Formed => {
  sayState(slot, 'complete', ctx)
  const dueAt = ctx.now + heroku.completeKeptMs
  return withSlot(endPhase(f, slot, ok, ctx), slot.name, {
    ...slot,
    run: null,
    state: 'complete',
    updatedAt: ctx.now,
    dueAt,
  })
}

/** A process that ended by itself, whatever its status. */
const crashed = (f: Formed, slot: Slot, run: RunState, report: RunReport, ctx: Self): Formed => {
  const wasUp = run.phase === 'up' || run.phase === 'stopping'
  const upMs = wasUp ? Math.max(1, ctx.now - run.at) : 0
  const crash = { before: slot.crashes, upMs, error: report.error, chance: ctx.random() }
  // One that a user stopped did not crash.
  const { crashes, waitMs } = run.halted ? { crashes: slot.crashes, waitMs: 0 } : crashPolicy(crash)
  ctx.log({
    at: 'crash',
    dyno: slot.name,
    run: run.id,
    code: report.code ?? -1,
    error: report.error ?? '',
    waitMs,
  })
  // Stopped so that its next life can begin: nothing has crashed.
  const isNext = run.halted && slot.state === 'starting'
  if (!isNext) sayState(slot, 'crashed', ctx)
  // Nothing is taken from those who are served while the new one fails to boot.
  const old = isKept(f, slot) ? slot.old : null
  const down: Slot = {
    ...slot,
    run: null,
    old,
    state: isNext ? 'starting' : 'crashed',
    crashes,
    updatedAt: ctx.now,
  }
  const freed = old === null ? end(f, slot, slot.old, ctx) : f
  const ended = withSlot(freed, slot.name, { ...down, dueAt: ctx.now + waitMs })
  return waitMs === 0 ? wakeUp(ended, down, ctx) : ended
}

/** The cool-off is over. */
export const wakeUp = (f: Formed, slot: Slot, ctx: Self): Formed => {
  sayState(slot, 'starting', ctx)
  return launch(f, slot, ctx)
}
