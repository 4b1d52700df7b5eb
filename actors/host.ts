/**
 * Host: the dynos of this machine. Starts a Dyno for each run it is told to launch, adopts what still runs
 * when it comes up, and announces what is here to placement and to every formation concerned, again and
 * again.
 *
 * It owns nothing that cannot be found again in the container engine. Launches wait until that was asked
 * once. Failure policy: restarted at once under a new incarnation (`since`); dynos run on meanwhile.
 */
import { dynoSizeDefault, memoryBytesOf } from '../config/dyno-sizes.ts'
import { actor, ref, refAt, type Ctx } from '../src/runtime/index.ts'
import { dyno, type Adopted } from './dyno.ts'
import { Census } from './effects/census.ts'
import { Container, type Found } from './effects/container.ts'
import { Fleet } from './effects/fleet.ts'
import { Routes } from './effects/routes.ts'
import { nothingSaid, sayFleet, type Said } from './host/fleet.ts'
import {
  appsOf,
  exitedReport,
  freshReport,
  isStale,
  reportsOf,
  withEpoch,
  type Epochs,
  type Held,
  type Runs,
} from './host/runs.ts'
import { Dyno } from './protocols/dyno.ts'
import { Formation } from './protocols/formation.ts'
import { Host } from './protocols/host.ts'
import type { FleetMember, Run, RunReport } from './protocols/shapes.ts'

type State = {
  /** This incarnation: when it began. */
  readonly since: number
  readonly runs: Runs
  /** What the engine runs is known: announcements are complete. */
  readonly adopted: boolean
  readonly waiting: readonly Run[]
  /** Runs whose Dyno actor died unasked: the engine is asked what became of them. */
  readonly orphans: readonly string[]
  /** Bytes; null until measured: nothing is placed here before. */
  readonly memoryBytes: number | null
  readonly censuses: number
  readonly epochs: Epochs
  readonly said: Said
  /** The next announcement to placement is due; `full`: of everything. */
  readonly due: 'no' | 'changes' | 'full'
  readonly dueAt: number
  readonly ticks: number
  /** What the membership has this host for. */
  readonly membership: FleetMember['state'] | 'unknown'
  /** Its lease may be over elsewhere. */
  readonly fenced: boolean
}
type Self = Ctx<typeof Host>

const tickMs = 10_000
const againMs = 1_000
/** What ended is announced within this: its room is free. What started was promised room, and can wait. */
const gatherMs = 50
const startedMs = 1_000
/** A full announcement that was asked for comes within this: all hosts may be asked at once. */
const surveyMs = 500
/** Of the ticks: a full announcement without being asked. */
const fullTicks = 6
/** The engine is asked again, for runs that nobody here knows. */
const findMs = 60_000
const waitingMax = 1_000
/** An exited run is remembered so that a late copy of its launch does not start it again. */
const exitedKeptMs = 120_000
/** Tells may be lost, so the apps hear of a new incarnation more than once. */
const censusesMax = 3
const censusMs = 15_000

