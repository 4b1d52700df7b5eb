/** Performs Records: a formation's record, decoded as the formation itself would, from any replica. */
import type { Effects } from '../../../src/ports/effects.ts'
import type { Entry } from '../../../src/ports/store.ts'
import type { Durable } from '../../../src/runtime/actor.ts'
import { limitsDefault } from '../../../src/runtime/limits.ts'
import { RecordFormat, recordKey } from '../../../src/runtime/record.ts'
import { formationRecord, type Formed } from '../../formation/record.ts'
import { asEffectFailure } from './names.ts'

// The format checks the saved state itself before anything is loaded from it.
const format = new RecordFormat(formationRecord as Durable<unknown>, limitsDefault.recordBytesMax)

/** @param peek reads one entry, stale if need be, also while the record's leader is away */
export const performRecords = (peek: (key: string) => Promise<Entry | undefined>): Effects => ({
  'records.formation': async ({ appId }: { appId: string }): Promise<{ record: Formed | null }> => {
    const key = recordKey('formation', appId)
    try {
      const entry = await peek(key)
      return { record: entry === undefined ? null : (format.decode(entry.value, key).state as Formed) }
    } catch (error) {
      throw asEffectFailure(error)
    }
  },
})
