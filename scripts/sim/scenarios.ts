/** The systems that are simulated. */
import { bank } from './bank.ts'
import { logs } from './logs.ts'
import { platform } from './platform.ts'
import type { Scenario } from './scenario.ts'

export const scenarios: readonly Scenario[] = [bank, platform, logs]
