/**
 * One-off dynos: `heroku run`. A slot of its own that is never restarted (spec/dyno.md §1.11).
 */
import { dynoSizeDefault, dynoSizes, findDynoSize } from '../../config/dyno-sizes.ts'
import { heroku } from '../../config/heroku.ts'
import type { MessageOf } from '../../src/runtime/index.ts'
import { expandType } from '../dyno/command.ts'
import type { Formation } from '../protocols/formation.ts'
import { say } from '../say.ts'
import type { Formed, Slot } from './record.ts'
import { freshSlot, launch, type Self } from './rollout.ts'

type Run = MessageOf<typeof Formation, 'run'>
type Ran = { readonly f: Formed; readonly name: string } | { readonly refused: string }

/** @param from the host that asks: an attached client waits there */
export const runOneOff = (f: Formed, m: Run, from: string, ctx: Self): Ran => {
  const release = f.release
  if (release === null || release.slug === null)
    return { refused: 'No code has been deployed to this app yet.' }
  if (m.command.trim() === '') return { refused: 'Command cannot be blank.' }
  if (m.command.length > heroku.commandCharsMax) {
    return { refused: `Command is too long (maximum is ${heroku.commandCharsMax} characters).` }
  }
  const running = f.slots.filter((slot) => slot.oneOff !== null && slot.run !== null).length
  if (running >= heroku.oneOffsMax) {
    return { refused: `Cannot run more than ${heroku.oneOffsMax} one-off dynos at once.` }
  }
  const size = findDynoSize(m.size ?? sizeOf(f))
  if (size === undefined) {
    return {
      refused: `No such dyno size as ${m.size}. Available sizes: ${dynoSizes.map((s) => s.name).join(', ')}.`,
    }
  }
  const name = freshName(m.processType ?? 'run', f, ctx)
  const slot: Slot = {
    ...freshSlot(name, ctx.now),
    type: m.processType ?? 'run',
    command: expandType(m.command, release.slug.processTypes),
    size: size.name,
    releaseId: release.id,
    releaseVersion: release.version,
    oneOff: {
      release,
      env: m.env,
      attach: m.attachToken === null ? null : { host: from, token: m.attachToken, terminal: m.terminal },
      timeToLiveMs: lifeMs(m.timeToLiveMs, ctx),
    },
  }
  say(ctx, ctx.self.key, 'app', 'api', `Starting process with command \`${m.command}\` by user ${m.by.email}`)
  return { f: launch({ ...f, slots: [...f.slots, slot] }, slot, ctx), name }
}

/** Heroku's: not as large as the app's web dynos, but of their kind. */
const sizeOf = (f: Formed): string => {
  const web = f.types.find((type) => type.type === 'web')?.size ?? dynoSizeDefault
  return web === 'Eco' || web === 'Basic' ? web : 'Standard-1X'
}

/** Without a time to live of its own it is cycled as every dyno is. */
const lifeMs = (wantedMs: number | undefined, ctx: Self): number =>
  wantedMs === undefined
    ? heroku.cycleMs + Math.floor(ctx.random() * heroku.cycleSpreadMs)
    : Math.min(wantedMs, heroku.oneOffTimeToLiveMsMax)

/** There are far more numbers than one-offs, so the next free one is near. */
export const freshName = (type: string, { slots }: Formed, ctx: Self): string => {
  const taken = new Set(slots.filter((slot) => slot.oneOff !== null).map((slot) => slot.name))
  const count = heroku.oneOffNumberMax - heroku.oneOffNumberMin + 1
  let offset = Math.floor(ctx.random() * count)
  while (taken.has(`${type}.${heroku.oneOffNumberMin + offset}`)) offset = (offset + 1) % count
  return `${type}.${heroku.oneOffNumberMin + offset}`
}