export const host = actor(Host, {
  mailbox: { capacity: 10_000, overflow: 'reject' },
  init(_: null, ctx): State {
    find(ctx)
    measure(ctx)
    ctx.after('tick', tickMs, { type: 'tick' })
    return {
      since: ctx.now,
      runs: new Map(),
      adopted: false,
      waiting: [],
      orphans: [],
      memoryBytes: null,
      censuses: 0,
      epochs: new Map(),
      said: nothingSaid(),
      due: 'no',
      dueAt: 0,
      ticks: 0,
      membership: 'unknown',
      fenced: false,
    }
  },
  receive: {
    launch(s, { run, standsIn = false }, ctx) {
      if (s.adopted) return launch(s, run, standsIn, ctx)
      return { ...s, waiting: [...s.waiting, run].slice(-waitingMax) }
    },
    halt: (s, m, ctx) => halt(s, m, ctx),
    announce(s, { appId }, ctx) {
      announce(s, appId, ctx)
      return s
    },
    survey: (s, _, ctx) => due(s, 'full', ctx.random() * surveyMs, ctx),
    announceRuns: (s, _, ctx) => announceRuns(s, ctx),
    load(s, _, ctx) {
      const draining = s.membership === 'draining'
      ctx.reply({ memoryBytes: s.memoryBytes ?? 0, ...usage(s), draining, fenced: s.fenced })
      return s
    },
    viewChanged(s, { view }, ctx) {
      const membership: State['membership'] =
        view.members.find((member) => member.name === ctx.host)?.state ?? 'unknown'
      // Others may have decided without this host: it says what is here, and hears what is surplus.
      const isBack = membership === 'up' && s.membership !== 'up' && s.membership !== 'draining'
      const next = { ...s, membership }
      if (isBack) for (const appId of appsOf(s.runs)) announce(s, appId, ctx)
      return isBack ? due(next, 'full', gatherMs, ctx) : next
    },
    fence: (s, { isFenced }, ctx) => fence(s, isFenced, ctx),
    changed: (s, { report }, ctx) => changed(s, report, ctx),
    found: (s, { runs }, ctx) => found(s, runs, ctx),
    findFailed(s, { reason }, ctx) {
      ctx.log({ at: 'find_failed', reason })
      ctx.after('find', againMs, { type: 'find' })
      return s
    },
    measured(s, { memoryBytes }, ctx) {
      return due({ ...s, memoryBytes }, 'full', gatherMs, ctx)
    },
    counted(s, { appIds }, ctx) {
      const here = new Set(appsOf(s.runs))
      for (const appId of appIds) if (!here.has(appId)) announce(s, appId, ctx)
      return s
    },
    tick: (s, _, ctx) => tick(s, ctx),
    find(s, _, ctx) {
      find(ctx)
      return s
    },
    census(s, _, ctx) {
      ctx.run(
        Census.formations({}),
        ({ appIds }) => ({ type: 'counted', appIds }),
        () => ({ type: 'counted', appIds: [] }),
      )
      if (s.censuses + 1 < censusesMax) ctx.after('census', censusMs, { type: 'census' })
      return { ...s, censuses: s.censuses + 1 }
    },
  },
  down: (s, { ref: gone, reason }, ctx) => dynoDown(s, gone.key, reason, ctx),
})

const find = (ctx: Self): void => {
  ctx.run(
    Container.list({}),
    ({ runs }) => ({ type: 'found', runs: [...runs] }),
    ({ message }) => ({ type: 'findFailed', reason: message }),
  )
  ctx.after('find', findMs, { type: 'find' })
}

const measure = (ctx: Self): void =>
  ctx.run(Container.capacity({}), ({ memoryBytes }) => ({ type: 'measured', memoryBytes }))

/**
 * Idempotent by run id. An older decision for a slot than one already here is refused, and reported as over.
 */
const launch = (s: State, run: Run, standsIn: boolean, ctx: Self): State => {
  if (s.runs.has(run.id)) {
    announce(s, run.appId, ctx)
    return s
  }
  const stale = isStale(s.epochs, run)
  // Its formation says it again until the lease holds, or this host is dead to it.
  if (!stale && s.fenced && run.singleton) {
    ctx.log({ at: 'fenced_launch', run: run.id, dyno: run.name, epoch: run.epoch })
    return s
  }
  if (stale) ctx.log({ at: 'stale_launch', run: run.id, dyno: run.name, epoch: run.epoch })
  else spawn(run, null, ctx)
  const next = hold({ ...s, epochs: withEpoch(s.epochs, run) }, run.id, {
    report: stale ? exitedReport(run, 'R99') : freshReport(run),
    memoryBytes: memoryBytesOf(run.size),
    singleton: run.singleton,
    standsIn: standsIn && run.type === 'web',
    at: ctx.now,
  })
  announce(next, run.appId, ctx)
  return stale ? next : due(next, 'changes', startedMs, ctx)
}

