/** Webhooks: who is told of an app's events by HTTP, and how that went. Keyed by app id, durable. */
import { ask, is, protocol, tell, type Static } from '../../src/runtime/index.ts'

/** `notify`: one try. `sync`: tried until it is taken, for three days. */
export const levels = ['notify', 'sync'] as const

export const webhookShape = is.obj({
  id: is.str,
  url: is.str,
  /** `api:release` */
  include: is.arr(is.str),
  level: is.oneOf(...levels),
  /** Under which its secret and its `Authorization` are sealed (effects/vault.ts). */
  sealedId: is.str,
  createdAt: is.int,
  updatedAt: is.int,
})
export type WebhookView = Static<typeof webhookShape>

const attemptShape = is.obj({
  id: is.str,
  /** Of the answer; null: there was none. */
  code: is.orNull(is.int),
  error: is.orNull(is.str),
  succeeded: is.bool,
  at: is.int,
})

export const deliveryShape = is.obj({
  id: is.str,
  hookId: is.str,
  event: is.obj({ id: is.str, sequence: is.int, include: is.str, at: is.int }),
  status: is.oneOf('pending', 'retrying', 'failed', 'succeeded'),
  attempts: is.int,
  last: is.orNull(attemptShape),
  /** When it is tried again; null: at once, or never. */
  nextAt: is.orNull(is.int),
  createdAt: is.int,
  updatedAt: is.int,
})
export type DeliveryView = Static<typeof deliveryShape>

/** Refusal codes: `not_found`, `invalid_params`. */
export const Webhooks = protocol('webhooks', 1, {
  /** Told of what happens from now on. */
  add: ask(
    { url: is.str, include: is.arr(is.str), level: is.oneOf(...levels), sealedId: is.str },
    webhookShape,
  ),
  change: ask(
    {
      hook: is.str,
      url: is.opt(is.str),
      include: is.opt(is.arr(is.str)),
      level: is.opt(is.oneOf(...levels)),
      sealedId: is.opt(is.str),
    },
    webhookShape,
  ),
  remove: ask({ hook: is.str }, webhookShape),
  list: ask({}, is.obj({ hooks: is.arr(webhookShape) })),
  /** Oldest first; of those that are over the last of each hook. */
  deliveries: ask({}, is.obj({ deliveries: is.arr(deliveryShape) })),
  /** There are new events. Answered once that is on record. */
  look: ask({}, is.obj({})),
  /** From App, which goes: what waits gets one try, within some seconds; then nothing is kept. */
  close: ask({}, is.obj({})),
  /** Own results of effects. */
  begun: tell({ add: is.str, sequence: is.int }),
  beginFailed: tell({ add: is.str, reason: is.str }),
  read: tell({
    hook: is.str,
    through: is.int,
    hasMore: is.bool,
    events: is.arr(is.obj({ id: is.str, sequence: is.int, include: is.str, at: is.int })),
  }),
  readFailed: tell({ hook: is.str, reason: is.str }),
  /** Of the delivery under way to that hook. */
  tried: tell({
    hook: is.str,
    attempt: is.str,
    code: is.orNull(is.int),
    error: is.orNull(is.str),
    /** Trying again is of no use: what there was to be told is gone. */
    isOver: is.bool,
  }),
  /** It could not even be tried. */
  untried: tell({ hook: is.str, reason: is.str }),
  /** Own timers. */
  again: tell({ hook: is.str }),
  wake: tell({}),
  closeNow: tell({}),
})
