/** Where events are kept, for webhooks and whoever else follows what changes. */
import { effect } from '../../src/runtime/index.ts'
import type { Event } from '../protocols/event.ts'

export const Events = {
  /**
   * Adds them, in order: durable when it resolves, with the `n` of the last.
   * @param source the actor type that decided them
   * @param unsure some of them may be there already, from long ago
   */
  publish: effect<
    { appId: string; source: string; events: readonly Event[]; unsure: boolean },
    { through: number }
  >('events.publish'),
}
