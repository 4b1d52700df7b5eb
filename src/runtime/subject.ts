/**
 * What the runtime's parts see of one activation: enough to send it something and to know that it is gone.
 */
import type { Item } from './letter.ts'
import type { Ref } from './protocol.ts'

export type Subject = {
  readonly ref: Ref
  /** Unique in the cluster for ever: a restarted or moved actor is another incarnation. */
  readonly incarnation: string
  /** Forgotten: late results for it are dropped and counted. */
  readonly dead: boolean
  /** Asks and effects that have not come back. */
  asksOpen: number
  effectsOpen: number
  /** Fires when it is dead. */
  signal(): AbortSignal
  /** Into the system lane. */
  deliver(item: Item): void
  /** An effect came back (or was dropped): a stopping actor may wait for the last one. */
  effectEnded(): void
}
