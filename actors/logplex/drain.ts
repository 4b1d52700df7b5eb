/**
 * Drain: sends the lines of one app on, in order, one frame after the other, and stands still where it stood.
 *
 * The cursor is on record before the next frame leaves, so whoever goes on after a crash or a move repeats
 * one frame at most. A receiver that is away is tried again, ever more seldom, and gets what the history
 * still has by then; what it cannot get is counted by the lines' numbers and said in-band (L10), to the drain
 * and in the app's own log. Lines that a receiver refuses (4xx) are lost the same way.
 *
 * Lost with the activation: the lines that wait here, which the history has, and the state that is shown.
 */
import { actor, is, type Caller, type Ctx, type Message, type Static } from '../../src/runtime/index.ts'
import { Drains } from '../effects/drains.ts'
import { History } from '../effects/history.ts'
import { Said } from '../effects/said.ts'
import { lossShape, type Line, type Loss } from '../protocols/channel.ts'
import { Drain, drainTargetShape, type DrainTarget } from '../protocols/drain.ts'
import type { StoredBatch } from '../protocols/log-batch.ts'
import {
  backlogBytesMax,
  heard,
  holds,
  meets,
  noBacklog,
  passed,
  readOn,
  unbroken,
  within,
  type Backlog,
} from './backlog.ts'
import { certificateLine, overflowOfDrain } from './codes.ts'

const recordShape = is.obj({
  to: drainTargetShape,
  cursor: is.obj({ sequence: is.int, line: is.int, within: is.int }),
  /** When the last line was written that it got, or was lost; or when it was opened. */
  untilUs: is.int,
  /** Lost, and not yet said to the drain. */
  loss: is.orNull(lossShape),
  /** Lost, and not yet said in the app's log. */
  unsaid: is.orNull(lossShape),
  dropped: is.int,
})
type Record = Static<typeof recordShape>

type State = {
  /** Null: not opened, or closed. */
  readonly d: Record | null
  readonly backlog: Backlog
  /** Bytes that it may keep while it waits: a receiver that many drains share may be away for all of them. */
  readonly room: number
  /** The newest batch that is known of, and the number behind its last line. */
  readonly newest: { readonly sequence: number; readonly line: number }
  readonly doing: 'nothing' | 'reading' | 'sending' | 'waiting' | 'gathering'
  /** Lines of the frame that failed: it is sent again as it was. */
  readonly again: number | null
  readonly failures: number
  readonly reason: string | null
  readonly deliveredAt: number | null
  /** When this was said last, in ms. */
  readonly saidLossAt: number
  readonly saidCertificateAt: number
  /** A reminder is set for then. */
  readonly guardedUntil: number
  /** Who waits for it to be open, and where it leads; while that is under way. */
  readonly opening: { readonly to: DrainTarget; readonly callers: readonly Caller[] } | null
}
type Self = Ctx<typeof Drain>

/** Lines that come soon after each other go in one frame. */
const gatherMs = 50
const gatherLinesMax = 400
const callersMax = 16
const retryMsMin = 250
const retryMsMax = 30_000
const retryAfterMsMax = 300_000
/** A host that dies leaves lines unsent: somebody looks after so long. */
const guardMs = 60_000
const sayEveryMs = 60_000

const fresh: State = {
  d: null,
  backlog: noBacklog,
  room: backlogBytesMax,
  newest: { sequence: 0, line: 0 },
  doing: 'nothing',
  again: null,
  failures: 0,
  reason: null,
  deliveredAt: null,
  saidLossAt: 0,
  saidCertificateAt: 0,
  guardedUntil: 0,
  opening: null,
}

