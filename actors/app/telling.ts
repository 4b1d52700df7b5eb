/** How the events of an app's own changes are held with them, and told. */
import type { Ctx } from '../../src/runtime/index.ts'
import { guard, hold, pruned, tellOn } from '../events/outbox.ts'
import type { App } from '../protocols/app.ts'
import type { Who } from '../protocols/shapes.ts'
import { eventsOf } from './events.ts'
import type { AppRecord } from './record.ts'
import type { State } from './waiting.ts'

type Self = Ctx<typeof App>

/** With that record, and the events of the change. */
export const withEvents = (s: State, a: AppRecord, by: Who | undefined, ctx: Self): State => {
  const drafts = eventsOf(s.a, a, by)
  if (drafts.length === 0) return { ...s, a }
  const events = hold(a.events, drafts, s.telling, ctx.now)
  guard(ctx)
  return tellEvents({ ...s, a: { ...a, ...(events && { events }) } }, ctx)
}

export const tellEvents = (s: State, ctx: Self): State => ({
  ...s,
  telling: tellOn(s.a?.events, s.telling, ctx),
})

/** Its record without what is told, and the rest told. */
export const settledEvents = (s: State, _: unknown, ctx: Self): State => {
  if (s.a?.events === undefined) return s
  return tellEvents({ ...s, a: { ...s.a, events: pruned(s.a.events, s.telling, ctx) } }, ctx)
}
