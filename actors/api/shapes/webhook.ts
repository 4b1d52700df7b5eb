/** Webhooks, their deliveries and their events, as the Platform API shows them. */
import type { DeliveryView, WebhookView } from '../../protocols/webhooks.ts'
import { named, timeOrNull, timeText, type Named } from './common.ts'

export const webhookBody = (hook: WebhookView, app: Named): object => ({
  app: named(app),
  created_at: timeText(hook.createdAt),
  id: hook.id,
  include: hook.include,
  level: hook.level,
  updated_at: timeText(hook.updatedAt),
  url: hook.url,
})

export const webhookDeliveryBody = (delivery: DeliveryView, hook: WebhookView): object => {
  const { event, last } = delivery
  return {
    created_at: timeText(delivery.createdAt),
    event: { id: event.id, include: event.include },
    id: delivery.id,
    last_attempt: last && {
      code: last.code,
      created_at: timeText(last.at),
      error_class: last.error,
      id: last.id,
      status: last.succeeded ? 'succeeded' : 'failed',
      updated_at: timeText(last.at),
    },
    next_attempt_at: timeOrNull(delivery.nextAt),
    num_attempts: delivery.attempts,
    status: delivery.status,
    updated_at: timeText(delivery.updatedAt),
    webhook: { id: hook.id, level: hook.level },
  }
}

/** As it was told (effects/perform/events.ts). */
export type ToldEvent = {
  readonly id: string
  readonly created_at: string
  readonly updated_at: string
  readonly resource: string
} & Readonly<Record<string, unknown>>

export const webhookEventBody = (told: ToldEvent): object => {
  const { id, created_at, updated_at, resource } = told
  return {
    created_at,
    id,
    include: resource === 'dyno' ? resource : `api:${resource}`,
    payload: {
      action: told['action'],
      actor: told['actor'],
      data: told['data'],
      previous_data: told['previous_data'],
      published_at: told['published_at'],
      resource,
      version: told['version'],
    },
    updated_at,
  }
}
