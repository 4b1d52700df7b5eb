/** An app's record as it is kept, for its actor, and for those who read it without being it. */
import type { Durable } from '../../src/runtime/actor.ts'
import { limitsDefault } from '../../src/runtime/limits.ts'
import { RecordFormat } from '../../src/runtime/record.ts'
import { appRecordSchema, type AppRecord } from './record.ts'

export const appRecord: Durable<AppRecord, typeof appRecordSchema> = {
  version: 1,
  schema: appRecordSchema,
  save: (a) => a,
  load: (a) => a,
}

export const appFormat = new RecordFormat(appRecord as Durable<unknown>, limitsDefault.recordBytesMax)
