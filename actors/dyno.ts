/**
 * Dyno: one run of one process on this host, from the unpacked slug to its exit status.
 *
 * The container engine owns the process, which outlives this actor: an adopted dyno takes up where the last
 * one stopped. Each change is told to the Formation and to the Host at once; both are told again in the
 * host's announcements. Failure policy: none of its own. A run is never started twice; what follows an exit
 * is the Formation's to decide.
 */
import { actor, ref, refAt, stop, type Ctx, type MessageOf, type Stop } from '../src/runtime/index.ts'
import { heroku } from '../config/heroku.ts'
import { bootTimeoutMsOf } from '../config/features.ts'
import { askQuiet, clientGone, clientQuiet, hangUp, runInside, watchClient } from './dyno/attached.ts'
import { expandCommand } from './dyno/command.ts'
import { judge, killedText, killText, loadOf, metricLines, type Load } from './dyno/sample.ts'
import { Container } from './effects/container.ts'
import { Dyno } from './protocols/dyno.ts'
import { identityOf } from './host/runs.ts'
import { Formation } from './protocols/formation.ts'
import { Host } from './protocols/host.ts'
import type { Outer, Run, RunReport } from './protocols/shapes.ts'
import { say } from './say.ts'

/** Where an adopted run was found. */
export type Adopted = {
  readonly address: string | null
  readonly port: number | null
  readonly outer: Outer
  readonly startedAt: number
}
export type DynoArgs = { readonly run: Run; readonly adopted: Adopted | null }
type State = {
  readonly run: Run
  /** `launching` covers bringing the slug, making the container and, attached, waiting for the client. */
  readonly phase: 'launching' | 'starting' | 'up' | 'stopping' | 'exited'
  readonly address: string | null
  readonly port: number | null
  readonly outer: Outer
  readonly startedAt: number | null
  readonly code: number | null
  readonly error: string | null
  /** Stop was asked before there was anything to stop. */
  readonly unwanted: boolean
  /** Its output ended and is all in the channel. */
  readonly shipped: boolean
  readonly tries: number
  /** Null: not looked at yet. */
  readonly load: Load | null
  /** SIGHUPs since its client went. */
  readonly hangups: number
  /** An exit that is seen before then happened while nobody watched. */
  readonly unwatchedUntil: number
}
type Self = Ctx<typeof Dyno>
type Started = MessageOf<typeof Dyno, 'started'>
type Sampled = MessageOf<typeof Dyno, 'sampled'>

/** The engine answers within this for a run that had ended before it was adopted. */
const unwatchedMs = 5_000
const againMs = 1_000
/** 128 + SIGKILL. */
const killedCode = 137
/** SIGTERM to SIGKILL of a fenced run: it has ended well before the lease has. */
const fencedKillMs = 2_000
/** After the exit there is an end to trying: logs or files that cannot be had are given up. */
const triesMax = 10

export const dyno = actor(Dyno, {
  mailbox: { capacity: 64, overflow: 'reject' },
  init: (args: DynoArgs, ctx) => begin(args, ctx),
  receive: {
    stop: (s, _, ctx) => terminate(s, ctx),
    fence: (s, _, ctx) => fence(s, ctx),
    inside: (s, m, ctx) => runInside(s, m, ctx),
    fenceTimeout: (s, _, ctx) => (s.phase === 'exited' ? s : kill(s, ctx)),
    prepared: (s, _, ctx) => (s.unwanted ? over(s, null, null, ctx) : start(s, ctx)),
    started: (s, at, ctx) => started(s, at, ctx),
    startFailed: (s, m, ctx) => startFailed(s, m.code, m.reason, ctx),
    bound: (s, _, ctx) => (s.phase === 'starting' ? up(s, ctx) : s),
    exited: (s, { code, oomKilled }, ctx) => exited(s, code, oomKilled, ctx),
    clientGone: (s, { left }, ctx) => clientGone(s, left, ctx),
    clientQuiet: (s, { quietMs }, ctx) => clientQuiet(s, quietMs, ctx),
    waitFailed: (s, { reason }, ctx) => retry(s, 'wait', reason, ctx),
    shipped: (s, _, ctx) => clearWhenDone({ ...s, shipped: true }, ctx),
    shipFailed: (s, { reason }, ctx) => retry(s, 'ship', reason, ctx),
    removed: () => stop('normal'),
    removeFailed: (s, { reason }, ctx) => retry(s, 'remove', reason, ctx),
    bootTimeout: (s, _, ctx) => (s.phase === 'starting' ? bootTimeout(s, ctx) : s),
    sampleDue: (s, _, ctx) => look(s, ctx),
    sampled: (s, sample, ctx) => sampled(s, sample, ctx),
    signalDue: (s, _, ctx) => (s.phase === 'stopping' ? sendTerm(s, ctx) : s),
    exitTimeout: (s, _, ctx) => (s.phase === 'stopping' ? exitTimeout(s, ctx) : s),
    expired: (s, _, ctx) => terminate(s, ctx),
    hangupDue: (s, _, ctx) => hangUp(s, ctx),
    idleDue: (s, _, ctx) => askQuiet(s, ctx),
    again: (s, { what }, ctx) => again(s, what, ctx),
  },
})

