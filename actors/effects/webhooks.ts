/** What webhooks need of the outside: the events of their app, and a way to their receivers. */
import { effect } from '../../src/runtime/index.ts'
import type { DeliveryView, WebhookView } from '../protocols/webhooks.ts'

export const Hooks = {
  /** Where the events of an app stand now. */
  end: effect<{ appId: string }, { sequence: number }>('hooks.end'),
  /** What comes behind that and is of these kinds, so many at most; and up to where was looked. */
  read: effect<
    { appId: string; after: number; include: readonly string[]; max: number },
    { events: readonly DeliveryView['event'][]; through: number; hasMore: boolean }
  >('hooks.read'),
  /** One try. What is not an answer is an error. */
  send: effect<
    { appId: string; hook: WebhookView; delivery: Pick<DeliveryView, 'id' | 'event'>; attemptId: string },
    { code: number | null; error: string | null; isOver: boolean }
  >('hooks.send'),
}