const spawn = (run: Run, adopted: Adopted | null, ctx: Self): void => {
  ctx.spawn(dyno, run.id, { run, adopted })
  ctx.watch(refAt(Dyno, run.id, ctx.host))
}

/** Halting what never came leaves a mark, so that a launch that is still on its way finds it. */
const halt = (s: State, m: { runId: string; appId: string; name: string }, ctx: Self): State => {
  const held = s.runs.get(m.runId)
  if (held === undefined) {
    if (!s.adopted) return { ...s, waiting: s.waiting.filter((run) => run.id !== m.runId) }
    const none = { id: m.runId, appId: m.appId, name: m.name, epoch: 0, releaseVersion: 0 }
    const report = exitedReport(none, null)
    const next = hold(s, m.runId, { report, memoryBytes: 0, singleton: false, at: ctx.now })
    announce(next, m.appId, ctx)
    return next
  }
  if (held.report.phase === 'exited') announce(s, m.appId, ctx)
  else ctx.tell(refAt(Dyno, m.runId, ctx.host), { type: 'stop' })
  return s
}

const changed = (s: State, report: RunReport, ctx: Self): State => {
  const held = s.runs.get(report.id)
  if (held?.report.phase === 'exited') return s
  // A dyno of an earlier incarnation speaks up before the engine listed it.
  if (held === undefined) ctx.watch(refAt(Dyno, report.id, ctx.host))
  const memoryBytes = held?.memoryBytes ?? memoryBytesOf(dynoSizeDefault)
  const singleton = held?.singleton ?? false
  const epochs = withEpoch(s.epochs, report)
  const standsIn = held?.standsIn ?? false
  const next = hold({ ...s, epochs }, report.id, { report, memoryBytes, singleton, standsIn, at: ctx.now })
  if (standsIn) tellRouters(report, ctx)
  if (report.phase !== 'exited') return held === undefined ? due(next, 'changes', gatherMs, ctx) : next
  announce(next, report.appId, ctx)
  return due(next, 'changes', gatherMs, ctx)
}

/** Its formation waits for the record, which may take as long as an election; until then this word counts. */
const tellRouters = ({ id, appId, name, epoch, phase, address, port, outer }: RunReport, ctx: Self): void => {
  if (phase === 'starting' || address === null || port === null) return
  const target = { runId: id, dyno: name, address, port, outer, epoch, host: ctx.host }
  ctx.run(Routes.standIn({ standIn: { appId, target, over: phase !== 'up' } }))
}

/** The engine's own list: everything in it that has no Dyno here gets one. */
const found = (s: State, runs: readonly Found[], ctx: Self): State => {
  const listed = new Map(runs.map((one) => [one.run.id, one]))
  let next = s
  for (const [id, { run, ...at }] of listed) {
    const held = s.runs.get(id)
    const orphan = s.orphans.includes(id)
    // One that has just exited may still be in a list that is older than its end.
    const late = held?.report.phase === 'exited' && ctx.now - held.at < findMs
    if (held !== undefined && !orphan && (late || held.report.phase !== 'exited')) continue
    spawn(run, at, ctx)
    next = hold({ ...next, epochs: withEpoch(next.epochs, run) }, id, {
      report: freshReport(run),
      memoryBytes: memoryBytesOf(run.size),
      singleton: run.singleton,
      at: ctx.now,
    })
  }
  for (const id of s.orphans) {
    const held = next.runs.get(id)
    if (held !== undefined && !listed.has(id)) {
      next = hold(next, id, { ...held, report: exitedReport(held.report, 'R99'), at: ctx.now })
    }
  }
  const first = !s.adopted
  next = { ...next, orphans: [], adopted: true, waiting: [] }
  if (first) {
    ctx.log({ at: 'adopted', runs: runs.length })
    ctx.after('census', 0, { type: 'census' })
  }
  next = s.waiting.reduce((state, run) => launch(state, run, false, ctx), next)
  if (!first && next.runs === s.runs) return next
  announceAll(next, ctx)
  return due(next, first ? 'full' : 'changes', gatherMs, ctx)
}

