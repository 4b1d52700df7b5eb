/** Performs Records: a formation's record, decoded as the formation itself would, from any replica. */
import type { Effects } from '../../../src/ports/effects.ts'
import type { Entry } from '../../../src/ports/store.ts'
import { recordKey } from '../../../src/runtime/record.ts'
import { formationFormat } from '../../formation/kept.ts'
import type { Formed } from '../../formation/record.ts'
import { asEffectFailure } from './names.ts'

/** @param peek reads one entry, stale if need be, also while the record's leader is away */
export const performRecords = (peek: (key: string) => Promise<Entry | undefined>): Effects => ({
  'records.formation': async ({ appId }: { appId: string }): Promise<{ record: Formed | null }> => {
    const key = recordKey('formation', appId)
    try {
      const entry = await peek(key)
      return {
        record: entry === undefined ? null : (formationFormat.decode(entry.value, key).state as Formed),
      }
    } catch (error) {
      throw asEffectFailure(error)
    }
  },
})
