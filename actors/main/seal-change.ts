/** Changes of `cluster/seal` by compare-and-set. */
import { StoreConflict, type Store } from '../../src/ports/store.ts'
import {
  decodeSeal,
  encodeSeal,
  firstRecord,
  sealRecordKey,
  type KeyName,
  type SealRecord,
} from './seal-record.ts'

const triesMax = 16

/**
 * @param to undefined: it stays as it is
 * @param sealing what the record begins with where there is none; left out: none is made
 * @returns whether it was changed
 */
export const changeSeal = async (
  store: Pick<Store, 'get' | 'create' | 'update'>,
  to: (record: SealRecord) => SealRecord | undefined,
  sealing?: KeyName,
): Promise<boolean> => {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const entry = await store.get(sealRecordKey)
    if (entry === undefined && sealing === undefined) return false
    const record = entry === undefined ? firstRecord(sealing as KeyName) : decodeSeal(entry.value)
    const changed = to(record)
    if (changed === undefined) return false
    try {
      if (entry === undefined) await store.create(sealRecordKey, encodeSeal(changed))
      else await store.update(sealRecordKey, encodeSeal(changed), entry.revision)
      return true
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
  }
  throw new StoreConflict(sealRecordKey)
}
