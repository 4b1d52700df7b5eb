/**
 * Formation: which processes an app wants, which run holds each slot, and what became of it.
 *
 * The record is what is wanted; hosts announce what is. Runs are decided here and nowhere else, and a run's
 * host is told only after the record that decided it is stored. Everything told may be lost: reconcile and
 * announcements say it again. Kept callers die with the activation: their answers are then unknown.
 */
import { labelsText } from '../config/labels.ts'
import { actor, refAt, type AskCtx, type Caller } from '../src/runtime/index.ts'
import { Routes } from './effects/routes.ts'
import { failed, isAllTold, told, toldOf, untold, type Telling } from './events/outbox.ts'
import { Usage } from './effects/usage.ts'
import { released } from './formation/decide.ts'
import { tellEvents, withEvents, withoutTold } from './formation/events.ts'
import { canIdle, idleAt, isAsleep, rouse, sleep, wake } from './formation/idle.ts'
import { chosen, restartOne, stopOne, viewOf, type Which } from './formation/dynos.ts'
import { entered, lastOver, metered, meteredFrom } from './formation/meter.ts'
import { move } from './formation/move.ts'
import { observe, observeAll } from './formation/observe.ts'
import { runOneOff } from './formation/one-off.ts'
import { runPhase } from './formation/phase.ts'
import { answered, askPlaces, noPlaces, placed, unplaced, type Places } from './formation/place.ts'
import { recall, recallMs } from './formation/recall.ts'
import { coolOffEnd, nextLookMs, reconcile } from './formation/reconcile.ts'
import { formationRecord } from './formation/kept.ts'
import { formed, type Formed } from './formation/record.ts'
import { fit, halt, isFormed, remove, restart, type Self } from './formation/rollout.ts'
import { hasAffinity, routeOf, sameRoute } from './formation/route.ts'
import { scaledText, scaleTypes } from './formation/scale.ts'
import { Formation } from './protocols/formation.ts'
import { Placement } from './protocols/placement.ts'
import type { Who } from './protocols/shapes.ts'
import { say } from './say.ts'

type State = {
  /** Null: no such app. */
  readonly f: Formed | null
  /** They wait for the end of `destroy`. */
  readonly callers: readonly Caller[]
  readonly places: Places
  /** Newest view of the hosts that a move was decided in: older decisions are refused. */
  readonly view: number
  /** When somebody asked for the app last, as far as this activation knows. */
  readonly usedAt: number
  /** When the route was last published. */
  readonly saidAt: number
  /** Hosts that have spoken of this app's runs since this activation began. */
  readonly heard: ReadonlySet<string>
  /** Days that are over are on their way to the usage record. */
  readonly entering: boolean
  /** How far its events are told. */
  readonly telling: Telling
}
// The runtime gives each ask its own answer type; what these helpers need of it is the refusal.
type Refusing = Pick<AskCtx<typeof Formation, unknown>, 'refuseCaller'>

const blank: State = {
  f: null,
  callers: [],
  places: noPlaces,
  view: 0,
  usedAt: 0,
  saidAt: 0,
  heard: new Set(),
  entering: false,
  telling: untold,
}
const publishMs = 30_000
/** A route that changes again within this is published once more at its end: many dynos come up together. */
const gatherMs = 50
const callersMax = 16

