/** Every scenario of the language, by name, in the order of the table. */
import type { Verdict } from './check.ts'
import type { Scenario, WorldName } from './language.ts'
import { buildHostFreeze, buildHostKill, buildProcessKill, setupHostKill } from './scenarios/build-host.ts'
import { natsFollowerKill, natsTwoOfThree } from './scenarios/bus-servers.ts'
import { coldStart, coldStartOneMissing } from './scenarios/cold-start.ts'
import { drainUnderLoad } from './scenarios/drain-under-load.ts'
import { hostFreezeThaw } from './scenarios/host-freeze-thaw.ts'
import { hostKill } from './scenarios/host-kill.ts'
import { kvRollback } from './scenarios/kv-rollback.ts'
import { clockJump, diskFull, diskSlow, echoes, lossyChurn, slowLink } from './scenarios/links.ts'
import { logLoss } from './scenarios/log-loss.ts'
import { massDeathBrake } from './scenarios/mass-death-brake.ts'
import { natsAllDown } from './scenarios/nats-all-down-60s.ts'
import { natsLeaderKill } from './scenarios/nats-leader-kill.ts'
import { oneWayLink } from './scenarios/one-way-link.ts'
import { partitionMinority } from './scenarios/partition-minority.ts'
import { processKill } from './scenarios/process-kill.ts'
import { processStaysDead } from './scenarios/process-stays-dead.ts'
import { returnOfTheDead } from './scenarios/return-of-the-dead.ts'
import { rollingUpgrade } from './scenarios/rolling-upgrade.ts'

export const catalogue: readonly Scenario[] = [
  hostKill,
  processKill,
  processStaysDead,
  hostFreezeThaw,
  partitionMinority,
  oneWayLink,
  slowLink,
  lossyChurn,
  echoes,
  natsLeaderKill,
  natsFollowerKill,
  natsTwoOfThree,
  natsAllDown,
  coldStart,
  coldStartOneMissing,
  massDeathBrake,
  kvRollback,
  diskFull,
  diskSlow,
  clockJump,
  drainUnderLoad,
  rollingUpgrade,
  returnOfTheDead,
  buildHostKill,
  buildProcessKill,
  buildHostFreeze,
  setupHostKill,
  logLoss,
]

/** A scenario that is no timeline over hosts: it brings its own world and its own checks. */
export type Special = {
  readonly name: string
  readonly what: string
  readonly worlds: readonly WorldName[]
  readonly run: (log: (line: string) => void) => Promise<Verdict>
}

export const specials: readonly Special[] = [
  {
    name: 'reannounce-200k',
    what: '200,000 routes; the bus is killed, some change, all are announced at once: none is lost.',
    worlds: ['netns'],
    run: async (log) => (await import('./reannounce/run.ts')).reannounce(200_000, log),
  },
]
