/** What is kept of an app's webhooks, and what becomes of a delivery. Pure. */
import { is, type Static } from '../../src/runtime/index.ts'
import { deliveryShape, webhookShape, type DeliveryView, type WebhookView } from '../protocols/webhooks.ts'

export const hookSchema = is.obj({
  view: webhookShape,
  /** Sequence of the last event that was looked at; less again when the stream lost its end. */
  cursor: is.int,
  /** Oldest first. */
  deliveries: is.arr(deliveryShape),
})
export type Hook = Static<typeof hookSchema>
export const recordSchema = is.obj({ hooks: is.arr(hookSchema) })
export type Record = Static<typeof recordSchema>

export const hooksMax = 10
/** Taken from the events at once: the others wait there. */
export const openMax = 20
const overMax = 40
const triedMs = 72 * 3_600_000
const retryMsMin = 1_000
const retryMsMax = 600_000

export const isOpen = ({ status }: DeliveryView): boolean => status === 'pending' || status === 'retrying'

/** What is sent next, and now or later: one after the other. */
export const nextOf = (hook: Hook): DeliveryView | undefined => hook.deliveries.find(isOpen)

export const withEvents = (
  hook: Hook,
  events: readonly DeliveryView['event'][],
  through: number,
  { uuid, now }: { readonly uuid: () => string; readonly now: number },
): Hook => {
  const fresh = events.map((event): DeliveryView => ({
    id: uuid(),
    hookId: hook.view.id,
    event,
    status: 'pending',
    attempts: 0,
    last: null,
    nextAt: null,
    createdAt: now,
    updatedAt: now,
  }))
  return { ...hook, cursor: through, deliveries: [...hook.deliveries, ...fresh] }
}

export type Try = {
  readonly attempt: string
  readonly code: number | null
  readonly error: string | null
  readonly isOver: boolean
}

/** The delivery that was under way, after that try. @param chance in [0, 1) */
export const tried = (
  hook: Hook,
  { attempt: id, code, error, isOver }: Try,
  now: number,
  chance: number,
): Hook => {
  const at = hook.deliveries.findIndex(isOpen)
  const delivery = hook.deliveries[at]
  if (delivery === undefined) return hook
  const succeeded = code !== null && code >= 200 && code < 300
  const attempts = delivery.attempts + 1
  const isLast = isOver || hook.view.level === 'notify' || now - delivery.event.at >= triedMs
  const nextAt = succeeded || isLast ? null : now + waitMs(attempts, chance)
  const after: DeliveryView = {
    ...delivery,
    status: succeeded ? 'succeeded' : isLast ? 'failed' : 'retrying',
    attempts,
    last: { id, code, error, succeeded, at: now },
    nextAt,
    updatedAt: now,
  }
  return { ...hook, deliveries: kept(hook.deliveries.with(at, after)) }
}

/** Ever more seldom, and not all at once: between half of it and all of it. */
const waitMs = (attempts: number, chance: number): number =>
  Math.ceil(Math.min(retryMsMax, retryMsMin * 2 ** Math.min(attempts - 1, 20)) * (0.5 + chance / 2))

/** Of those that are over, the last. */
const kept = (all: readonly DeliveryView[]): DeliveryView[] => {
  let excess = all.filter((one) => !isOpen(one)).length - overMax
  return all.filter((one) => isOpen(one) || excess-- <= 0)
}

/** The same with one of its hooks as it is now. */
export const withHook = (record: Record, hook: Hook): Record => ({
  hooks: record.hooks.map((one) => (one.view.id === hook.view.id ? hook : one)),
})

export const hookIn = (record: Record, id: string): Hook | undefined =>
  record.hooks.find(({ view }) => view.id === id)

/** What was asked to be otherwise; elsewhere than before there is no reason to wait. */
export const changed = (
  hook: Hook,
  change: { readonly [K in 'url' | 'include' | 'level' | 'sealedId']?: WebhookView[K] | undefined },
  now: number,
): Hook => {
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
  return {
    ...hook,
    view: { ...hook.view, ...given, updatedAt: now },
    deliveries: hook.deliveries.map((one) => (one.nextAt === null ? one : { ...one, nextAt: now })),
  }
}