export const formation = actor(Formation, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  durable: {
    ...formationRecord,
    save: (s: State) => (s.f === null ? undefined : formationRecord.save(s.f)),
    load: (kept, key): State => {
      const f = formationRecord.load(kept, key)
      return { ...blank, f, telling: toldOf(f.events) }
    },
  },
  init: (): State => blank,
  awake: (s, ctx) => awake(s, ctx),
  receive: {
    open(s, { appName }, ctx) {
      if (s.f?.destroying === true) return gone(s, ctx)
      ctx.reply({})
      return s.f === null ? settle(s, { ...s, f: formed(appName) }, ctx) : s
    },
    appChanged(s, { appName, hostnames, maintenance, features, certificates, at }, ctx) {
      if (s.f === null) return gone(s, ctx)
      ctx.reply({})
      const told = {
        appName,
        hostnames,
        maintenance,
        ...(features && { features }),
        ...(certificates && { certificates }),
        appChangedAt: at,
      }
      return change(s, ctx, (f) => (at <= f.appChangedAt ? f : keyed({ ...f, ...told }, ctx)))
    },
    released: (s, { release, by }, ctx) => change(s, ctx, (f) => released(f, release, by, ctx), by),
    runPhase: (s, { release, by }, ctx) => change(s, ctx, (f) => runPhase(f, release, by, ctx), by),
    scale(s, { updates, by }, ctx) {
      if (s.f === null || s.f.destroying) return gone(s, ctx)
      const scaled = scaleTypes(s.f.types, updates, ctx.now)
      if (!scaled.ok) return refused(s, ctx, scaled.reason)
      say(ctx, ctx.self.key, 'app', 'api', scaledText(scaled.types, by.email))
      ctx.reply({ types: scaled.types })
      return settle(s, { ...s, f: rescale(s.f, scaled.types, ctx) }, ctx, by)
    },
    types(s, _, ctx) {
      if (s.f === null || s.f.destroying) return gone(s, ctx)
      ctx.reply({ types: s.f.types })
      return s
    },
    dynos(s, _, ctx) {
      if (s.f === null || s.f.destroying) return gone(s, ctx)
      const { waiting } = s.places
      ctx.reply({ dynos: s.f.slots.map((slot) => viewOf(slot, waiting)) })
      return s
    },
    restart(s, m, ctx) {
      if (s.f === null || s.f.destroying) return gone(s, ctx)
      const slots = chosen(s.f, m, (slot) => isFormed(slot))
      if (slots === undefined) return missing(s, m, ctx)
      ctx.reply({ restarted: slots.length })
      return settle(s, { ...s, f: slots.reduce((f, slot) => restartOne(f, slot, ctx), s.f) }, ctx, m.by)
    },
    stopDyno(s, m, ctx) {
      if (s.f === null || s.f.destroying) return gone(s, ctx)
      const slots = chosen(s.f, m, () => true)
      if (slots === undefined) return missing(s, m, ctx)
      ctx.reply({ stopped: slots.length })
      return settle(s, { ...s, f: slots.reduce((f, slot) => stopOne(f, slot, ctx), s.f) }, ctx, m.by)
    },
    run(s, m, ctx) {
      if (s.f === null || s.f.destroying) return gone(s, ctx)
      const ran = runOneOff(s.f, m, ctx.caller.host, ctx)
      if ('refused' in ran) return refused(s, ctx, ran.refused)
      ctx.reply(
        viewOf(
          ran.f.slots.find((slot) => slot.name === ran.name)!,
          noPlaces.waiting,
        ),
      )
      return settle(s, { ...s, f: ran.f }, ctx, m.by)
    },
    used: (s, _, ctx) => used(s, ctx),
    idle(s, _, ctx) {
      if (s.f === null || s.f.destroying) return gone(s, ctx)
      if (!canIdle(s.f)) return refused(s, ctx, 'Only apps whose web dynos are Eco go to sleep.')
      ctx.reply({})
      return settle(s, { ...s, f: sleep(s.f, ctx) }, ctx)
    },
    idleDue(s, _, ctx) {
      const at = s.f === null ? undefined : idleAt(s.f, s.usedAt)
      return at === undefined || at > ctx.now ? lookIdle(s, ctx) : change(s, ctx, (f) => sleep(f, ctx))
    },
    route(s, _, ctx) {
      if (s.f === null || s.f.destroying) return gone(s, ctx)
      ctx.reply(routeOf(ctx.self.key, s.f))
      return s
    },
    destroy(s, _, ctx) {
      if (s.f === null) {
        ctx.reply({})
        return s
      }
      const callers = [...s.callers, ctx.caller].slice(-callersMax)
      const wound: Formed = { ...s.f, destroying: true, types: [], hostnames: [] }
      const f = wound.slots.reduce((next, slot) => remove(next, slot, ctx), wound)
      return settle(s, { ...s, f, callers }, ctx)
    },
    placed(s, m, ctx) {
      if (s.f === null) return s
      const f = placed(s.f, m.runs, ctx)
      const next = { ...s, f, places: answered(f, s.places, m, ctx) }
      if (m.failed === null) return settle(s, next, ctx)
      return settle(s, { ...next, f: unplaced(f, m.asked, m.failed, ctx) }, ctx)
    },
    move(s, m, ctx) {
      // Whoever leads by now has decided otherwise.
      if (m.view < s.view) return s
      ctx.tell(refAt(Placement, 'placement', m.by), {
        type: 'moved',
        appId: ctx.self.key,
        runIds: m.runs.map((run) => run.runId),
      })
      return change({ ...s, view: m.view }, ctx, (f) => move(f, m, ctx))
    },
    room: (s, _, ctx) => (s.f === null ? s : { ...s, places: askPlaces(s.f, s.places, ctx) }),
    dynoChanged(s, { host, report }, ctx) {
      if (s.f === null && report.phase !== 'exited') halt(host, report.id, report.name, ctx)
      return change(hear(s, host), ctx, (f) => observe(f, host, 0, report, ctx))
    },
    announced(s, { host, since, runs }, ctx) {
      if (s.f === null) for (const run of runs) if (run.phase !== 'exited') halt(host, run.id, run.name, ctx)
      return change(hear(s, host), ctx, (f) => observeAll(f, host, since, runs, ctx))
    },
    reconcile(s, _, ctx) {
      if (s.f === null) return s
      lookAgain(s.f, ctx)
      return enter(settle(s, { ...s, f: meteredFrom(reconcile(s.f, ctx), ctx.now) }, ctx), ctx)
    },
    publish(s, _, ctx) {
      if (s.f === null) return s
      publish(s.f, ctx)
      return { ...s, saidAt: ctx.now }
    },
    recall(s, _, ctx) {
      if (s.f !== null && recall(s.f, s.heard, ctx)) ctx.after('recall', recallMs, { type: 'recall' })
      return s
    },
    entered: (s, { through }, ctx) => change({ ...s, entering: false }, ctx, (f) => entered(f, through)),
    unentered: (s) => ({ ...s, entering: false }),
    eventsTold(s, { through }, ctx) {
      const next = { ...s, telling: told(s.f?.events, s.telling, through, ctx) }
      // It may have waited for nothing else.
      return s.f?.destroying === true ? settle(next, next, ctx) : next
    },
    eventsFailed(s, { reason }, ctx) {
      ctx.log({ at: 'events_not_told', reason })
      return { ...s, telling: failed(s.telling, ctx) }
    },
    tellEvents(s, _, ctx) {
      const f = s.f && withoutTold(s.f, s.telling, ctx)
      return { ...s, f, telling: tellEvents(f, s.telling, ctx) }
    },
    retry: (s, _, ctx) => (s.f === null ? s : { ...s, places: askPlaces(s.f, s.places, ctx) }),
  },
})

