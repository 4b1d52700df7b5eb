/**
 * Webhooks: who is told of what happens to an app, and how that went. Secrets go in sealed, and come out to
 * sign what is sent and for nobody.
 */
import { is, ref } from '../../../src/runtime/index.ts'
import { DrainUrlInvalid, parseDrainUrl } from '../../../src/syslog/drain-url.ts'
import type { AppView } from '../../protocols/app.ts'
import { entities } from '../../protocols/event.ts'
import { levels, Webhooks, type WebhookView } from '../../protocols/webhooks.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { cut, listOf } from '../range.ts'
import { timeText } from '../shapes/common.ts'
import { webhookBody, webhookDeliveryBody, webhookEventBody } from '../shapes/webhook.ts'
import { thisApp } from './app-of.ts'
import { eventsOf, listEvents } from './events-of.ts'

const resource = 'webhook'
const secretBytes = 64
const secretMax = 1_024
/** Of add-ons there are none to be told of, but who asks for them is told of none. */
const kinds = [...entities.map((one) => `api:${one}`), 'dyno', 'api:addon', 'api:addon-attachment']

const text = is.text(secretMax)
const fields = {
  include: is.arr(is.str, 20),
  level: is.oneOf(...levels),
  url: is.str,
  authorization: is.opt(is.orNull(text)),
  secret: is.opt(is.orNull(text)),
}

export const webhooks = [
  endpoint({
    name: 'webhooks.list',
    http: { method: 'GET', path: '/apps/:app/webhooks' },
    summary: 'Webhooks of an app',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const page = cut(await hooksOf(request, app), request.range, {
        id: ({ id }) => id,
        created_at: ({ createdAt }) => timeText(createdAt),
      })
      return listOf(page, (hook) => webhookBody(hook, app))
    },
  }),
  endpoint({
    name: 'webhooks.create',
    http: { method: 'POST', path: '/apps/:app/webhooks' },
    summary: "Tell a URL of an app's events; the header Heroku-Webhook-Secret has what they are signed with",
    body: is.obj(fields),
    async run(request, edge) {
      const { include, level, url, authorization, secret } = request.body
      checkInclude(include)
      checkUrl(url)
      const app = await thisApp(request, edge)
      const key = secret ?? edge.random.token(secretBytes)
      const sealedId = await seal(app, { secret: key, authorization: authorization ?? undefined }, edge)
      const question = { type: 'add', url, include, level, sealedId } as const
      const made = await request.ask(ref(Webhooks, app.id), question, { resource })
      return { ...created(webhookBody(made, app)), headers: { 'Heroku-Webhook-Secret': key } }
    },
  }),
  endpoint({
    name: 'webhooks.info',
    http: { method: 'GET', path: '/apps/:app/webhooks/:webhook' },
    summary: 'One webhook',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok(webhookBody(await hookOf(request, app, request.params.webhook), app))
    },
  }),
  endpoint({
    name: 'webhooks.update',
    http: { method: 'PATCH', path: '/apps/:app/webhooks/:webhook' },
    summary: 'Change a webhook; what is left out stays as it is',
    body: is.obj({
      ...fields,
      include: is.opt(fields.include),
      level: is.opt(fields.level),
      url: is.opt(fields.url),
    }),
    async run(request, edge) {
      const { include, level, url, authorization, secret } = request.body
      if (include !== undefined) checkInclude(include)
      if (url !== undefined) checkUrl(url)
      const app = await thisApp(request, edge)
      const hook = await hookOf(request, app, request.params.webhook)
      const change = {
        ...(include !== undefined && { include }),
        ...(level !== undefined && { level }),
        ...(url !== undefined && { url }),
      }
      const isSealedAnew = authorization !== undefined || (secret !== undefined && secret !== null)
      const sealed = isSealedAnew ? await sealedAgain(app, hook, { authorization, secret }, edge) : {}
      const question = { type: 'change', hook: hook.id, ...change, ...sealed } as const
      const made = await request.ask(ref(Webhooks, app.id), question, { resource })
      return ok(webhookBody(made, app))
    },
  }),
  endpoint({
    name: 'webhooks.delete',
    http: { method: 'DELETE', path: '/apps/:app/webhooks/:webhook' },
    summary: 'Tell that URL no more',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const hook = await hookOf(request, app, request.params.webhook)
      await request.ask(ref(Webhooks, app.id), { type: 'remove', hook: hook.id }, { resource })
      return ok(webhookBody(hook, app))
    },
  }),
  endpoint({
    name: 'webhook-deliveries.list',
    http: { method: 'GET', path: '/apps/:app/webhook-deliveries' },
    summary: 'What was sent to the webhooks of an app, or waits to be: the last of each',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const wanted = request.query['eq[status]']
      const all = (await deliveriesOf(request, app)).filter(
        ({ delivery }) => wanted === undefined || delivery.status === wanted,
      )
      const page = cut(all, request.range, {
        seq: ({ delivery }) => delivery.event.sequence,
        id: ({ delivery }) => delivery.id,
        created_at: ({ delivery }) => timeText(delivery.createdAt),
      })
      return listOf(page, ({ delivery, hook }) => webhookDeliveryBody(delivery, hook))
    },
  }),
  endpoint({
    name: 'webhook-deliveries.info',
    http: { method: 'GET', path: '/apps/:app/webhook-deliveries/:delivery' },
    summary: 'One delivery',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const all = await deliveriesOf(request, app)
      const found = all.find(({ delivery }) => delivery.id === request.params.delivery)
      if (found === undefined) throw notFound('webhook_delivery')
      return ok(webhookDeliveryBody(found.delivery, found.hook))
    },
  }),
  endpoint({
    name: 'webhook-events.list',
    http: { method: 'GET', path: '/apps/:app/webhook-events' },
    summary: 'What happened to an app, a week back at most',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return listEvents(await eventsOf(edge, filterOf(app)), request.range)
    },
  }),
  endpoint({
    name: 'webhook-events.info',
    http: { method: 'GET', path: '/apps/:app/webhook-events/:event' },
    summary: 'One event',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const found = (await eventsOf(edge, filterOf(app))).find(({ told }) => told.id === request.params.event)
      if (found === undefined) throw notFound('webhook_event')
      return ok(webhookEventBody(found.told))
    },
  }),
]

