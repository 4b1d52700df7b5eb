/**
 * What a formation keeps: the types it wants, the slots that hold them, and the runs it must still see end.
 *
 * A slot (`web.1`) outlives its runs. A run is one life of one process on one host; its epoch is larger than
 * that of any run decided before it, also after the record was rolled back to an older state (epochs start
 * from the wall clock).
 */
import { is, type Static } from '../../src/runtime/index.ts'
import { attachShape, dynoState, outerShape, processTypeShape, releaseShape } from '../protocols/shapes.ts'
import { outboxShape } from '../protocols/event.ts'
import { meterSchema } from '../protocols/usage.ts'

export const runSchema = is.obj({
  id: is.str,
  epoch: is.int,
  /** Null: Placement has not answered yet. */
  host: is.orNull(is.str),
  /** `sent`: told to the host, which has not reported it yet. */
  phase: is.oneOf('placing', 'sent', 'starting', 'up', 'stopping'),
  /** When that phase began, by this side's clock. */
  at: is.int,
  /** The host's incarnation that reported it last; 0: none has in full. */
  since: is.int,
  address: is.orNull(is.str),
  port: is.orNull(is.int),
  outer: outerShape,
  /** A user asked for its end (ps:stop): say `halt` until it is over. */
  halted: is.bool,
})
/** One life of one process, as far as the formation knows. */
export type RunState = Static<typeof runSchema>

/** What only a one-off needs. Its environment is forgotten once a host has it: it may hold secrets. */
export const oneOffSchema = is.obj({
  release: releaseShape,
  env: is.map(is.str),
  attach: is.orNull(attachShape),
  timeToLiveMs: is.orNull(is.int),
  /** The release command of `release`. */
  isPhase: is.opt(is.bool),
})

export const slotSchema = is.obj({
  name: is.str,
  type: is.str,
  command: is.str,
  size: is.str,
  state: dynoState,
  createdAt: is.int,
  updatedAt: is.int,
  releaseId: is.str,
  releaseVersion: is.int,
  /** Null: crashed and cooling off, or complete. */
  run: is.orNull(runSchema),
  /** The run that serves until `run` is up. */
  old: is.orNull(runSchema),
  /** Id of the last run, for the API. */
  lastRunId: is.str,
  crashes: is.int,
  /** When a crashed slot starts again, or a complete one is forgotten; 0: neither. */
  dueAt: is.int,
  oneOff: is.orNull(oneOffSchema),
})
export type Slot = Static<typeof slotSchema>

/** Both lives of a slot run until then; `holds`: requests go to the old one. */
const prebootSchema = is.obj({ until: is.int, holds: is.bool })
export type Preboot = Static<typeof prebootSchema>

/** A run that must end; its host is told until it says that the run is gone. */
export const endingSchema = is.obj({
  id: is.str,
  name: is.str,
  host: is.str,
  since: is.int,
  seen: is.bool,
  at: is.int,
})
export type Ending = Static<typeof endingSchema>

export const recordSchema = is.obj({
  appName: is.str,
  hostnames: is.arr(is.str),
  maintenance: is.bool,
  /** Names of config/features.ts; absent in records of before there were any. */
  features: is.opt(is.arr(is.str)),
  /** Pair ids by hostname; absent where nobody gave a certificate. */
  certificates: is.opt(is.map(is.str)),
  /** Made when session affinity is turned on first, and kept. */
  affinityKey: is.opt(is.str),
  appChangedAt: is.int,
  release: is.orNull(releaseShape),
  types: is.arr(processTypeShape),
  slots: is.arr(slotSchema),
  ending: is.arr(endingSchema),
  /** How the last release commands ended, so that none is run twice; absent: there was none. */
  phases: is.opt(is.arr(is.obj({ releaseId: is.str, ok: is.bool }))),
  /** By slot, those whose old run stays beside the new one; absent: none. */
  preboots: is.opt(is.map(prebootSchema)),
  /** Of the newest run. */
  epoch: is.int,
  routeVersion: is.int,
  destroying: is.bool,
  /** What its dynos cost; absent in records of before that was counted, and where there never were any. */
  meter: is.opt(meterSchema),
  /** Absent: nothing was ever told of it. */
  events: is.opt(outboxShape),
})
export type Formed = Static<typeof recordSchema>

export const formed = (appName: string): Formed => ({
  appName,
  hostnames: [],
  maintenance: false,
  features: [],
  appChangedAt: 0,
  release: null,
  types: [],
  slots: [],
  ending: [],
  epoch: 0,
  routeVersion: 0,
  destroying: false,
})

/** The same record with one slot replaced (by name); null removes it. */
export const withSlot = (f: Formed, name: string, slot: Slot | null): Formed => {
  const at = f.slots.findIndex((held) => held.name === name)
  if (at < 0) return f
  return { ...f, slots: slot === null ? f.slots.toSpliced(at, 1) : f.slots.with(at, slot) }
}

/** `web.2` before `web.10`, types by name. */
export const slotOrder = (a: Slot, b: Slot): number =>
  a.type === b.type ? numberOf(a.name) - numberOf(b.name) : a.type < b.type ? -1 : 1
export const numberOf = (name: string): number => Number(name.slice(name.lastIndexOf('.') + 1))
