/** What of a soak must not be. */
import { defaultLimits } from '../../../src/proxy/limits.ts'
import type { Soaked } from './run.ts'

/** Above what the shard had with all slow clients there: room for bodies in flight, whatever their size. */
const roomMb = 192

/** What a shard may keep for all its slow clients together, with some for the clients themselves. */
const heldMbMax = defaultLimits.totalBufferBytesMax / 1_048_576 + 64

/** @returns in words; empty: all is well */
export const faultsOf = ({ spoiled, lost, idleMb, heldMb, samplesMb }: Soaked): readonly string[] => {
  const most = Math.max(...samplesMb)
  // The first third is warming up: what comes after it may be no more than what was there.
  const third = Math.max(1, Math.floor(samplesMb.length / 3))
  const early = Math.max(...samplesMb.slice(0, third))
  const late = Math.min(...samplesMb.slice(-third))
  return [
    ...(spoiled > 0 ? [`${spoiled} bodies arrived as another than was sent`] : []),
    ...(lost > 0 ? [`${lost} slow clients were let go`] : []),
    ...(heldMb > idleMb + heldMbMax ? [`${heldMb} MB with all slow clients there, ${idleMb} before`] : []),
    ...(most > heldMb + roomMb
      ? [`${most} MB of memory at the most, ${heldMb} with all slow clients there`]
      : []),
    ...(late > early + roomMb / 4
      ? [`memory grew: at least ${late} MB at the end, at most ${early} before`]
      : []),
  ]
}
