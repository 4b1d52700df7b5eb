/** Reading another actor's record while its owner cannot: possibly stale, so only a hint. */
import { effect } from '../../src/runtime/index.ts'
import type { Formed } from '../formation/record.ts'

export const Records = {
  /** Null: there is no such formation. Fails when no replica answers. */
  formation: effect<{ appId: string }, { record: Formed | null }>('records.formation'),
}
