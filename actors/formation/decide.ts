/** What a formation does when a release is there to work towards. */
import { ref } from '../../src/runtime/index.ts'
import { Releases } from '../protocols/releases.ts'
import type { Release, Who } from '../protocols/shapes.ts'
import { say } from '../say.ts'
import type { Formed } from './record.ts'
import { fit, isFormed, restart, type Self } from './rollout.ts'
import { scaledText, typesOf } from './scale.ts'

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
    .reduce((moved, slot) => restart(moved, slot, 'release', ctx), next)
}
