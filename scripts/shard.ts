/** One router shard: `scripts/shard.ts <index>`. Started by the host process, which it outlives. */
import { loadSettings } from '../config/load.ts'
import { runShard } from '../actors/main/shard.ts'

const { home, routerPort, routerTlsPort, appDomain } = loadSettings()
await runShard({ home, routerPort, routerTlsPort, appDomain, index: Number(process.argv[2] ?? 0) })
