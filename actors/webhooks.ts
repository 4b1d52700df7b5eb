/**
 * Webhooks: who is told of one app's events by HTTP. Each hook reads the events behind a cursor of its own,
 * some at a time, and is sent one after the other: what waits, waits in the stream.
 *
 * What a receiver answered is on record before the next is sent, so whoever goes on after a crash or a move
 * repeats one delivery at most, under its own id. Lost with the activation: tries under way.
 */
import { actor, type AskCtx, type Caller, type Ctx } from '../src/runtime/index.ts'
import { Hooks } from './effects/webhooks.ts'
import { Webhooks, type WebhookView } from './protocols/webhooks.ts'
import {
  changed,
  hookIn,
  hooksMax,
  nextOf,
  openMax,
  recordSchema,
  tried,
  withEvents,
  withHook,
  type Hook,
  type Record,
} from './webhooks/record.ts'

type Doing = 'reading' | 'sending' | 'waiting'
type Adding = { readonly caller: Caller; readonly view: WebhookView }
type State = {
  readonly record: Record
  /** By hook; absent: nothing. */
  readonly doing: ReadonlyMap<string, Doing>
  /** Hooks for which there may be events that were not looked at. */
  readonly behind: ReadonlySet<string>
  readonly adding: ReadonlyMap<string, Adding>
  /** They wait for the end. */
  readonly closing: readonly Caller[]
  /** A reminder is set for then. */
  readonly guardedUntil: number
}
type Self = Ctx<typeof Webhooks>
type Refusing = Pick<AskCtx<typeof Webhooks, unknown>, 'refuseCaller'>

const againMs = 2_000
/** A host that dies leaves deliveries unsent: somebody looks after so long. */
const guardMs = 60_000
const closeMs = 8_000
const callersMax = 16

const blank: State = {
  record: { hooks: [] },
  doing: new Map(),
  behind: new Set(),
  adding: new Map(),
  closing: [],
  guardedUntil: 0,
}
const idsOf = ({ hooks }: Record): readonly string[] => hooks.map(({ view }) => view.id)

export const webhooks = actor(Webhooks, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  durable: {
    version: 1,
    schema: recordSchema,
    save: ({ record }: State) => (record.hooks.length === 0 ? undefined : record),
    load: (record): State => ({ ...blank, record, behind: new Set(idsOf(record)) }),
  },
  init: (): State => blank,
  awake: (s, ctx) => nextOfAll(s, ctx),
  receive: {
    add(s, { type: _type, ...wanted }, ctx) {
      if (s.record.hooks.length + s.adding.size >= hooksMax) {
        ctx.refuseCaller('invalid_params', `An app cannot have more than ${hooksMax} webhooks.`)
        return s
      }
      const id = ctx.uuid()
      ctx.run(
        Hooks.end({ appId: ctx.self.key }),
        ({ sequence }) => ({ type: 'begun', add: id, sequence }),
        ({ message }) => ({ type: 'beginFailed', add: id, reason: message }),
      )
      const view = { id, ...wanted, createdAt: ctx.now, updatedAt: ctx.now }
      return { ...s, adding: new Map(s.adding).set(id, { caller: ctx.caller, view }) }
    },
    begun(s, { add, sequence }, ctx) {
      const made = s.adding.get(add)
      if (made === undefined) return s
      ctx.answer(made.caller, made.view)
      const hook: Hook = { view: made.view, cursor: sequence, deliveries: [] }
      // Events may have come since.
      const behind = new Set(s.behind).add(add)
      const next = {
        ...s,
        adding: without(s.adding, add),
        behind,
        record: { hooks: [...s.record.hooks, hook] },
      }
      return step(next, add, ctx)
    },
    beginFailed(s, { add, reason }, ctx) {
      const made = s.adding.get(add)
      if (made !== undefined) ctx.refuse(made.caller, 'platform', reason)
      return { ...s, adding: without(s.adding, add) }
    },
    change(s, { hook: id, url, include, level, sealedId }, ctx) {
      const hook = hookIn(s.record, id)
      if (hook === undefined) return missing(s, ctx)
      const after = changed(hook, { url, include, level, sealedId }, ctx.now)
      ctx.reply(after.view)
      const next = { ...s, record: withHook(s.record, after) }
      if (s.doing.get(id) !== 'waiting') return next
      ctx.cancel(id)
      return step({ ...next, doing: without(s.doing, id) }, id, ctx)
    },
    remove(s, { hook: id }, ctx) {
      const hook = hookIn(s.record, id)
      if (hook === undefined) return missing(s, ctx)
      ctx.cancel(id)
      ctx.reply(hook.view)
      return {
        ...s,
        doing: without(s.doing, id),
        record: { hooks: s.record.hooks.filter(({ view }) => view.id !== id) },
      }
    },
    list(s, _, ctx) {
      ctx.reply({ hooks: s.record.hooks.map(({ view }) => view) })
      return s
    },
    deliveries(s, _, ctx) {
      ctx.reply({ deliveries: s.record.hooks.flatMap(({ deliveries }) => deliveries) })
      return s
    },
    look(s, _, ctx) {
      ctx.reply({})
      return s.record.hooks.length === 0 ? s : lookNow(guarded(s, ctx), ctx)
    },
    // What comes of it is guarded anew; when nothing does, nobody is woken for it again.
    wake: (s, _, ctx) => lookNow(s, ctx),
    close(s, _, ctx) {
      if (s.record.hooks.length === 0) {
        ctx.reply({})
        return s
      }
      const closing = [...s.closing, ctx.caller].slice(-callersMax)
      if (s.closing.length === 0) ctx.after('close', closeMs, { type: 'closeNow' })
      return nextOfAll({ ...s, closing, behind: new Set(idsOf(s.record)) }, ctx)
    },
    closeNow: (s, _, ctx) => close(s, ctx),
    read(s, { hook: id, events, through, hasMore }, ctx) {
      const hook = hookIn(s.record, id)
      if (hook === undefined || s.doing.get(id) !== 'reading') return s
      const after = withEvents(hook, events, through, { uuid: () => ctx.uuid(), now: ctx.now })
      const behind = new Set(s.behind)
      if (hasMore) behind.add(id)
      return step({ ...s, behind, doing: without(s.doing, id), record: withHook(s.record, after) }, id, ctx)
    },
    readFailed(s, { hook, reason }, ctx) {
      if (s.doing.get(hook) !== 'reading') return s
      ctx.log({ at: 'webhook_events_unread', app: ctx.self.key, reason })
      return later({ ...s, behind: new Set(s.behind).add(hook) }, hook, againMs, ctx)
    },
    tried(s, { hook: id, ...outcome }, ctx) {
      const hook = hookIn(s.record, id)
      if (hook === undefined || s.doing.get(id) !== 'sending') return s
      const after = tried(hook, outcome, ctx.now, ctx.random())
      return step({ ...s, doing: without(s.doing, id), record: withHook(s.record, after) }, id, ctx)
    },
    untried(s, { hook, reason }, ctx) {
      if (s.doing.get(hook) !== 'sending') return s
      ctx.log({ at: 'webhook_untried', app: ctx.self.key, reason })
      return later(s, hook, againMs, ctx)
    },
    again: (s, { hook }, ctx) =>
      s.doing.get(hook) === 'waiting' ? step({ ...s, doing: without(s.doing, hook) }, hook, ctx) : s,
  },
})

