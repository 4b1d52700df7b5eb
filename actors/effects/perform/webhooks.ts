/**
 * Performs Hooks: reads an app's events for its webhooks, and sends one to a receiver, signed with the hook's
 * secret. What is sent is the event as it was told, with who sends it.
 */
import { createHmac } from 'node:crypto'
import type { Effects } from '../../../src/ports/effects.ts'
import type { EventLog, StoredEvent } from '../../../src/ports/events.ts'
import { parseDrainUrl } from '../../../src/syslog/drain-url.ts'
import type { Posted } from '../../../src/syslog/post.ts'
import type { DrainAddress } from '../../../src/syslog/drain-url.ts'
import type { DeliveryView, WebhookView } from '../../protocols/webhooks.ts'
import { asEffectFailure } from './names.ts'

export type HooksDeps = {
  readonly log: Pick<EventLog, 'last' | 'read'>
  /** What is sealed of a hook: `secret`, and `authorization` when it has one. */
  readonly open: (appId: string, sealedId: string) => Promise<Readonly<Record<string, string>>>
  readonly post: (
    address: DrainAddress,
    headersOf: (authorization: string | undefined) => readonly string[],
    body: Uint8Array,
  ) => Promise<Posted>
}

type ReadArgs = {
  readonly appId: string
  readonly after: number
  readonly include: readonly string[]
  readonly max: number
}
type SendArgs = {
  readonly appId: string
  readonly hook: WebhookView
  readonly delivery: Pick<DeliveryView, 'id' | 'event'>
  readonly attemptId: string
}
type Told = { readonly id: string; readonly created_at: string }

/** Looked at in one go. */
const readMax = 100
const decoder = new TextDecoder()

const filterOf = (appId: string): string => `app.${appId}.>`
const toldIn = ({ bytes }: StoredEvent): Told => JSON.parse(decoder.decode(bytes)) as Told

/** As the hook names what that event is about; undefined: it does not. */
const includeOf = ({ subject }: StoredEvent, include: readonly string[]): string | undefined => {
  const entity = subject.split('.')[2]
  return include.find((one) => one === `api:${entity}` || one === entity)
}

/** Base64 of the HMAC of the very bytes that are sent. */
const signed = (secret: string, body: Uint8Array): string =>
  createHmac('sha256', secret).update(body).digest('base64')

export const performHooks = ({ log, open, post }: HooksDeps): Effects => ({
  'hooks.end': async ({ appId }: { appId: string }) => {
    try {
      return { sequence: (await log.last(filterOf(appId)))?.sequence ?? 0 }
    } catch (error) {
      throw asEffectFailure(error)
    }
  },
  'hooks.read': async ({ appId, after, include, max }: ReadArgs) => {
    try {
      const all = await log.read(filterOf(appId), { sequence: after + 1 }, readMax)
      if (all.length === 0) {
        // What is behind the newest is not to come any more: the stream came back without its end.
        const last = await log.last(filterOf(appId))
        return { events: [], through: Math.min(after, last?.sequence ?? after), hasMore: false }
      }
      const found: DeliveryView['event'][] = []
      for (const [at, stored] of all.entries()) {
        const name = includeOf(stored, include)
        if (name === undefined) continue
        if (found.length === max) return { events: found, through: all[at - 1]!.sequence, hasMore: true }
        const { id, created_at: time } = toldIn(stored)
        found.push({ id, sequence: stored.sequence, include: name, at: Date.parse(time) })
      }
      return { events: found, through: all.at(-1)!.sequence, hasMore: all.length === readMax }
    } catch (error) {
      throw asEffectFailure(error)
    }
  },
  'hooks.send': async ({ appId, hook, delivery, attemptId }: SendArgs) => {
    try {
      const { sequence, id, include } = delivery.event
      const [stored] = await log.read(filterOf(appId), { sequence }, 1)
      if (stored?.sequence !== sequence) return { code: null, error: 'EventExpired', isOver: true }
      const metadata = {
        attempt: { id: attemptId },
        delivery: { id: delivery.id },
        event: { id, include },
        webhook: { id: hook.id },
      }
      const body = Buffer.from(JSON.stringify({ ...toldIn(stored), webhook_metadata: metadata }))
      const { secret = '', authorization } = await open(appId, hook.sealedId)
      const headersOf = (ofAddress: string | undefined): readonly string[] => {
        const given = authorization ?? ofAddress
        return [
          'Content-Type',
          'application/json',
          'User-Agent',
          'Heroku-Webhooks (Manifold)',
          'Heroku-Webhook-Hmac-SHA256',
          signed(secret, body),
          ...(given === undefined ? [] : ['Authorization', given]),
        ]
      }
      const posted = await post(parseDrainUrl(hook.url), headersOf, body)
      if (posted.kind === 'answered') return { code: posted.status, error: null, isOver: false }
      return { code: null, error: posted.code ?? posted.reason, isOver: false }
    } catch (error) {
      throw asEffectFailure(error)
    }
  },
})
