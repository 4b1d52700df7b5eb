/** A team's record as it is kept, for its actor, and for those who read it without being it. */
import type { Durable } from '../../src/runtime/actor.ts'
import { limitsDefault } from '../../src/runtime/limits.ts'
import { RecordFormat } from '../../src/runtime/record.ts'
import { teamRecordSchema, type TeamRecord } from './record.ts'

export const teamRecord: Durable<TeamRecord, typeof teamRecordSchema> = {
  version: 1,
  schema: teamRecordSchema,
  save: (r) => r,
  load: (r) => r,
}

export const teamFormat = new RecordFormat(teamRecord as Durable<unknown>, limitsDefault.recordBytesMax)
