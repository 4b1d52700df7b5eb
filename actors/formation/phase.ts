/**
 * The release phase: the command of type `release` runs once in a one-off dyno on a release that does not
 * hold yet (spec/dyno.md §1.13). Its end is on record before Releases is told, and told as often as it asks.
 */
import { dynoSizeDefault } from '../../config/dyno-sizes.ts'
import { heroku } from '../../config/heroku.ts'
import { ref } from '../../src/runtime/index.ts'
import { Releases } from '../protocols/releases.ts'
import type { Release, Who } from '../protocols/shapes.ts'
import { say } from '../say.ts'
import { freshName } from './one-off.ts'
import type { Formed, Slot } from './record.ts'
import { freshSlot, launch, type Self } from './rollout.ts'

/** Far more than are ever asked for again: only the newest release can be pending. */
const phasesMax = 10

export const runPhase = (f: Formed, release: Release, by: Who, ctx: Self): Formed => {
  const command = release.slug?.processTypes['release']
  const known = f.phases?.find(({ releaseId }) => releaseId === release.id)
  if (known !== undefined || command === undefined || f.destroying) {
    tellEnd(release.id, known?.ok ?? false, ctx)
    return f
  }
  if (f.slots.some(({ oneOff }) => oneOff?.isPhase === true && oneOff.release.id === release.id)) return f
  const name = freshName('release', f, ctx)
  const types = withRelease(f.types, command, ctx)
  const slot: Slot = {
    ...freshSlot(name, ctx.now),
    type: 'release',
    command,
    size: types.find(({ type }) => type === 'release')?.size ?? dynoSizeDefault,
    releaseId: release.id,
    releaseVersion: release.version,
    oneOff: { release, env: {}, attach: null, timeToLiveMs: heroku.releasePhaseMsMax, isPhase: true },
  }
  say(ctx, ctx.self.key, 'app', 'api', `Starting process with command \`${command}\` by user ${by.email}`)
  return launch({ ...f, types, slots: [...f.slots, slot] }, slot, ctx)
}

/** From its first run on it is a type like the others, which has a size and can be tried again. */
const withRelease = (types: Formed['types'], command: string, ctx: Self): Formed['types'] => {
  if (types.some(({ type }) => type === 'release')) return types
  const at = { createdAt: ctx.now, updatedAt: ctx.now }
  const size = { size: dynoSizeDefault, quantity: 0, singleton: false }
  const fresh = { id: ctx.uuid(), type: 'release', command, ...size, ...at }
  return [...types, fresh].sort((a, b) => (a.type < b.type ? -1 : 1))
}

/** Of a one-off that is over: when it was a release command, that is on record and told. */
export const endPhase = (f: Formed, { oneOff }: Slot, ok: boolean, ctx: Self): Formed => {
  if (oneOff?.isPhase !== true) return f
  const releaseId = oneOff.release.id
  tellEnd(releaseId, ok, ctx)
  return { ...f, phases: [...(f.phases ?? []), { releaseId, ok }].slice(-phasesMax) }
}

const tellEnd = (releaseId: string, ok: boolean, ctx: Self): void =>
  ctx.tell(ref(Releases, ctx.self.key), { type: 'phaseEnded', releaseId, ok })
