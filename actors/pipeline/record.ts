/** What a pipeline keeps of itself, and what of it is still under way. Pure. */
import { heroku } from '../../config/heroku.ts'
import { is, type Static } from '../../src/runtime/index.ts'
import {
  couplingShape,
  pipelineShape,
  type Coupling,
  type PipelineView,
  type Stage,
} from '../protocols/pipeline.ts'

export const pipelineRecordSchema = is.obj({
  pipeline: pipelineShape,
  /** `destroying`: its apps are let go; `ending`: none is left, its name is given back. */
  phase: is.oneOf('creating', 'live', 'destroying', 'ending'),
  /** Asked for, not yet known to be ours; null: none. */
  claiming: is.orNull(is.str),
  /** Given up, not yet known to be free. */
  releasing: is.arr(is.str),
  /** Whose apps do not surely know of them yet, and whose apps do not surely know that they are over. */
  joining: is.arr(couplingShape),
  leaving: is.arr(couplingShape),
  /** When the newest coupling was made: each is newer than those before, whatever the clock says. */
  newestAt: is.int,
})
export type PipelineRecord = Static<typeof pipelineRecordSchema>

type Made = Pick<PipelineView, 'id' | 'name' | 'owner' | 'isOfTeam'>

export const newPipeline = (made: Made, now: number): PipelineRecord => ({
  pipeline: { ...made, couplings: [], createdAt: now, updatedAt: now },
  phase: 'creating',
  claiming: made.name,
  releasing: [],
  joining: [],
  leaving: [],
  newestAt: 0,
})

/** Something must happen yet, whoever waits for it. */
export const unfinished = (p: PipelineRecord): boolean =>
  p.phase !== 'live' ||
  p.claiming !== null ||
  p.releasing.length > 0 ||
  p.joining.length > 0 ||
  p.leaving.length > 0

export const couplingOf = (p: PipelineRecord, appId: string): Coupling | undefined =>
  p.pipeline.couplings.find((one) => one.appId === appId)

type Refusal = { readonly code: 'invalid_params' | 'not_found' | 'conflict'; readonly reason: string }
type Outcome = { readonly p: PipelineRecord; readonly coupling: Coupling } | Refusal

const busy: Refusal = {
  code: 'conflict',
  reason: 'This app is joining or leaving the pipeline already. Please try again.',
}
const unknown: Refusal = { code: 'not_found', reason: "Couldn't find that pipeline coupling." }

/** With one more on its way. */
export const join = (p: PipelineRecord, appId: string, stage: Stage, now: number): Outcome => {
  const { couplings, name } = p.pipeline
  if (couplingOf(p, appId) !== undefined)
    return { code: 'invalid_params', reason: `App is already in the pipeline ${name}` }
  if ([...p.joining, ...p.leaving].some((one) => one.appId === appId)) return busy
  if (couplings.length + p.joining.length >= heroku.couplingsMax) {
    const reason = `A pipeline cannot have more than ${heroku.couplingsMax} apps.`
    return { code: 'invalid_params', reason }
  }
  const at = Math.max(now, p.newestAt + 1)
  const coupling = { appId, stage, createdAt: at, updatedAt: at }
  return { p: { ...p, joining: [...p.joining, coupling], newestAt: at }, coupling }
}

export const restage = (p: PipelineRecord, appId: string, stage: Stage, now: number): Outcome => {
  const found = couplingOf(p, appId)
  if (found === undefined) return unknown
  const coupling = found.stage === stage ? found : { ...found, stage, updatedAt: now }
  const couplings = p.pipeline.couplings.map((one) => (one === found ? coupling : one))
  return { p: withCouplings(p, couplings, p.pipeline.updatedAt), coupling }
}

/** With that one on its way out. */
export const leave = (p: PipelineRecord, appId: string, now: number): Outcome => {
  const coupling = couplingOf(p, appId)
  if (coupling === undefined) return unknown
  const couplings = p.pipeline.couplings.filter((one) => one !== coupling)
  const kept = withCouplings(p, couplings, now)
  return { p: { ...kept, leaving: [...p.leaving, coupling] }, coupling }
}

/** The app knows: that one holds. Undefined: it was not on its way any more. */
export const joined = (
  p: PipelineRecord,
  appId: string,
  at: number,
  now: number,
): { readonly p: PipelineRecord; readonly coupling: Coupling } | undefined => {
  const coupling = p.joining.find(sameAs(appId, at))
  if (coupling === undefined) return undefined
  const kept = withCouplings(p, [...p.pipeline.couplings, coupling], now)
  return { p: { ...kept, joining: p.joining.filter((one) => one !== coupling) }, coupling }
}

/** The app would not have it. */
export const notJoined = (p: PipelineRecord, appId: string, at: number): PipelineRecord => ({
  ...p,
  joining: p.joining.filter((one) => !sameAs(appId, at)(one)),
})

/** The app knows that it is over. */
export const isOut = (p: PipelineRecord, appId: string, at: number): PipelineRecord => ({
  ...p,
  leaving: p.leaving.filter((one) => !sameAs(appId, at)(one)),
})

/** Nothing is known of that app any more. */
export const without = (p: PipelineRecord, appId: string, now: number): PipelineRecord => {
  const others = (all: readonly Coupling[]): Coupling[] => all.filter((one) => one.appId !== appId)
  const couplings = others(p.pipeline.couplings)
  const updatedAt = couplings.length === p.pipeline.couplings.length ? p.pipeline.updatedAt : now
  return {
    ...withCouplings(p, couplings, updatedAt),
    joining: others(p.joining),
    leaving: others(p.leaving),
  }
}

/** Every app is on its way out; the name goes last. */
export const destroying = (p: PipelineRecord): PipelineRecord => ({
  ...p,
  phase: 'destroying',
  joining: [],
  leaving: [...p.leaving, ...p.joining, ...p.pipeline.couplings],
})

const sameAs =
  (appId: string, at: number) =>
  (one: Coupling): boolean =>
    one.appId === appId && one.createdAt === at

const withCouplings = (
  p: PipelineRecord,
  couplings: readonly Coupling[],
  updatedAt: number,
): PipelineRecord => ({ ...p, pipeline: { ...p.pipeline, couplings: [...couplings], updatedAt } })