const gone = (s: State, ctx: Refusing): State => {
  ctx.refuseCaller('not_found', "Couldn't find that app.")
  return s
}

const refused = (s: State, ctx: Refusing, reason: string): State => {
  ctx.refuseCaller('invalid_params', reason)
  return s
}

const missing = (s: State, { dyno }: Which, ctx: Refusing): State => {
  ctx.refuseCaller('not_found', `Couldn't find that ${dyno === undefined ? 'process type' : 'dyno'}.`)
  return s
}

const hear = (s: State, host: string): State =>
  s.heard.has(host) ? s : { ...s, heard: new Set([...s.heard, host]) }

const keyed = (f: Formed, ctx: Self): Formed =>
  hasAffinity(f) && f.affinityKey === undefined ? { ...f, affinityKey: ctx.uuid() } : f

/** One turn of an app that exists: the next record, and all that follows from the difference. */
const change = (s: State, ctx: Self, next: (f: Formed) => Formed, by?: Who): State =>
  s.f === null ? s : settle(s, { ...s, f: next(s.f) }, ctx, by)

const awake = (s: State, ctx: Self): State => {
  if (s.f === null) return s
  publish(s.f, ctx)
  ctx.after('reconcile', 0, { type: 'reconcile' })
  ctx.after('recall', recallMs, { type: 'recall' })
  // The answers that an earlier activation waited for are lost, and so is when the app was used last.
  const telling = tellEvents(s.f, s.telling, ctx)
  return lookIdle({ ...s, usedAt: ctx.now, places: askPlaces(s.f, noPlaces, ctx), telling }, ctx)
}

/**
 * Processes learn only at their start that they have to be the only one, and go only then to a host that has
 * other labels: those on their way are asked for anew.
 */
const rescale = (f: Formed, types: Formed['types'], ctx: Self): Formed => {
  const changed: { readonly type: string; readonly moves: boolean }[] = types.flatMap((type) => {
    const known = f.types.find((one) => one.type === type.type)
    const moves = labelsText(known?.labels) !== labelsText(type.labels)
    return moves || known?.singleton !== type.singleton ? [{ type: type.type, moves }] : []
  })
  const fitted = fit({ ...f, types }, ctx)
  return fitted.slots
    .filter(
      (slot) =>
        isFormed(slot) &&
        changed.some(({ type, moves }) => type === slot.type && (moves || slot.run?.phase !== 'placing')),
    )
    .reduce((next, slot) => restart(next, slot, 'restart', ctx), fitted)
}