const missing = (s: State, ctx: Refusing): State => {
  ctx.refuseCaller('not_found', "Couldn't find that webhook.")
  return s
}

const without = <V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> => {
  const next = new Map(map)
  next.delete(key)
  return next
}

const lookNow = (s: State, ctx: Self): State => nextOfAll({ ...s, behind: new Set(idsOf(s.record)) }, ctx)

const nextOfAll = (s: State, ctx: Self): State => idsOf(s.record).reduce((next, id) => step(next, id, ctx), s)

/** What is to be done for a hook now, if anything is. */
const step = (s: State, id: string, ctx: Self): State => {
  const hook = hookIn(s.record, id)
  if (hook === undefined) return s
  if (s.doing.has(id)) return closeIfDone(s, ctx)
  const delivery = nextOf(hook)
  if (delivery === undefined) return s.behind.has(id) ? read(s, hook, ctx) : closeIfDone(s, ctx)
  const waitMs = (delivery.nextAt ?? 0) - ctx.now
  if (waitMs > 0) return closeIfDone(later(s, id, waitMs, ctx), ctx)
  const attemptId = ctx.uuid()
  ctx.run(
    Hooks.send({ appId: ctx.self.key, hook: hook.view, delivery, attemptId }),
    (outcome) => ({ type: 'tried', hook: id, attempt: attemptId, ...outcome }),
    ({ message }) => ({ type: 'untried', hook: id, reason: message }),
  )
  return guarded({ ...s, doing: new Map(s.doing).set(id, 'sending') }, ctx)
}

const read = (s: State, { view: { id, include }, cursor }: Hook, ctx: Self): State => {
  ctx.run(
    Hooks.read({ appId: ctx.self.key, after: cursor, include, max: openMax }),
    ({ events, ...rest }) => ({ type: 'read', hook: id, events: [...events], ...rest }),
    ({ message }) => ({ type: 'readFailed', hook: id, reason: message }),
  )
  const behind = new Set(s.behind)
  behind.delete(id)
  return { ...s, behind, doing: new Map(s.doing).set(id, 'reading') }
}

const later = (s: State, id: string, ms: number, ctx: Self): State => {
  ctx.after(id, ms, { type: 'again', hook: id })
  return guarded({ ...s, doing: new Map(s.doing).set(id, 'waiting') }, ctx)
}

/** Should this activation die with its host, a reminder starts another. */
const guarded = (s: State, ctx: Self): State => {
  if (s.guardedUntil > ctx.now) return s
  const until = ctx.now + guardMs
  ctx.remind('wake', until, { type: 'wake' })
  return { ...s, guardedUntil: until }
}

/** Every hook had its try: whoever takes the app away need not wait for more. */
const closeIfDone = (s: State, ctx: Self): State => {
  if (s.closing.length === 0) return s
  // One that waits had its try, and what is behind it waits for it.
  const isBusy = idsOf(s.record).some(
    (id) => s.doing.get(id) !== 'waiting' && (s.behind.has(id) || s.doing.has(id)),
  )
  return isBusy ? s : close(s, ctx)
}

const close = (s: State, ctx: Self): State => {
  if (s.closing.length === 0) return s
  for (const id of [...idsOf(s.record), 'close']) ctx.cancel(id)
  ctx.forget('wake')
  for (const caller of s.closing) ctx.answer(caller, {})
  return blank
}
