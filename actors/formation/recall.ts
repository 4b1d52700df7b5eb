/**
 * Runs on record whose hosts have said nothing since this activation began. After a cold start nobody but the
 * record knows of what ran on a machine that never came back: placement is told, and finds it another host
 * when that one is dead.
 */
import { memoryBytesOf } from '../../config/dyno-sizes.ts'
import { refAt } from '../../src/runtime/index.ts'
import { Placement } from '../protocols/placement.ts'
import { isSingleton, labelsOf } from './order.ts'
import type { Formed, Slot } from './record.ts'
import type { Self } from './rollout.ts'

/** Longer than hosts take to announce what they run, shorter than a lease. */
export const recallMs = 5_000
const runsMax = 1_000

/** @returns whether there are any: the same is said again until they are heard of, or are elsewhere */
export const recall = (f: Formed, heard: ReadonlySet<string>, ctx: Self): boolean => {
  const runs = f.slots.flatMap((slot) => unheard(f, slot, heard, ctx))
  if (runs.length === 0) return false
  ctx.tell(refAt(Placement, 'placement', ctx.host), {
    type: 'recalled',
    runs: runs.slice(0, runsMax),
    relayed: false,
  })
  return true
}

const unheard = (f: Formed, slot: Slot, heard: ReadonlySet<string>, ctx: Self) =>
  [slot.run, slot.old].flatMap((run) => {
    if (run === null || run.host === null || heard.has(run.host)) return []
    const { id, epoch, host } = run
    const bytes = memoryBytesOf(slot.size)
    return [
      {
        host,
        run: {
          id,
          appId: ctx.self.key,
          name: slot.name,
          bytes,
          epoch,
          singleton: isSingleton(f, slot),
          labels: labelsOf(f, slot),
        },
      },
    ]
  })
