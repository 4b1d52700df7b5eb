/**
 * What a node says about itself: for operators, tests and the simulation.
 */
import type { DeadLetter } from './deadletter.ts'
import type { Homes } from './home.ts'
import type { Kernel } from './kernel.ts'
import { refText } from './protocol.ts'

export type Report = {
  readonly host: string
  /** Activations by type. */
  readonly actors: Readonly<Record<string, number>>
  /** Mailboxes that are not empty, the fullest first; at most `mailboxesMax`. */
  readonly mailboxes: readonly { readonly actor: string; readonly queued: number }[]
  readonly deadLetters: Readonly<Record<string, number>>
  readonly recentDeadLetters: readonly DeadLetter[]
  readonly restarts: number
  /** Messages that overflowed a mailbox. */
  readonly lost: number
  /** Durable turns that lost the race for their record and were replayed. */
  readonly conflicts: number
  readonly activations: number
  readonly passivations: number
  readonly writes: number
  readonly stalls: number
  readonly asks: number
}

const mailboxesMax = 20

export const reportOf = (kernel: Kernel, homes: Homes): Report => {
  const actors: Record<string, number> = {}
  const mailboxes: { actor: string; queued: number }[] = []
  for (const home of homes.all()) {
    actors[home.def.protocol.name] = home.cells.size
    for (const cell of home.cells.values()) {
      if (cell.queued > 0) mailboxes.push({ actor: refText(cell.ref), queued: cell.queued })
    }
  }
  const { restarts, lost, conflicts, activations, passivations, writes } = kernel.stats
  return {
    host: kernel.host,
    actors,
    mailboxes: mailboxes.sort((a, b) => b.queued - a.queued).slice(0, mailboxesMax),
    deadLetters: kernel.deadLetters.counts(),
    recentDeadLetters: kernel.deadLetters.recent(),
    restarts,
    lost,
    conflicts,
    activations,
    passivations,
    writes,
    stalls: kernel.scheduler.stalls,
    asks: kernel.asks.size,
  }
}
