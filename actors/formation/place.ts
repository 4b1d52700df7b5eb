/**
 * Asking where runs go, and what a formation does with the answer: one question for all runs of a type that
 * wait, so that a large scale is one turn and one write.
 */
import { memoryBytesOf } from '../../config/dyno-sizes.ts'
import { refAt, type AskFailure, type MessageOf } from '../../src/runtime/index.ts'
import type { Formation } from '../protocols/formation.ts'
import { Placement } from '../protocols/placement.ts'
import { say } from '../say.ts'
import { isSingleton, labelsOf } from './order.ts'
import { withSlot, type Formed, type RunState, type Slot } from './record.ts'
import { end, send, type Self } from './rollout.ts'

/** What an activation knows of places: questions that are open, and why a slot waits. None of it is kept. */
export type Places = {
  /** Run ids. */
  readonly asked: ReadonlySet<string>
  /** By slot. */
  readonly waiting: ReadonlyMap<string, string>
}
export const noPlaces: Places = { asked: new Set(), waiting: new Map() }

const placeTimeoutMs = 5_000
/** Placement tells when there is room; should that be lost, it is asked again. */
const lackRetryMs = 5_000
const retryMs = 500
/** A reason other than a lack of room or of a host of the kind is not worth a line in the log before. */
const patienceMs = 10_000

type Placing = { readonly slot: Slot; readonly run: RunState }

/** Asks for every run that has no place and no open question. */
export const askPlaces = (f: Formed, places: Places, ctx: Self): Places => {
  const groups = new Map<string, Placing[]>()
  for (const slot of f.slots) {
    const { run } = slot
    if (run?.phase !== 'placing' || places.asked.has(run.id)) continue
    const kind = `${slot.type} ${slot.size}`
    const known = groups.get(kind)
    if (known === undefined) groups.set(kind, [{ slot, run }])
    else known.push({ slot, run })
  }
  if (groups.size === 0) return places
  const asked = new Set(places.asked)
  for (const placing of groups.values()) {
    ask(f, placing, ctx)
    for (const { run } of placing) asked.add(run.id)
  }
  return { ...places, asked }
}

const ask = (f: Formed, placing: readonly Placing[], ctx: Self): void => {
  const { slot: first } = placing[0]!
  const ids = placing.map(({ run }) => run.id)
  const held = f.slots.flatMap(({ type, run }) =>
    type === first.type && run?.host != null ? [{ runId: run.id, host: run.host }] : [],
  )
  const question = {
    type: 'place',
    appId: ctx.self.key,
    processType: first.type,
    memoryBytes: memoryBytesOf(first.size),
    singleton: isSingleton(f, first),
    labels: labelsOf(f, first),
    held,
    runs: placing.map(({ slot, run }) => ({ runId: run.id, name: slot.name, epoch: run.epoch })),
    relayed: false,
  } as const
  ctx.ask(
    refAt(Placement, 'placement', ctx.host),
    question,
    placeTimeoutMs,
    ({ placed, failed }) => ({ type: 'placed', asked: ids, runs: placed, failed: failed && fullOf(failed) }),
    (failure) => ({ type: 'placed', asked: ids, runs: [], failed: failureOf(failure) }),
  )
}

type Failed = NonNullable<MessageOf<typeof Formation, 'placed'>['failed']>
const fullOf = (failed: { readonly code: string; readonly reason: string }): Failed => ({
  ...failed,
  full: failed.code === 'no_room',
})
const failureOf = (failure: AskFailure): Failed =>
  fullOf({ code: failure.kind === 'refused' ? failure.code : 'unanswered', reason: failure.reason })

/** Hosts are told when this is on record. */
export const placed = (
  f: Formed,
  runs: readonly { readonly runId: string; readonly host: string }[],
  ctx: Self,
): Formed => {
  if (runs.length === 0) return f
  const hosts = new Map(runs.map(({ runId, host }) => [runId, host]))
  const slots = f.slots.map((slot) => {
    const host = slot.run?.phase === 'placing' ? hosts.get(slot.run.id) : undefined
    if (slot.run === null || host === undefined) return slot
    const run = { ...slot.run, host, phase: 'sent', at: ctx.now } as const
    send(f, slot, run, ctx)
    return { ...slot, run }
  })
  return { ...f, slots }
}

/** Only what is new in the fleet ends it. */
const isLack = ({ code }: Failed): boolean => code === 'no_room' || code === 'no_match'

/** Tried again until there is room. A predecessor that still runs may hold the very room: it goes. */
export const unplaced = (f: Formed, runIds: readonly string[], failed: Failed, ctx: Self): Formed => {
  ctx.after('retry', isLack(failed) ? lackRetryMs : retryMs, { type: 'retry' })
  if (!failed.full) return f
  return f.slots
    .filter((slot) => slot.old !== null && slot.run?.phase === 'placing' && runIds.includes(slot.run.id))
    .reduce((next, slot) => withSlot(end(next, slot, slot.old, ctx), slot.name, { ...slot, old: null }), f)
}

/** The answer is in: what waits has a reason, said once in the log for as long as it is the same. */
export const answered = (
  f: Formed,
  places: Places,
  m: MessageOf<typeof Formation, 'placed'>,
  ctx: Self,
): Places => {
  const answer = new Set(m.asked)
  const asked = places.asked.difference(answer)
  const waiting = new Map(places.waiting)
  for (const { name, run } of f.slots) {
    if (run === null || !answer.has(run.id)) continue
    const reason = run.phase === 'placing' ? m.failed?.reason : undefined
    const worthy = (m.failed !== null && isLack(m.failed)) || ctx.now - run.at > patienceMs
    if (reason === undefined || !worthy) waiting.delete(name)
    else if (waiting.get(name) !== reason) {
      say(ctx, ctx.self.key, 'heroku', name, `Error R99 (Platform error) -> ${reason}`)
      waiting.set(name, reason)
    }
  }
  return { asked, waiting }
}
