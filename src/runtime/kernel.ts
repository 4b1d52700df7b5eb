/**
 * What a node gives to the activations on it: its ports, its shared parts, and ways to send.
 */
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Random } from '../ports/random.ts'
import type { Store } from '../ports/store.ts'
import type { ActorDef } from './actor.ts'
import type { Asks } from './asks.ts'
import type { DeadLetters, DeadReason } from './deadletter.ts'
import type { Letter, Reply } from './letter.ts'
import type { Limits } from './limits.ts'
import type { Performers } from './performers.ts'
import type { Ref } from './protocol.ts'
import type { ReminderIndex } from './reminders.ts'
import type { Scheduler } from './scheduler.ts'
import type { Subject } from './subject.ts'
import type { Watches } from './watch.ts'

/** Counted since the node was made. */
export type Stats = {
  restarts: number
  lost: number
  conflicts: number
  activations: number
  passivations: number
  writes: number
  /** Loads and writes in progress now. */
  busy: number
}

export type Kernel = {
  readonly host: string
  /** Unique to this life of the node. */
  readonly life: string
  readonly clock: Clock
  readonly random: Random
  readonly store: Store
  readonly log: Log
  readonly limits: Limits
  readonly nowMs: () => number
  readonly scheduler: Scheduler
  readonly deadLetters: DeadLetters
  readonly asks: Asks
  readonly watches: Watches
  readonly performers: Performers
  readonly reminders: ReminderIndex
  readonly stats: Stats
  /** A unique name for one durable write. */
  readonly writeName: () => string
  readonly nextIncarnation: () => string
  /** Killed: nothing goes on, nothing is said. */
  readonly killed: () => boolean
  /** To wherever its ref leads; never runs the receiver. */
  readonly post: (letter: Letter) => void
  /** Nobody takes it: a dead letter, and `nobody` for who asked. */
  readonly bounce: (letter: Letter, reason: DeadReason) => void
  readonly reply: (reply: Reply) => void
  readonly spawn: (parent: Subject, actor: ActorDef, key: string, args: unknown) => void
  readonly halt: (child: Ref<unknown>) => void
}