export const drain = actor(Drain, {
  // A batch that is not heard is read.
  mailbox: { capacity: 64, overflow: 'drop-oldest' },
  durable: {
    version: 1,
    schema: recordShape,
    save: (s: State) => s.d ?? undefined,
    // What was stored while nobody was here is found by reading.
    load: (d): State => ({ ...fresh, d, backlog: { ...noBacklog, hasMore: true } }),
  },
  init: (): State => fresh,
  awake: (s, ctx) => next(s, ctx),
  receive: {
    open(s, { to }, ctx) {
      if (s.d !== null) {
        ctx.reply({})
        return to.decidedAt > s.d.to.decidedAt ? led(s, { ...s.d, to }, ctx) : s
      }
      const callers = [...(s.opening?.callers ?? []), ctx.caller].slice(-callersMax)
      if (s.opening === null)
        ctx.run(
          History.end({ appId: to.appId }),
          (end) => ({ type: 'opened', ...end }),
          ({ message }) => ({ type: 'openFailed', reason: message }),
        )
      const isOlder = s.opening !== null && s.opening.to.decidedAt > to.decidedAt
      return { ...s, opening: { to: isOlder ? s.opening.to : to, callers } }
    },
    opened(s, { sequence, line }, ctx) {
      if (s.opening === null) return s
      const { callers, to } = s.opening
      for (const caller of callers) ctx.answer(caller, {})
      const cursor = { sequence, line, within: 0 }
      return { ...fresh, d: { to, cursor, untilUs: ctx.now * 1000, loss: null, unsaid: null, dropped: 0 } }
    },
    openFailed(s, { reason }, ctx) {
      for (const caller of s.opening?.callers ?? []) ctx.refuse(caller, 'unavailable', reason)
      return { ...s, opening: null }
    },
    close(s, _, ctx) {
      for (const caller of s.opening?.callers ?? []) ctx.refuse(caller, 'not_found', 'This drain was closed.')
      ctx.run(Drains.close({ id: ctx.self.key }))
      ctx.forget('look')
      ctx.cancel('send')
      ctx.cancel('retry')
      ctx.cancel('say')
      ctx.reply({})
      return fresh
    },
    state(s, _, ctx) {
      if (s.d === null) {
        ctx.refuseCaller('not_found', 'This drain is not open.')
        return s
      }
      ctx.reply({
        appId: s.d.to.appId,
        state: s.failures === 0 ? 'up' : 'failing',
        lag: Math.max(0, s.newest.line - s.d.cursor.line),
        reason: s.reason,
        deliveredAt: s.deliveredAt,
        dropped: s.d.dropped,
      })
      return s
    },
    stored(s, { batch }, ctx) {
      if (s.d === null) return s
      return next({ ...know(s, batch), backlog: heard(s.d.cursor, s.backlog, batch, s.room) }, ctx)
    },
    look(s, { sequence }, ctx) {
      if (s.d === null) return s
      const isKnown = sequence !== undefined && sequence <= Math.max(s.newest.sequence, s.d.cursor.sequence)
      return isKnown ? s : next({ ...s, backlog: { ...s.backlog, hasMore: true } }, ctx)
    },
    read(s, { batches }, ctx) {
      if (s.d === null || s.doing !== 'reading') return s
      const backlog = readOn(s.d.cursor, s.backlog, batches)
      // A frame that failed may have lost lines meanwhile: it is none any more.
      const again = holds(s.d.cursor, backlog, s.again ?? 0) ? s.again : null
      const read = { ...know(s, batches.at(-1)), backlog, again }
      return next({ ...read, doing: 'nothing' }, ctx)
    },
    readFailed(s, { reason }, ctx) {
      if (s.doing !== 'reading') return s
      return later({ ...s, backlog: { ...s.backlog, hasMore: true } }, reason, 0, ctx)
    },
    sent(s, { count, sinceUs, untilUs, rejected }, ctx) {
      if (s.d === null || s.doing !== 'sending') return s
      const { cursor, backlog } = passed(s.d.cursor, s.backlog, count)
      const told = { ...s.d, cursor, untilUs, loss: null }
      const d = rejected === undefined ? told : lose(told, { count: rejected.count, sinceUs })
      return next({ ...well(s), d, backlog, deliveredAt: ctx.now, reason: rejected?.reason ?? null }, ctx)
    },
    refused(s, { count, sinceUs, untilUs, reason }, ctx) {
      if (s.d === null || s.doing !== 'sending') return s
      const { cursor, backlog } = passed(s.d.cursor, s.backlog, count)
      const d = { ...lose(s.d, { count, sinceUs }), cursor, untilUs }
      return next({ ...well(s), d, backlog, reason }, ctx)
    },
    failed(s, { count, reason, certificate, retryAfterMs, room }, ctx) {
      if (s.d === null || s.doing !== 'sending') return s
      const isNews = certificate !== null && ctx.now - s.saidCertificateAt >= sayEveryMs
      if (isNews) tellApp(s.d, certificateLine(reason, certificate, ctx.now * 1000), ctx)
      const said = isNews ? { ...s, saidCertificateAt: ctx.now } : s
      const again = count > 0 ? count : s.again
      const kept = within(s.backlog, room)
      // A frame is sent again as it was: all of it is here, or is read again.
      const backlog = holds(s.d.cursor, kept, again ?? 0) ? kept : { ...noBacklog, hasMore: true }
      return later({ ...said, backlog, room, again }, reason, retryAfterMs ?? 0, ctx)
    },
    send: (s, _, ctx) => (s.doing === 'gathering' ? send({ ...s, doing: 'nothing' }, ctx) : s),
    retry: (s, _, ctx) => (s.doing === 'waiting' ? next({ ...s, doing: 'nothing' }, ctx) : s),
    say: (s, _, ctx) => said(s, ctx),
  },
  lost: (s) => ({ ...s, backlog: { ...s.backlog, hasMore: true } }),
})

const know = (s: State, batch: StoredBatch | undefined): State =>
  batch === undefined || batch.sequence <= s.newest.sequence
    ? s
    : { ...s, newest: { sequence: batch.sequence, line: batch.first + batch.count } }

