/**
 * Channel: the log stream of one app, in the order in which its lines arrived here.
 *
 * Owns the way from its sources to the kept history: one append at a time, so that order is kept, and a
 * bounded queue before it. Every source keeps its lines until they are stored, so nothing is lost with this
 * activation, nor with its host; and the history knows what it has, whoever brings it again.
 */
import { actor, ref, type Caller, type Ctx } from '../../src/runtime/index.ts'
import { History } from '../effects/history.ts'
import { App } from '../protocols/app.ts'
import { Channel } from '../protocols/channel.ts'
import { Drain } from '../protocols/drain.ts'
import { endOf } from './account.ts'
import { join, noQueue, takeBatch, type Queue, type Waiting } from './queue.ts'

type State = {
  readonly queue: Queue
  /** The append that is under way. */
  readonly inFlight: readonly Waiting[]
  readonly batch: number
  readonly failures: number
  /** Ids of the app's drains; undefined: not known yet, or being asked for anew. */
  readonly drains: readonly string[] | undefined
  readonly isAsking: boolean
}
type Self = Ctx<typeof Channel>

const retryMsMin = 100
const retryMsMax = 5_000
const askTimeoutMs = 5_000
const askAgainMs = 1_000
/** A host that was lost is given up by then. */
const tellAgainMs = 20_000

export const channel = actor(Channel, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  init: (): State => ({
    queue: noQueue,
    inFlight: [],
    batch: 0,
    failures: 0,
    drains: undefined,
    isAsking: false,
  }),
  receive: {
    deliver(s, { source, first, lines, dropped }, ctx) {
      const part = { source, first, lines, dropped, caller: ctx.caller }
      const leaving = s.inFlight.findIndex(
        (one) => one.source === source && one.caller !== undefined && endOf(one) === endOf(part),
      )
      if (leaving >= 0)
        return { ...s, inFlight: s.inFlight.with(leaving, { ...s.inFlight[leaving]!, caller: ctx.caller }) }
      const joined = join(s.queue, s.inFlight, part)
      const isEmpty = lines.length === 0 && dropped === undefined
      if (isEmpty || joined === 'stored') ctx.reply({})
      else if (joined === 'full') ctx.refuseCaller('busy', 'Too many lines of this app wait to be stored.')
      else return append({ ...s, queue: joined.queue }, ctx)
      return s
    },
    drop(s, _, ctx) {
      ctx.run(History.drop({ appId: ctx.self.key }))
      answer(s.queue.parts, ctx)
      return { ...s, queue: noQueue }
    },
    appended(s, { batch, stored }, ctx) {
      if (batch !== s.batch) return s
      for (const id of s.drains ?? [])
        ctx.tell(ref(Drain, id), stored === null ? { type: 'look' } : { type: 'stored', batch: stored })
      // What a drain was told last may not have reached it, and nothing may come after it.
      if (stored !== null && (s.drains ?? []).length > 0)
        ctx.after('again', tellAgainMs, { type: 'again', sequence: stored.sequence })
      answer(s.inFlight, ctx)
      return append({ ...s, inFlight: [], failures: 0 }, ctx)
    },
    appendFailed(s, { batch, reason }, ctx) {
      if (batch !== s.batch) return s
      const failures = s.failures + 1
      if (failures === 1) ctx.log({ at: 'history-failed', app: ctx.self.key, reason })
      const waitMs = Math.min(retryMsMax, retryMsMin * 2 ** Math.min(failures, 10))
      ctx.after('retry', waitMs, { type: 'retry', batch })
      return { ...s, failures }
    },
    again(s, { sequence }, ctx) {
      for (const id of s.drains ?? []) ctx.tell(ref(Drain, id), { type: 'look', sequence })
      return s
    },
    drainJoins(s, _, ctx) {
      ctx.reply({})
      return askForDrains({ ...s, drains: undefined, isAsking: false }, ctx)
    },
    drainsChanged: (s, _, ctx) => askForDrains({ ...s, drains: undefined, isAsking: false }, ctx),
    drains(s, { ids }, ctx) {
      // What was stored meanwhile they find by themselves.
      for (const id of ids) ctx.tell(ref(Drain, id), { type: 'look' })
      return { ...s, drains: ids, isAsking: false }
    },
    drainsUnknown(s, { isGone }, ctx) {
      if (isGone) return { ...s, drains: [], isAsking: false }
      ctx.after('ask', askAgainMs, { type: 'ask' })
      return s
    },
    ask: (s, _, ctx) => (s.drains === undefined ? askForDrains({ ...s, isAsking: false }, ctx) : s),
    retry: (s, { batch }, ctx) => (batch === s.batch && s.inFlight.length > 0 ? send(s, ctx) : s),
  },
  moved(s, ctx) {
    for (const caller of callersOf([...s.inFlight, ...s.queue.parts]))
      ctx.refuse(caller, 'moved', 'The channel is on another host now.')
  },
  // A word on its drains may have been among what was turned away.
  lost: (s, _, ctx) => askForDrains({ ...s, drains: undefined, isAsking: false }, ctx),
})

const callersOf = (parts: readonly Waiting[]): readonly Caller[] =>
  parts.flatMap(({ caller }) => caller ?? [])

const answer = (parts: readonly Waiting[], ctx: Self): void => {
  for (const caller of callersOf(parts)) ctx.answer(caller, {})
}

/** Starts the next append when none is under way. */
const append = (s: State, ctx: Self): State => {
  if (s.inFlight.length > 0 || s.queue.parts.length === 0) return s
  const { taken, queue } = takeBatch(s.queue)
  return send({ ...s, queue, inFlight: taken, batch: s.batch + 1 }, ctx)
}

const send = (s: State, ctx: Self): State => {
  const { batch } = s
  const parts = s.inFlight.map(({ source, first, lines, dropped }) => ({ source, first, lines, dropped }))
  ctx.run(
    History.append({ appId: ctx.self.key, parts }),
    (stored) => ({ type: 'appended', batch, stored }),
    (error) => ({ type: 'appendFailed', batch, reason: error.message }),
  )
  return askForDrains(s, ctx)
}

/** Nothing waits for it: drains read what they were not told. */
const askForDrains = (s: State, ctx: Self): State => {
  if (s.drains !== undefined || s.isAsking) return s
  ctx.ask(
    ref(App, ctx.self.key),
    { type: 'drains' },
    askTimeoutMs,
    ({ ids }) => ({ type: 'drains', ids: [...ids] }),
    (failure) => ({
      type: 'drainsUnknown',
      isGone: failure.kind === 'refused' && failure.code === 'not_found',
    }),
  )
  return { ...s, isAsking: true }
}
