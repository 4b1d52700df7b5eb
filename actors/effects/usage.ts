/** The usage record: what dynos cost, day by day, for good; also of apps that are gone. */
import { effect } from '../../src/runtime/index.ts'
import type { Over } from '../protocols/usage.ts'

/** Of the account's pool of Eco dynos, this month. */
export type EcoQuota = { readonly limitMs: number; readonly usedMs: number; readonly leftMs: number }

export const Usage = {
  /**
   * Durable when it resolves. A day that is on record already stays as it is: asking again changes
   * nothing.
   */
  enter: effect<{ appId: string; appName: string; over: readonly Over[] }, void>('usage.enter'),
  /** As of a moment ago: every Eco dyno of every app counts. */
  quota: effect<Record<string, never>, EcoQuota>('usage.quota'),
}
