/** One router shard: `scripts/shard.ts <index>`. Started by the host process, which it outlives. */
import { setFlagsFromString } from 'node:v8'
import { loadSettings } from '../config/load.ts'
import { runShard } from '../actors/main/shard.ts'

// Most of a shard's memory is routes, which stay: the heap may grow by half of what lives before it is
// collected, not by as much again. With 200,000 routes: 513 MB without, 428 MB with it, its pauses no longer.
setFlagsFromString('--heap-growing-percent=50')

await runShard({ ...loadSettings(), index: Number(process.argv[2] ?? 0) })
