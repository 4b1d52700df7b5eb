/** The events of a formation: what it says now against what it said before. */
import type { Ctx } from '../../src/runtime/index.ts'
import { guard, hold, pruned, tellOn, type Draft, type Telling } from '../events/outbox.ts'
import { platformItself } from '../protocols/event.ts'
import type { Formation } from '../protocols/formation.ts'
import type { Who } from '../protocols/shapes.ts'
import { viewOf } from './dynos.ts'
import { noPlaces } from './place.ts'
import type { Formed, Slot } from './record.ts'

type Self = Ctx<typeof Formation>

/** @param by who asked for it; undefined: whoever made the release that runs */
export const withEvents = (
  before: Formed | null,
  after: Formed,
  telling: Telling,
  by: Who | undefined,
  ctx: Self,
): Formed => {
  const who = by ?? releasedBy(after)
  const of = { by: who, appName: after.appName }
  const types = typesChanged(before, after, of)
  // Who scales was answered; what becomes of dynos nobody was promised.
  if (types.length > 0) guard(ctx)
  const events = hold(after.events, [...types, ...dynosChanged(before, after, of)], telling, ctx.now)
  return events === undefined || events === after.events ? after : { ...after, events }
}

/** What is held is told; of an app that comes to be again, what its last life held too. */
export const tellEvents = (f: Formed | null, telling: Telling, ctx: Self): Telling =>
  tellOn(f?.events, telling, ctx)

export const withoutTold = (f: Formed, telling: Telling, ctx: Self): Formed => {
  const events = f.events && pruned(f.events, telling, ctx)
  return events === undefined || events === f.events ? f : { ...f, events }
}

const releasedBy = ({ release }: Formed): Who =>
  release === null ? platformItself : { id: release.userId, email: release.userEmail }

type Of = Pick<Draft, 'by' | 'appName'>

const typesChanged = (before: Formed | null, after: Formed, of: Of): Draft[] => {
  if (before === null || before.types === after.types) return []
  const was = new Map(before.types.map((type) => [type.type, type]))
  const is = new Set(after.types.map(({ type }) => type))
  const changed = after.types.flatMap((type): Draft[] => {
    const old = was.get(type.type)
    if (old === undefined) return [{ entity: 'formation', action: 'create', ...of, view: type }]
    if (old === type) return []
    return [{ entity: 'formation', action: 'update', ...of, view: type, before: old }]
  })
  const gone = before.types.filter(({ type }) => !is.has(type))
  return [...changed, ...gone.map((view): Draft => ({ entity: 'formation', action: 'destroy', ...of, view }))]
}

const dynosChanged = (before: Formed | null, after: Formed, of: Of): Draft[] => {
  if (before === null || before.slots === after.slots) return []
  const was = new Map(before.slots.map((slot) => [slot.name, slot]))
  const is = new Set(after.slots.map(({ name }) => name))
  const changed = after.slots.flatMap((slot): Draft[] => {
    const old = was.get(slot.name)
    if (old === undefined) return [{ entity: 'dyno', action: 'create', ...of, view: shown(slot) }]
    if (isSame(old, slot)) return []
    return [{ entity: 'dyno', action: 'update', ...of, view: shown(slot), before: shown(old) }]
  })
  const gone = before.slots.filter(({ name }) => !is.has(name))
  return [
    ...changed,
    ...gone.map((slot): Draft => ({ entity: 'dyno', action: 'destroy', ...of, view: shown(slot) })),
  ]
}

const isSame = (a: Slot, b: Slot): boolean =>
  a === b ||
  (a.state === b.state &&
    a.lastRunId === b.lastRunId &&
    a.size === b.size &&
    a.releaseId === b.releaseId &&
    a.command === b.command)

/** Where it runs is nobody's affair. */
const shown = (slot: Slot): object => ({ ...viewOf(slot, noPlaces.waiting), host: null })