/** Elsewhere than before: there is no reason to wait, and what failed there may do so here. */
const led = (s: State, d: Record, ctx: Self): State => {
  if (s.doing !== 'waiting') return { ...s, d }
  ctx.cancel('retry')
  return next({ ...s, d, doing: 'nothing' }, ctx)
}

const well = (s: State): State => ({
  ...s,
  room: backlogBytesMax,
  doing: 'nothing',
  again: null,
  failures: 0,
  reason: null,
})

/** What is to be done now, if anything is. */
const next = (before: State, ctx: Self): State => {
  const s = said(before, ctx)
  if (s.doing === 'gathering' && isFull(s)) {
    ctx.cancel('send')
    return send({ ...s, doing: 'nothing' }, ctx)
  }
  if (s.d === null || s.doing !== 'nothing') return s
  const [first] = s.backlog.batches
  if (first !== undefined) return s.again === null ? gather(guarded(s, ctx), ctx) : send(s, ctx)
  if (!s.backlog.hasMore) return s
  ctx.run(
    History.read({ appId: s.d.to.appId, after: s.d.cursor.sequence, bytesMax: backlogBytesMax }),
    ({ batches }) => ({ type: 'read', batches: [...batches] }),
    ({ message }) => ({ type: 'readFailed', reason: message }),
  )
  return { ...s, backlog: { ...s.backlog, hasMore: false }, doing: 'reading' }
}

/** As many lines as fill a frame leave at once. */
const gather = (s: State, ctx: Self): State => {
  if (isFull(s)) return send(s, ctx)
  ctx.after('send', gatherMs, { type: 'send' })
  return { ...s, doing: 'gathering' }
}

/** By their number: how many bytes they have is known once they are unpacked. */
const isFull = ({ backlog }: State): boolean =>
  backlog.hasMore || backlog.batches.reduce((sum, { count }) => sum + count, 0) >= gatherLinesMax

const send = (s: State, ctx: Self): State => {
  const [first] = s.backlog.batches
  if (s.d === null || first === undefined) return s
  const { skip, missing } = meets(s.d.cursor, first)
  const d = missing === 0 ? s.d : lost(s.d, first.first, missing)
  const { to, loss } = d
  const shipment = { id: ctx.self.key, to, batches: unbroken(s.backlog), skip, count: s.again, loss }
  ctx.run(
    Drains.send(shipment),
    ({ kind, ...shipped }) =>
      ({ type: kind === 'delivered' ? 'sent' : kind, ...shipped }) as Message<typeof Drain>,
    ({ message }) => ({
      type: 'failed',
      count: 0,
      reason: message,
      certificate: null,
      retryAfterMs: null,
      room: s.room,
    }),
  )
  return { ...s, d, doing: 'sending' }
}

/** Tried again, ever more seldom. */
const later = (s: State, reason: string, notBeforeMs: number, ctx: Self): State => {
  const failures = s.failures + 1
  const backoffMs =
    Math.min(retryMsMax, retryMsMin * 2 ** Math.min(failures - 1, 10)) * (0.5 + ctx.random() / 2)
  const waitMs = Math.max(Math.min(notBeforeMs, retryAfterMsMax), backoffMs)
  if (failures === 1) ctx.log({ at: 'drain-failed', app: s.d?.to.appId, drain: ctx.self.key, reason })
  ctx.after('retry', waitMs, { type: 'retry' })
  return guarded({ ...s, doing: 'waiting', failures, reason }, ctx)
}

/** Should this activation die with its host, a reminder starts another. */
const guarded = (s: State, ctx: Self): State => {
  if (s.guardedUntil > ctx.now) return s
  const until = ctx.now + guardMs
  ctx.remind('look', until, { type: 'look' })
  return { ...s, guardedUntil: until }
}

/** Lines that the history has no more. */
const lost = (d: Record, line: number, count: number): Record => ({
  ...lose(d, { count, sinceUs: d.untilUs }),
  cursor: { ...d.cursor, line },
})

const lose = (d: Record, loss: Loss): Record => ({
  ...d,
  loss: joined(d.loss, loss),
  unsaid: joined(d.unsaid, loss),
  dropped: d.dropped + loss.count,
})

const joined = (before: Loss | null, { count, sinceUs }: Loss): Loss =>
  before === null ? { count, sinceUs } : { count: before.count + count, sinceUs: before.sinceUs }

/** Losses are said in the app's log too, and not with each frame. */
const said = (s: State, ctx: Self): State => {
  if (s.d?.unsaid == null) return s
  const waitMs = s.saidLossAt + sayEveryMs - ctx.now
  if (waitMs > 0) {
    ctx.after('say', waitMs, { type: 'say' })
    return s
  }
  tellApp(s.d, overflowOfDrain(s.d.to.token, s.d.unsaid, ctx.now * 1000), ctx)
  return { ...s, d: { ...s.d, unsaid: null }, saidLossAt: ctx.now }
}

const tellApp = ({ to: { appId } }: Record, line: Line, ctx: Self): void => ctx.run(Said.say({ appId, line }))