const unstarted = {
  phase: 'launching',
  address: null,
  port: null,
  outer: null,
  startedAt: null,
  code: null,
  error: null,
  unwanted: false,
  shipped: false,
  tries: 0,
  load: null,
  hangups: 0,
  unwatchedUntil: 0,
} as const

const begin = ({ run, adopted }: DynoArgs, ctx: Self): State => {
  const none: State = { ...unstarted, run }
  if (adopted !== null) {
    return watchOver({ ...none, ...adopted, phase: 'starting', unwatchedUntil: ctx.now + unwatchedMs }, ctx)
  }
  ctx.run(Container.prepare({ slug: run.slug }), () => ({ type: 'prepared' }), failedStart)
  return enter('launching', none, ctx)
}

const failedStart = (error: { readonly code: string; readonly message: string }) =>
  ({ type: 'startFailed', code: error.code, reason: error.message }) as const

const start = (s: State, ctx: Self): State => {
  if (s.run.attach !== null) tellLog(s, 'Awaiting client', ctx)
  ctx.run(Container.start({ run: s.run }), (at) => ({ type: 'started', ...at }), failedStart)
  return s
}

const started = (s: State, at: Started, ctx: Self): State => {
  const { address, port, outer, startedAt } = at
  tellLog(s, `Starting process with command \`${expandCommand(s.run.command, port)}\``, ctx)
  const running = watchOver({ ...s, address, port, outer, startedAt, phase: 'starting' }, ctx)
  if (!s.unwanted) return running
  // Wanted by nobody; fenced, it may not even take its time.
  return s.error === null ? terminate(running, ctx) : fence(running, ctx)
}

/** From here on the process is there, just started or found. */
const watchOver = (s: State, ctx: Self): State => {
  const runId = s.run.id
  wait(runId, ctx)
  ship(s.run, ctx)
  // Not all dynos of a host at once.
  ctx.after('sample', heroku.sampleMs * (0.5 + ctx.random() / 2), { type: 'sampleDue' })
  watchClient(s.run, ctx)
  const sinceMs = ctx.now - (s.startedAt ?? ctx.now)
  if (s.run.timeToLiveMs !== null) {
    ctx.after('expired', Math.max(0, s.run.timeToLiveMs - sinceMs), { type: 'expired' })
  }
  // A one-off may be of type web, but serves nobody.
  const serves = s.run.type === 'web' && s.run.timeToLiveMs === null
  if (!serves || s.address === null || s.port === null) return up(s, ctx)
  ctx.run(Container.bound({ runId, address: s.address, port: s.port }), () => ({ type: 'bound' }))
  ctx.after('boot', Math.max(againMs, bootTimeoutMsOf(s.run.features) - sinceMs), { type: 'bootTimeout' })
  return enter('starting', s, ctx)
}

const up = (s: State, ctx: Self): State => {
  ctx.cancel('boot')
  return enter('up', s, ctx)
}

