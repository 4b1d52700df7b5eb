/** Webhooks as the API asks for them, in memory: they are kept, and nothing is sent. */
import { randomUUID } from 'node:crypto'
import { hooksMax } from '../../actors/webhooks/record.ts'
import type { DeliveryView, WebhookView } from '../../actors/protocols/webhooks.ts'

type Message = { readonly type: string } & Readonly<Record<string, unknown>>
type Deps = { readonly refuse: (code: string, reason: string) => never; readonly now: number }

const deliveryOf = (hook: WebhookView, now: number): DeliveryView => ({
  id: randomUUID(),
  hookId: hook.id,
  event: { id: randomUUID(), sequence: 7, include: hook.include[0] ?? '', at: now },
  status: 'retrying',
  attempts: 1,
  last: { id: randomUUID(), code: 503, error: null, succeeded: false, at: now },
  nextAt: now + 1_000,
  createdAt: now,
  updatedAt: now,
})

export const webhookQuestions = ({ refuse, now }: Deps) => {
  const hooks = new Map<string, WebhookView[]>()
  const of = (key: string): WebhookView[] => hooks.get(key) ?? []
  const sent = new Map<string, DeliveryView>()
  const delivery = (hook: WebhookView): DeliveryView => {
    const known = sent.get(hook.id) ?? deliveryOf(hook, now)
    sent.set(hook.id, known)
    return known
  }
  const find = (key: string, { hook }: Message): WebhookView =>
    of(key).find(({ id }) => id === hook) ?? refuse('not_found', 'no such webhook')
  return {
    'webhooks.add': (key: string, { type: _type, ...wanted }: Message) => {
      if (of(key).length >= hooksMax) return refuse('invalid_params', 'too many')
      const made = { id: randomUUID(), ...wanted, createdAt: now, updatedAt: now } as WebhookView
      hooks.set(key, [...of(key), made])
      return made
    },
    'webhooks.change': (key: string, message: Message) => {
      const { type: _type, hook: _hook, ...change } = message
      const made = { ...find(key, message), ...change }
      hooks.set(
        key,
        of(key).map((one) => (one.id === made.id ? made : one)),
      )
      return made
    },
    'webhooks.remove': (key: string, message: Message) => {
      const gone = find(key, message)
      hooks.set(
        key,
        of(key).filter((one) => one !== gone),
      )
      return gone
    },
    'webhooks.list': (key: string) => ({ hooks: of(key) }),
    'webhooks.deliveries': (key: string) => ({ deliveries: of(key).map(delivery) }),
  }
}
