/** The systems that are simulated. */
import { bank } from './bank.ts'
import { logs } from './logs.ts'
import { pipelines } from './pipelines.ts'
import { platform } from './platform.ts'
import type { Scenario } from './scenario.ts'

export const scenarios: readonly Scenario[] = [bank, platform, logs, pipelines]