/** Routers hear of a change at once; timers follow what is still open; an app without runs may go at last. */
const settle = (before: State, after: State, ctx: Self, by?: Who): State => {
  if (after.f === null || (before.f === after.f && !after.f.destroying)) return after
  const changed = metered(before.f, rouse(after.f, ctx), ctx.now)
  const counted = withEvents(before.f, changed, after.telling, by, ctx)
  const telling = tellEvents(counted, after.telling, ctx)
  // What it cost outlives the app, and so does what was told of it.
  const isOver = counted.destroying && counted.ending.length === 0 && lastOver(counted) === undefined
  if (isOver && isAllTold(counted.events, telling)) {
    for (const caller of after.callers) ctx.answer(caller, {})
    publish({ ...counted, routeVersion: versionAfter(counted, ctx) }, ctx)
    ctx.forget('coolOff')
    ctx.forget('events')
    for (const timer of ['publish', 'reconcile', 'idle', 'events']) ctx.cancel(timer)
    return blank
  }
  const f = reroute(before.f, counted, ctx)
  // A wall clock that went back makes no gathering longer.
  const saidMs = Math.abs(ctx.now - before.saidAt)
  const isNew = f !== counted && (f.destroying || saidMs >= gatherMs)
  if (isNew) publish(f, ctx)
  else if (f !== counted) ctx.after('publish', gatherMs - saidMs, { type: 'publish' })
  lookAgain(f, ctx)
  const coolOff = coolOffEnd(f)
  if (before.f === null || coolOff !== coolOffEnd(before.f)) {
    if (coolOff === 0) ctx.forget('coolOff')
    else ctx.remind('coolOff', coolOff, { type: 'reconcile' })
  }
  const saidAt = isNew ? ctx.now : before.saidAt
  const next = { ...after, f, places: askPlaces(f, after.places, ctx), saidAt, telling }
  return enter(canIdle(f) ? lookIdle(next, ctx) : next, ctx)
}

const used = (s: State, ctx: Self): State => {
  if (s.f === null) return s
  const now = { ...s, usedAt: ctx.now }
  return isAsleep(s.f) ? settle(s, { ...now, f: wake(s.f, ctx) }, ctx) : lookIdle(now, ctx)
}

/** Follows what there is: an app that may go to sleep is looked at when it is due. */
const lookIdle = (s: State, ctx: Self): State => {
  const at = s.f === null ? undefined : idleAt(s.f, s.usedAt)
  if (at === undefined) ctx.cancel('idle')
  else ctx.after('idle', Math.max(0, at - ctx.now), { type: 'idleDue' })
  return s
}

/** Days that are over go to the usage record, and are held until they are there. */
const enter = (s: State, ctx: Self): State => {
  const through = s.f === null ? undefined : lastOver(s.f)
  if (s.f?.meter === undefined || through === undefined || s.entering) return s
  ctx.run(
    Usage.enter({ appId: ctx.self.key, appName: s.f.appName, over: s.f.meter.over }),
    () => ({ type: 'entered', through }),
    () => ({ type: 'unentered' }),
  )
  return { ...s, entering: true }
}

/** As long as anything is open, also when the last look changed nothing. */
const lookAgain = (f: Formed, ctx: Self): void => {
  const lookMs = nextLookMs(f, ctx.now)
  if (lookMs === undefined) ctx.cancel('reconcile')
  else ctx.after('reconcile', lookMs, { type: 'reconcile' })
}

const versionAfter = (f: Formed, ctx: Self): number => Math.max(f.routeVersion + 1, ctx.now)

/** The same record when routers would act the same. */
const reroute = (before: Formed | null, after: Formed, ctx: Self): Formed => {
  if (before !== null && sameRoute(before, after)) return after
  return { ...after, routeVersion: versionAfter(after, ctx) }
}

const publish = (f: Formed, ctx: Self): void => {
  ctx.run(Routes.announce({ route: routeOf(ctx.self.key, f) }))
  if (f.slots.length > 0) ctx.after('publish', publishMs, { type: 'publish' })
}
