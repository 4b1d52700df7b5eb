/**
 * What a formation does when others have decided: a release to work towards, a place for a run, or none.
 */
import { ref } from '../../src/runtime/index.ts'
import { Releases } from '../protocols/releases.ts'
import type { Release, Who } from '../protocols/shapes.ts'
import { say } from '../say.ts'
import { withSlot, type Formed } from './record.ts'
import { end, fit, isFormed, restart, send, type Self } from './rollout.ts'
import { scaledText, typesOf } from './scale.ts'

const placeRetryMs = 2_000

/** Idempotent by version. The first code of an app starts its web process. */
export const released = (f: Formed, release: Release, by: Who, ctx: Self): Formed => {
  const known = f.release?.version ?? 0
  ctx.tell(ref(Releases, ctx.self.key), { type: 'received', version: Math.max(known, release.version) })
  if (f.destroying || release.version <= known) return f
  if (release.slug === null) return { ...f, release }
  const first = f.release?.slug == null
  const types = typesOf(release.slug, f.types, first, { now: ctx.now, uuid: () => ctx.uuid() })
  if (first) say(ctx, ctx.self.key, 'app', 'api', scaledText(types, by.email))
  const next = fit({ ...f, release, types }, ctx)
  return next.slots
    .filter((slot) => isFormed(slot) && slot.releaseVersion < release.version)
    .reduce((moved, slot) => restart(moved, slot, ctx), next)
}

/** The host is told when this is on record. */
export const placed = (f: Formed, runId: string, host: string, ctx: Self): Formed => {
  const slot = f.slots.find((held) => held.run?.id === runId)
  if (slot?.run?.phase !== 'placing') return f
  const run = { ...slot.run, host, phase: 'sent', at: ctx.now } as const
  send(f, slot, run, ctx)
  return withSlot(f, slot.name, { ...slot, run })
}

/** Tried again until there is room. A predecessor that still runs may hold the very room: it goes. */
export const placeFailed = (
  f: Formed,
  runId: string,
  why: { reason: string; full: boolean },
  ctx: Self,
): Formed => {
  const slot = f.slots.find((held) => held.run?.id === runId)
  if (slot?.run?.phase !== 'placing') return f
  ctx.after('retry', placeRetryMs, { type: 'retry' })
  if (!why.full) return f
  // Said once a run: at the first try.
  if (ctx.now - slot.run.at < placeRetryMs) {
    say(ctx, ctx.self.key, 'heroku', slot.name, `Error R99 (Platform error) -> ${why.reason}`)
  }
  return slot.old === null ? f : withSlot(end(f, slot, slot.old, ctx), slot.name, { ...slot, old: null })
}
