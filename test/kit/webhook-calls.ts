/** One good call of each endpoint of webhooks (calls.ts). */
import { systemClock } from '../../src/system/clock.ts'
import type { Json, OpenedApi } from './api.ts'

type Sent = Readonly<Record<string, unknown>>
type Stage = {
  readonly api: OpenedApi
  readonly app: string
  readonly appId: string
  readonly done: (name: string, sent: Sent) => Promise<Json>
}
type Make<C> = (shape?: string, more?: (stage: Stage) => Sent | Promise<Sent>) => C

const wanted = { include: ['api:release'], level: 'sync', url: 'https://example.com/hook' }
const webhook = ({ done, app }: Stage): Promise<Json> =>
  done('webhooks.create', { params: { app }, body: wanted })
const ofHook = async (stage: Stage, more: Sent = {}): Promise<Sent> => ({
  params: { webhook: (await webhook(stage))['id'] },
  ...more,
})

const time = '2026-11-28T00:00:00Z'
const event = async ({ api, appId }: Stage): Promise<Sent> => {
  const id = appId.replace(/^./, 'e')
  const told = {
    id,
    created_at: time,
    updated_at: time,
    published_at: time,
    action: 'create',
    actor: { id, email: 'a@example.com' },
    resource: 'release',
    data: {},
    previous_data: {},
    version: 'application/vnd.heroku+json; version=3',
  }
  const log = api.events.attach(systemClock, () => ({ fail: 0, unknown: 0, latencyMsMax: 0 }))
  await log.append(`app.${appId}.release.create`, id, Buffer.from(JSON.stringify(told)))
  return { params: { event: id } }
}
const delivery = async (stage: Stage): Promise<Sent> => {
  await webhook(stage)
  const [found] = (await stage.done('webhook-deliveries.list', {
    params: { app: stage.app },
  })) as unknown as [Json]
  return { params: { delivery: found['id'] } }
}

export const webhookCalls = <C>(a: {
  readonly view: Make<C>
  readonly change: Make<C>
  readonly make: Make<C>
}): Readonly<Record<string, C>> => ({
  'webhooks.list': a.view('app-webhook', async (stage) => (await webhook(stage), {})),
  'webhooks.info': a.view('app-webhook', (stage) => ofHook(stage)),
  'webhooks.create': a.make('app-webhook', () => ({ body: wanted })),
  'webhooks.update': a.change('app-webhook', (stage) => ofHook(stage, { body: { level: 'notify' } })),
  'webhooks.delete': a.change('app-webhook', (stage) => ofHook(stage)),
  'webhook-deliveries.list': a.view('app-webhook-delivery', async (stage) => (await webhook(stage), {})),
  'webhook-deliveries.info': a.view('app-webhook-delivery', delivery),
  'webhook-events.list': a.view('app-webhook-event', async (stage) => (await event(stage), {})),
  'webhook-events.info': a.view('app-webhook-event', event),
})
