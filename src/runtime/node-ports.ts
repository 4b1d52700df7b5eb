/**
 * What a node is given: everything outside it.
 */
import type { Clock } from '../ports/clock.ts'
import type { Directory } from '../ports/directory.ts'
import type { Effects } from '../ports/effects.ts'
import type { Log } from '../ports/log.ts'
import type { Random } from '../ports/random.ts'
import type { Store } from '../ports/store.ts'
import type { Transport } from '../ports/transport.ts'

export type NodePorts = {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly store: Store
  readonly effects: Effects
  readonly log: Log
  readonly directory: Directory
}

/** A clock whose timers do nothing once the node is killed: as a crash of the process. */
export const mortalClock = (clock: Clock, killed: () => boolean): Clock => ({
  now: () => clock.now(),
  monotonicMs: () => clock.monotonicMs(),
  after: (ms, run) =>
    clock.after(ms, () => {
      if (!killed()) run()
    }),
  soon: (run) =>
    clock.soon(() => {
      if (!killed()) run()
    }),
})
