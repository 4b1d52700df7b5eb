/**
 * A formation as it is kept: for the actor, and for whoever reads it while the actor cannot. Pure.
 *
 * It is written whole with each change of any of its dynos, and so kept short: slots and runs are rows, and
 * what the slots of a type have in common is there once (50 dynos: 8 KB instead of 21).
 */
import type { Durable } from '../../src/runtime/actor.ts'
import { ActError } from '../../src/runtime/errors.ts'
import { checker, is, type Static } from '../../src/runtime/index.ts'
import { limitsDefault } from '../../src/runtime/limits.ts'
import { RecordFormat } from '../../src/runtime/record.ts'
import { outerShape } from '../protocols/shapes.ts'
import {
  oneOffSchema,
  recordSchema,
  runSchema,
  slotSchema,
  type Formed,
  type RunState,
  type Slot,
} from './record.ts'

const { id, epoch, host, phase, at, since, address, port, halted } = runSchema.properties
const runRow = is.row(id, epoch, host, phase, at, since, address, port, outerShape, halted)

const { name, type, command, size, state, createdAt, updatedAt } = slotSchema.properties
const { releaseId, releaseVersion, lastRunId, crashes, dueAt } = slotSchema.properties
/** What most slots of a type have in common. */
const kindRow = is.row(type, command, size, releaseId, releaseVersion)
const slotRow = is.row(
  name,
  /** Which of the kinds. */
  is.int,
  state,
  createdAt,
  updatedAt,
  is.orNull(runRow),
  is.orNull(runRow),
  /** Null: the id of its run. */
  is.orNull(lastRunId),
  crashes,
  dueAt,
  is.orNull(oneOffSchema),
)
const { slots: _, ...others } = recordSchema.properties
const keptSchema = is.obj({ ...others, kinds: is.arr(kindRow), slots: is.arr(slotRow) })
type Kept = Static<typeof keptSchema>
type RunRow = Static<typeof runRow>
type SlotRow = Static<typeof slotRow>

const rowOfRun = (run: RunState): RunRow => [
  run.id,
  run.epoch,
  run.host,
  run.phase,
  run.at,
  run.since,
  run.address,
  run.port,
  run.outer,
  run.halted,
]
const runOf = ([id, epoch, host, phase, at, since, address, port, outer, halted]: RunRow): RunState => ({
  id,
  epoch,
  host,
  phase,
  at,
  since,
  address,
  port,
  outer,
  halted,
})

const rowOfSlot = (slot: Slot, kind: number): SlotRow => [
  slot.name,
  kind,
  slot.state,
  slot.createdAt,
  slot.updatedAt,
  slot.run && rowOfRun(slot.run),
  slot.old && rowOfRun(slot.old),
  slot.lastRunId === slot.run?.id ? null : slot.lastRunId,
  slot.crashes,
  slot.dueAt,
  slot.oneOff,
]

const keep = ({ slots, ...others }: Formed): Kept => {
  const kinds: Static<typeof kindRow>[] = []
  const rows = slots.map((slot) => {
    const isOf = ([type, command, size, releaseId, releaseVersion]: Static<typeof kindRow>): boolean =>
      slot.releaseId === releaseId &&
      slot.type === type &&
      slot.command === command &&
      slot.size === size &&
      slot.releaseVersion === releaseVersion
    let kind = kinds.findLastIndex(isOf)
    if (kind < 0)
      kind = kinds.push([slot.type, slot.command, slot.size, slot.releaseId, slot.releaseVersion]) - 1
    return rowOfSlot(slot, kind)
  })
  return { ...others, kinds, slots: rows }
}

const restore = ({ kinds, slots, ...others }: Kept, key: string): Formed => ({
  ...others,
  slots: slots.map(([name, at, state, createdAt, updatedAt, run, old, lastRunId, crashes, dueAt, oneOff]) => {
    const kind = kinds[at]
    if (kind === undefined) throw new ActError('ACT_RECORD', `${key}: ${name} is of no kind`)
    const [type, command, size, releaseId, releaseVersion] = kind
    return {
      name,
      type,
      command,
      size,
      state,
      createdAt,
      updatedAt,
      releaseId,
      releaseVersion,
      run: run && runOf(run),
      old: old && runOf(old),
      lastRunId: lastRunId ?? run?.[0] ?? '',
      crashes,
      dueAt,
      oneOff,
    }
  }),
})

const misfit = checker(recordSchema)

/** Version 1 had everything by its name. */
const keptOfFirst = (old: unknown): Kept => {
  const fault = misfit(old)
  if (fault !== undefined) throw new ActError('ACT_RECORD', `${fault.path} ${fault.want}`)
  return keep(old as Formed)
}

export const formationRecord: Durable<Formed, typeof keptSchema> = {
  version: 2,
  schema: keptSchema,
  save: keep,
  load: restore,
  upcast: { 1: keptOfFirst },
}

/** For those who read a formation's record without being it. */
export const formationFormat = new RecordFormat(
  formationRecord as Durable<unknown>,
  limitsDefault.recordBytesMax,
)
