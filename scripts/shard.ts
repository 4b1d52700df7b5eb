/** One router shard: `scripts/shard.ts <index>`. Started by the host process, which it outlives. */
import { loadSettings } from '../config/load.ts'
import { runShard } from '../actors/main/shard.ts'

await runShard({ ...loadSettings(), index: Number(process.argv[2] ?? 0) })
