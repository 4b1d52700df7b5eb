/** The soak for some seconds, through a real shard. The long one is `npm run soak`. */
import t from 'tap'
import { faultsOf } from './soak/judge.ts'
import { soak } from './soak/run.ts'

t.setTimeout(240_000)

t.test('bodies arrive whole at flat memory while hundreds of slow clients are held', async (t) => {
  const bytes = 192 * 1_048_576
  const soaked = await soak({ clients: 300, bytes, say: (text) => t.comment(text) })
  t.strictSame(faultsOf(soaked), [])
  t.ok(soaked.bytesUp >= bytes && soaked.bytesDown >= bytes)
})

t.test('what must not be is seen: spoiled bodies, lost clients, memory that is large or grows', async (t) => {
  const well = {
    bytesUp: 1,
    bytesDown: 1,
    spoiled: 0,
    lost: 0,
    idleMb: 100,
    heldMb: 300,
    samplesMb: [310, 305, 312],
  }
  t.strictSame(faultsOf(well), [])
  t.match(faultsOf({ ...well, spoiled: 1 }), [/1 bodies/])
  t.match(faultsOf({ ...well, lost: 2 }), [/2 slow clients/])
  t.match(faultsOf({ ...well, heldMb: 500 }), [/500 MB with all slow clients/])
  t.match(faultsOf({ ...well, samplesMb: [310, 600, 312] }), [/600 MB/])
  t.match(faultsOf({ ...well, samplesMb: [310, 360, 370] }), [/memory grew/])
})