const checkInclude = (include: readonly string[]): void => {
  if (include.length === 0) throw invalid('include must name at least one kind of event.')
  const unknown = include.find((one) => !kinds.includes(one))
  if (unknown !== undefined)
    throw invalid(`Invalid include: ${JSON.stringify(unknown.slice(0, 100))} (allowed: ${kinds.join(', ')})`)
}

/** As for drains: anywhere, by HTTP. */
const checkUrl = (url: string): void => {
  try {
    const { scheme } = parseDrainUrl(url)
    if (scheme !== 'http' && scheme !== 'https') throw new DrainUrlInvalid(`its scheme is ${scheme}`)
  } catch (error) {
    if (!(error instanceof DrainUrlInvalid)) throw error
    throw invalid(`Invalid webhook URL: ${error.why} (allowed: http://host/path, https://host/path)`)
  }
}

type Secrets = { readonly secret: string; readonly authorization: string | undefined }

const seal = (app: AppView, { secret, authorization }: Secrets, edge: Edge): Promise<string> => {
  // A header is one line.
  if (authorization !== undefined && !/^[\x20-\x7e]*$/.test(authorization))
    throw invalid('authorization must be printable ASCII.')
  return edge.vault.seal(app.id, { secret, ...(authorization !== undefined && { authorization }) })
}

/** What is left out stays; `authorization` null: there is none any more. */
const sealedAgain = async (
  app: AppView,
  { sealedId: before }: WebhookView,
  given: {
    readonly authorization?: string | null | undefined
    readonly secret?: string | null | undefined
  },
  edge: Edge,
): Promise<{ readonly sealedId: string }> => {
  const old = await edge.vault.open(app.id, before)
  const { authorization = old['authorization'], secret } = given
  const next = { secret: secret ?? old['secret'] ?? '', authorization: authorization ?? undefined }
  return { sealedId: await seal(app, next, edge) }
}

type Asking = Pick<Request, 'ask'>

const hooksOf = async (request: Asking, app: AppView): Promise<readonly WebhookView[]> =>
  (await request.ask(ref(Webhooks, app.id), { type: 'list' })).hooks

const hookOf = async (request: Asking, app: AppView, id: string): Promise<WebhookView> => {
  const found = (await hooksOf(request, app)).find((hook) => hook.id === id)
  if (found === undefined) throw notFound(resource)
  return found
}

const deliveriesOf = async (request: Asking, app: AppView) => {
  const hooks = await hooksOf(request, app)
  const { deliveries } = await request.ask(ref(Webhooks, app.id), { type: 'deliveries' })
  return deliveries.flatMap((delivery) => {
    const hook = hooks.find(({ id }) => id === delivery.hookId)
    return hook === undefined ? [] : [{ delivery, hook }]
  })
}

const filterOf = (app: AppView): string => `app.${app.id}.>`