const startFailed = (s: State, code: string, reason: string, ctx: Self): State | Stop => {
  if (s.phase !== 'launching') return s
  if (code === 'attach_timeout') {
    // Heroku says this one in the name of the process.
    say(ctx, s.run.appId, 'app', s.run.name, 'Error R13 (Attach error) -> Failed to attach to process')
    return over(s, null, 'R13', ctx)
  }
  const error = code === 'R17' ? 'R17' : 'R99'
  tellLog(s, `Error ${error} (${error === 'R17' ? 'Checksum' : 'Platform'} error) -> ${reason}`, ctx)
  return over(s, null, error, ctx)
}

/** Nothing runs (any more): told, then cleared away. */
const over = (s: State, code: number | null, error: string | null, ctx: Self): State =>
  clear(enter('exited', { ...s, code, error, tries: 0 }, ctx), ctx)

const exited = (s: State, code: number, oomKilled: boolean, ctx: Self): State => {
  if (s.phase === 'exited') return s
  for (const timer of ['boot', 'exit', 'expired', 'fence', 'sample', 'hangup', 'idle']) ctx.cancel(timer)
  // The kernel kills one process of it; it is the dyno's end only when it was the one that counts.
  const outOfMemory = oomKilled && code === killedCode && s.error === null
  if (outOfMemory)
    for (const text of [killedText(s.run.size), killText, 'Stopping process with SIGKILL'])
      tellLog(s, text, ctx)
  tellLog(s, `Process exited with status ${code}`, ctx)
  // Ended while the platform was away, with the machine perhaps: the app is not to blame.
  const unseen = ctx.now < s.unwatchedUntil ? 'R99' : null
  const error = s.error ?? (outOfMemory ? 'R15' : unseen)
  return clearWhenDone(enter('exited', { ...s, code, error, tries: 0 }, ctx), ctx)
}

/** The engine forgets the run only when its last line is on its way. */
const clearWhenDone = (s: State, ctx: Self): State => (s.phase === 'exited' && s.shipped ? clear(s, ctx) : s)

/** A web dyno that serves leaves the routers' tables first: what they send meanwhile is still answered. */
const terminate = (s: State, ctx: Self): State => {
  if (s.phase === 'launching') return { ...s, unwanted: true }
  if (s.phase === 'stopping' || s.phase === 'exited') return s
  ctx.cancel('boot')
  const serves = s.phase === 'up' && s.run.type === 'web' && s.port !== null
  if (serves) ctx.after('signal', heroku.routersFirstMs, { type: 'signalDue' })
  const stopping = enter('stopping', s, ctx)
  return serves ? stopping : sendTerm(stopping, ctx)
}

const sendTerm = (s: State, ctx: Self): State => {
  tellLog(s, 'Stopping all processes with SIGTERM', ctx)
  ctx.run(Container.signal({ runId: s.run.id, signal: 'SIGTERM' }))
  ctx.after('exit', heroku.exitTimeoutMs, { type: 'exitTimeout' })
  return s
}

const exitTimeout = (s: State, ctx: Self): State => {
  if (s.error !== null) return kill(s, ctx)
  tellLog(
    s,
    'Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM',
    ctx,
  )
  tellLog(s, 'Stopping remaining processes with SIGKILL', ctx)
  return kill({ ...s, error: 'R12' }, ctx)
}

const bootTimeout = (s: State, ctx: Self): State => {
  const seconds = bootTimeoutMsOf(s.run.features) / 1_000
  const text = `Web process failed to bind to $PORT within ${seconds} seconds of launch`
  tellLog(s, `Error R10 (Boot timeout) -> ${text}`, ctx)
  tellLog(s, 'Stopping process with SIGKILL', ctx)
  return enter('stopping', kill({ ...s, error: 'R10' }, ctx), ctx)
}

const isRunning = (s: State): boolean => s.phase === 'starting' || s.phase === 'up' || s.phase === 'stopping'

const look = (s: State, ctx: Self): State => {
  if (!isRunning(s)) return s
  ctx.run(Container.sample({ runId: s.run.id }), (sample) => ({ type: 'sampled', ...sample }))
  ctx.after('sample', heroku.sampleMs, { type: 'sampleDue' })
  return s
}