/** A Dyno that ended its run ended well. Any other death leaves a run to be found again. */
const dynoDown = (s: State, runId: string, reason: string, ctx: Self): State => {
  const held = s.runs.get(runId)
  if (held === undefined || held.report.phase === 'exited') return s
  ctx.log({ at: 'dyno_lost', run: runId, dyno: held.report.name, reason })
  ctx.after('find', againMs, { type: 'find' })
  return { ...s, orphans: [...s.orphans.filter((id) => id !== runId), runId] }
}

const tick = (s: State, ctx: Self): State => {
  ctx.after('tick', tickMs, { type: 'tick' })
  if (s.memoryBytes === null) measure(ctx)
  const kept = [...s.runs].filter(
    ([, held]) => held.report.phase !== 'exited' || ctx.now - held.at < exitedKeptMs,
  )
  const next = kept.length === s.runs.size ? s : { ...s, runs: new Map(kept) }
  announceAll(next, ctx)
  const full = (s.ticks + 1) % fullTicks === 0
  return due({ ...next, ticks: s.ticks + 1 }, full ? 'full' : 'changes', ctx.random() * surveyMs, ctx)
}

const announceAll = (s: State, ctx: Self): void => {
  if (!s.adopted) return
  for (const appId of appsOf(s.runs)) announce(s, appId, ctx)
}

const announce = (s: State, appId: string, ctx: Self): void => {
  if (!s.adopted) return
  const runs = reportsOf(s.runs, appId)
  ctx.tell(ref(Formation, appId), { type: 'announced', host: ctx.host, since: s.since, runs })
}

/** Placement hears within so many ms, of what changes until then too. */
const due = (s: State, what: 'changes' | 'full', ms: number, ctx: Self): State => {
  if (!s.adopted || s.memoryBytes === null) return s
  const at = ctx.now + ms
  const isSooner = s.due === 'no' || at < s.dueAt
  if (isSooner) ctx.after('announceRuns', ms, { type: 'announceRuns' })
  return { ...s, due: s.due === 'full' ? 'full' : what, dueAt: isSooner ? at : s.dueAt }
}

const announceRuns = (s: State, ctx: Self): State => {
  const { since, memoryBytes, runs } = s
  if (memoryBytes === null) return { ...s, due: 'no' }
  const about = { host: ctx.host, since, memoryBytes, runs }
  const { said, announcement } = sayFleet(s.said, about, s.due === 'full')
  ctx.run(Fleet.announce(announcement))
  return { ...s, said, due: 'no', dueAt: 0 }
}

/**
 * What must not run twice ends before others may start it. It is not started again here before its lease
 * holds.
 */
const fence = (s: State, fenced: boolean, ctx: Self): State => {
  if (fenced === s.fenced) return s
  const live = [...s.runs.values()].filter((held) => held.singleton && held.report.phase !== 'exited')
  ctx.log({ at: fenced ? 'fenced' : 'unfenced', singletons: live.length })
  if (fenced) for (const { report } of live) ctx.tell(refAt(Dyno, report.id, ctx.host), { type: 'fence' })
  const waiting = fenced ? s.waiting.filter((run) => !run.singleton) : s.waiting
  return { ...s, fenced, waiting }
}

const usage = (s: State): { reservedBytes: number; runs: number } => {
  const live = [...s.runs.values()].filter((held) => held.report.phase !== 'exited')
  return { reservedBytes: live.reduce((sum, held) => sum + held.memoryBytes, 0), runs: live.length }
}

const hold = (s: State, id: string, held: Held): State => ({ ...s, runs: new Map(s.runs).set(id, held) })
