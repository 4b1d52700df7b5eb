/**
 * What a placement holds, and the words its parts share. All of it is found again from views and
 * announcements.
 */
import type { Caller, Ctx, MessageOf } from '../../src/runtime/index.ts'
import type { Placement } from '../protocols/placement.ts'
import type { FleetView, Run } from '../protocols/shapes.ts'
import { Fleet, type Row } from './fleet.ts'

export type Self = Ctx<typeof Placement>
export type Question = MessageOf<typeof Placement, 'place'>
export type Decision = {
  readonly placed: { runId: string; host: string }[]
  readonly failed: { code: string; reason: string } | null
}

export type Why = 'suspect' | 'dead' | 'drain' | 'rebalance'
/** A run on its way to another host. By the old run's id. */
export type Move = {
  readonly row: Row
  readonly from: string
  /** Null: its formation asks for a place itself when it has stopped the run. */
  readonly to: string | null
  readonly newRunId: string
  readonly epoch: number
  readonly why: Why
  readonly plannedAt: number
  toldAt: number
  /** Its formation has it on record. */
  confirmed: boolean
  /**
   * Started here because the formation did not answer; `sought`: its record is being read, or was no help.
   */
  standIn: Run | 'sought' | null
}
export type Waiting = {
  readonly appId: string
  readonly name: string
  readonly bytes: number
  readonly reason: string
  readonly since: number
  /** When it was last asked for. */
  readonly at: number
}
export type Relay = { readonly caller: Caller; readonly question: Question }

/** Changed in place, like the fleet in it. */
export type State = {
  view: FleetView
  readonly fleet: Fleet
  readonly relays: Map<string, Relay>
  readonly moves: Map<string, Move>
  /** By run id: what no host had room for. */
  readonly waiting: Map<string, Waiting>
  /** Hosts came, and the fleet may be uneven since. */
  uneven: boolean
  /** When runs were moved for balance, within the last hour. */
  balanced: number[]
  /** Since when this leader leads, as far as is known here. */
  ledAt: number
  /** When a view last differed from the one before. */
  changedAt: number
}

export const blank = (): State => ({
  view: { number: 0, leader: '', braked: false, members: [] },
  fleet: new Fleet(),
  relays: new Map(),
  moves: new Map(),
  waiting: new Map(),
  uneven: false,
  balanced: [],
  ledAt: 0,
  changedAt: 0,
})

export const leads = (s: State, ctx: Pick<Self, 'host'>): boolean => s.view.leader === ctx.host

/** `run.4711`: not of the formation, never started again. */
export const isOneOff = ({ name }: { readonly name: string }): boolean => /\.\d{4}$/.test(name)
