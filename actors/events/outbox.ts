/**
 * Outbox: how an actor's change and the event of it are one. The event stands in the actor's record with the
 * change itself, and goes once it is where events are kept; so none is lost by a crash between the two, and
 * none is told of a change that was not stored.
 *
 * What is told leaves the record with the next change, or a while later: no write of its own for each event.
 */
import type { Ctx, Message } from '../../src/runtime/index.ts'
import { Events } from '../effects/events.ts'
import type { Event, Outbox } from '../protocols/event.ts'

export type Draft = Pick<Event, 'entity' | 'action' | 'by' | 'appName' | 'view' | 'before'>

/** What an activation knows of its outbox besides the record. */
export type Telling = {
  /** `n` of the last event that is surely told. */
  readonly told: number
  readonly busy: boolean
  /** Some of them may be told already: by another activation, or in a try whose answer was lost. */
  readonly unsure: boolean
}

/** Nothing of what an outbox tells itself is anybody else's. */
type OwnMessage =
  | { readonly type: 'eventsTold'; readonly through: number }
  | { readonly type: 'eventsFailed'; readonly reason: string }
  | { readonly type: 'tellEvents' }

const againMs = 2_000
const pruneMs = 5_000
/** Wakes the actor should nothing else do so. */
const remindMs = 60_000
const heldMax = 400
const batchMax = 100

export const untold: Telling = { told: 0, busy: false, unsure: false }
/** Of an activation that found this on record. */
export const toldOf = (outbox: Outbox | undefined): Telling => ({
  ...untold,
  unsure: (outbox?.held.length ?? 0) > 0,
})

/**
 * The outbox with these events in it. Of too many the oldest changes of dynos go: nobody was promised those.
 */
export const hold = (
  outbox: Outbox | undefined,
  drafts: readonly Draft[],
  { told }: Pick<Telling, 'told'>,
  now: number,
): Outbox | undefined => {
  if (drafts.length === 0) return outbox
  let n = outbox?.n ?? 0
  const fresh = drafts.map((draft): Event => {
    // Later than all before it, also after a record that was rolled back.
    n = Math.max(n + 1, now)
    return { n, at: now, ...draft }
  })
  const held = [...(outbox?.held ?? []).filter((event) => event.n > told), ...fresh]
  let excess = held.length - heldMax
  return { n, held: excess <= 0 ? held : held.filter(({ entity }) => entity !== 'dyno' || excess-- <= 0) }
}

export const isAllTold = (outbox: Outbox | undefined, { told }: Telling): boolean =>
  (outbox?.held.at(-1)?.n ?? 0) <= told

/** Tells what is not told yet, unless that is under way. */
export const tellOn = <P>(outbox: Outbox | undefined, telling: Telling, ctx: Ctx<P>): Telling => {
  if (outbox === undefined || telling.busy || isAllTold(outbox, telling)) return telling
  const events = outbox.held.filter(({ n }) => n > telling.told).slice(0, batchMax)
  const { key: appId, to: source } = ctx.self
  ctx.run(
    Events.publish({ appId, source, events, unsure: telling.unsure }),
    ({ through }) => own<P>({ type: 'eventsTold', through }),
    ({ message }) => own<P>({ type: 'eventsFailed', reason: message }),
  )
  return { ...telling, busy: true }
}

/** What was held just now is told, whatever becomes of this activation. */
export const guard = <P>(ctx: Ctx<P>): void =>
  ctx.remind('events', ctx.now + remindMs, own<P>({ type: 'tellEvents' }))

/** So far it is told; the rest follows. */
export const told = <P>(
  outbox: Outbox | undefined,
  telling: Telling,
  through: number,
  ctx: Ctx<P>,
): Telling => {
  const next = { told: Math.max(telling.told, through), busy: false, unsure: false }
  if (isAllTold(outbox, next)) ctx.after('events', pruneMs, own<P>({ type: 'tellEvents' }))
  return tellOn(outbox, next, ctx)
}

export const failed = <P>(telling: Telling, ctx: Ctx<P>): Telling => {
  ctx.after('events', againMs, own<P>({ type: 'tellEvents' }))
  return { ...telling, busy: false, unsure: true }
}

/** The outbox without what is told. */
export const pruned = <P>(outbox: Outbox, telling: Telling, ctx: Ctx<P>): Outbox => {
  if (isAllTold(outbox, telling)) ctx.forget('events')
  else guard(ctx)
  const held = outbox.held.filter(({ n }) => n > telling.told)
  return held.length === outbox.held.length ? outbox : { ...outbox, held }
}

const own = <P>(message: OwnMessage): Message<P> => message as Message<P>