const sampled = (s: State, sample: Sampled, ctx: Self): State => {
  if (!isRunning(s)) return s
  const { run, startedAt } = s
  const load = loadOf(s.load, startedAt ?? ctx.now, sample, ctx.now)
  if (run.features?.includes('log-runtime-metrics') === true)
    for (const text of metricLines(run, load, ctx.now - (startedAt ?? ctx.now), sample)) tellLog(s, text, ctx)
  const { lines, isFatal } = judge(run.size, sample)
  for (const text of lines) tellLog(s, text, ctx)
  if (!isFatal || s.error !== null) return { ...s, load }
  tellLog(s, 'Stopping process with SIGKILL', ctx)
  ctx.cancel('boot')
  return enter('stopping', kill({ ...s, load, error: 'R15' }, ctx), ctx)
}

/**
 * Another life of it may begin elsewhere soon, so nothing waits: not for routers, nor for 30 s. The
 * platform's doing: no crash of the app.
 */
const fence = (s: State, ctx: Self): State => {
  if (s.phase === 'launching') return { ...s, unwanted: true, error: 'R99' }
  if (s.phase === 'exited') return s
  ctx.cancel('boot')
  ctx.cancel('signal')
  ctx.after('fence', fencedKillMs, { type: 'fenceTimeout' })
  return sendTerm(enter('stopping', { ...s, error: s.error ?? 'R99' }, ctx), ctx)
}

/** Repeated until the exit is seen: a signal that was lost must not leave a process behind. */
const kill = (s: State, ctx: Self): State => {
  ctx.run(Container.signal({ runId: s.run.id, signal: 'SIGKILL' }))
  ctx.after('exit', heroku.exitTimeoutMs, { type: 'exitTimeout' })
  return s
}

const wait = (runId: string, ctx: Self): void =>
  ctx.run(
    Container.wait({ runId }),
    (end) => ({ type: 'exited', ...end }),
    ({ message }) => ({ type: 'waitFailed', reason: message }),
  )

const ship = (run: Run, ctx: Self): void =>
  ctx.run(
    Container.ship({ run }),
    () => ({ type: 'shipped' }),
    ({ message }) => ({ type: 'shipFailed', reason: message }),
  )

const clear = (s: State, ctx: Self): State => {
  ctx.run(
    Container.remove({ runId: s.run.id }),
    () => ({ type: 'removed' }),
    ({ message }) => ({ type: 'removeFailed', reason: message }),
  )
  return s
}

const retry = (s: State, what: 'wait' | 'ship' | 'remove', reason: string, ctx: Self): State | Stop => {
  ctx.log({ at: 'again', run: s.run.id, what, reason })
  if (s.tries >= triesMax) {
    if (what === 'wait') return over(s, null, 'R99', ctx)
    if (s.phase === 'exited') return what === 'remove' ? stop('normal') : clear({ ...s, tries: 0 }, ctx)
  }
  ctx.after(`again/${what}`, againMs, { type: 'again', what })
  return { ...s, tries: s.tries + 1 }
}

const again = (s: State, what: 'wait' | 'ship' | 'remove', ctx: Self): State => {
  if (what === 'remove') return clear(s, ctx)
  if (what === 'ship') ship(s.run, ctx)
  else if (s.phase !== 'exited') wait(s.run.id, ctx)
  return s
}

const tellLog = (s: State, text: string, ctx: Self): void => say(ctx, s.run.appId, 'heroku', s.run.name, text)

const enter = (phase: State['phase'], s: State, ctx: Self): State => {
  const next = { ...s, phase }
  const report = reportOf(next)
  ctx.tell(ref(Formation, s.run.appId), { type: 'dynoChanged', host: ctx.host, report })
  ctx.tell(refAt(Host, 'host', ctx.host), { type: 'changed', report })
  return next
}

const reportOf = (s: State): RunReport => ({
  ...identityOf(s.run),
  phase: s.phase === 'launching' ? 'starting' : s.phase,
  address: s.address,
  port: s.port,
  outer: s.outer,
  startedAt: s.startedAt,
  code: s.code,
  error: s.error,
})
