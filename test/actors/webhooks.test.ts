/** Webhooks of an app: what each is sent, in order, how often, and what is kept of it. */
import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { performHooks } from '../../actors/effects/perform/webhooks.ts'
import type { DeliveryView, WebhookView } from '../../actors/protocols/webhooks.ts'
import { webhooks } from '../../actors/webhooks.ts'
import { seededRandom } from '../../src/sim/random.ts'
import { simEvents } from '../../src/sim/events.ts'
import { postOnce } from '../../src/syslog/post.ts'
import { systemClock } from '../../src/system/clock.ts'
import { drive } from '../kit/drive.ts'
import { perform } from '../kit/perform.ts'

const wanted = { url: 'https://example.com/hook', include: ['api:release'], sealedId: 's1' }
const event = (sequence: number, at = 1_800_000_000_000): DeliveryView['event'] => ({
  id: `e${sequence}`,
  sequence,
  include: 'api:release',
  at,
})

const hooked = (level: WebhookView['level'] = 'sync') => {
  const w = drive(webhooks, { key: 'app-1', args: null })
  w.send({ type: 'add', ...wanted, level })
  w.done('hooks.end', { sequence: 10 })
  const { id } = w.replies.at(-1)!.value as WebhookView
  w.done('hooks.read', { events: [], through: 10, hasMore: false })
  return { w, id }
}
type Driven = ReturnType<typeof hooked>['w']
const comes = (w: Driven, ...events: DeliveryView['event'][]): void => {
  w.send({ type: 'look' })
  w.done('hooks.read', { events, through: events.at(-1)?.sequence ?? 0, hasMore: false })
}
const answers = (w: Driven, code: number | null, error: string | null = null, isOver = false): void =>
  w.done('hooks.send', { code, error, isOver })
const deliveriesOf = (w: Driven): DeliveryView[] =>
  (w.send({ type: 'deliveries' })!.value as { deliveries: DeliveryView[] }).deliveries
const sendingOf = (w: Driven): readonly number[] =>
  w.ran
    .filter(({ name }) => name === 'hooks.send')
    .map(({ args }) => (args as { delivery: DeliveryView }).delivery.event.sequence)

t.test('what comes behind where it began is sent, one after the other', async (t) => {
  const { w } = hooked()
  comes(w, event(11), event(12))
  t.strictSame(sendingOf(w), [11])
  answers(w, 204)
  t.strictSame(sendingOf(w), [12])
  answers(w, 200)
  t.strictSame(
    deliveriesOf(w).map(({ status, attempts }) => `${status} ${attempts}`),
    ['succeeded 1', 'succeeded 1'],
  )
  t.match(w.saved(), { hooks: [{ cursor: 12 }] })
})

t.test(
  'what is not taken is tried again by a webhook of level sync, ever more seldom, before what comes after it',
  async (t) => {
    const { w, id } = hooked()
    comes(w, event(11), event(12))
    const waits: number[] = []
    for (let tries = 1; tries <= 12; tries++) {
      answers(w, tries % 2 === 0 ? 500 : null, tries % 2 === 0 ? null : 'ECONNREFUSED')
      t.strictSame(sendingOf(w), [])
      waits.push(w.timers.get(id)?.ms ?? 0)
      t.match(deliveriesOf(w)[0], { status: 'retrying', attempts: tries, nextAt: w.nowMs + waits.at(-1)! })
      w.fire(id)
    }
    t.strictSame(waits.slice(0, 4), [750, 1_500, 3_000, 6_000])
    t.equal(waits.at(-1), 450_000, 'ten minutes at most')
    answers(w, 302)
    t.match(deliveriesOf(w)[0], { status: 'retrying', last: { code: 302 } }, 'a redirect is no success')
    w.nowMs += 73 * 3_600_000
    w.fire(id)
    answers(w, 503)
    t.match(deliveriesOf(w)[0], { status: 'failed', nextAt: null }, 'three days are enough')
    t.strictSame(sendingOf(w), [12])
  },
)

t.test('a webhook of level notify is sent once, whatever is answered', async (t) => {
  const { w } = hooked('notify')
  comes(w, event(11))
  answers(w, null, 'ETIMEDOUT')
  t.match(deliveriesOf(w), [{ status: 'failed', attempts: 1, last: { error: 'ETIMEDOUT', code: null } }])
})

t.test('the next life repeats the delivery that was under way, under its id, and reads on', async (t) => {
  const { w } = hooked()
  comes(w, event(11))
  t.ok(w.reminders.has('wake'))
  const [before] = deliveriesOf(w)
  const again = drive(webhooks, { key: 'app-1', args: null, saved: w.saved()! })
  t.match(again.ran, [{ name: 'hooks.send', args: { delivery: { id: before?.id } } }])
  again.done('hooks.send', { code: 200, error: null, isOver: false })
  t.match(again.ran, [{ name: 'hooks.read', args: { after: 11 } }])
})

t.test('of what is over the last 40 are kept, and no more are taken in than are sent', async (t) => {
  const { w } = hooked('notify')
  for (let n = 11; n < 91; n++) {
    comes(w, event(n))
    answers(w, 200)
  }
  const kept = deliveriesOf(w)
  t.equal(kept.length, 40)
  t.equal(kept.at(-1)?.event.sequence, 90)
  w.send({ type: 'look' })
  t.match(w.ran.at(-1), { name: 'hooks.read', args: { max: 20 } })
})

t.test('a hook that leads elsewhere is tried there at once; one that is gone is sent nothing', async (t) => {
  const { w, id } = hooked()
  comes(w, event(11))
  answers(w, 500)
  t.match(w.send({ type: 'change', hook: id, url: 'https://other.example.com/' })?.value, {
    url: 'https://other.example.com/',
    level: 'sync',
  })
  t.match(w.ran.at(-1), { name: 'hooks.send', args: { hook: { url: 'https://other.example.com/' } } })
  t.match(w.send({ type: 'remove', hook: id })?.value, { id })
  answers(w, 500)
  t.equal(w.saved(), undefined)
  t.match(w.send({ type: 'remove', hook: id })?.refused, { code: 'not_found' })
})

t.test('an app has ten at most', async (t) => {
  const w = drive(webhooks, { key: 'app-1', args: null })
  for (let n = 1; n <= 10; n++) w.send({ type: 'add', ...wanted, level: 'sync' })
  t.match(w.send({ type: 'add', ...wanted, level: 'sync' })?.refused, { code: 'invalid_params' })
})

t.test('an app that goes gives what waits one try, and some seconds for it', async (t) => {
  const { w } = hooked()
  comes(w, event(11))
  t.equal(w.send({ type: 'close' }), undefined)
  t.ok(w.saved(), 'it waits for the last')
  w.fire('close')
  t.strictSame(w.replies.at(-1), { type: 'close', value: {} })
  t.equal(w.saved(), undefined)

  const failing = hooked().w
  comes(failing, event(11))
  answers(failing, 500)
  t.match(failing.send({ type: 'close' })?.value, {}, 'it had its try')

  const quick = hooked('notify').w
  quick.send({ type: 'close' })
  quick.done('hooks.read', { events: [event(12)], through: 12, hasMore: false })
  answers(quick, 200)
  t.strictSame(quick.replies.at(-1), { type: 'close', value: {} })
})

type Seen = { readonly headers: IncomingHttpHeaders; readonly body: string; readonly url: string }

const openReceiver = async (t: Test, status: number, headers = {}) => {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      seen.push({ headers: request.headers, body, url: request.url ?? '' })
      response.writeHead(status, headers).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?of=shop` }
}

const openHooks = async (sealed: Readonly<Record<string, string>>) => {
  const log = simEvents(seededRandom(1), () => 0).attach(systemClock, () => ({
    fail: 0,
    unknown: 0,
    latencyMsMax: 0,
  }))
  const effects = performHooks({
    log,
    open: async () => sealed,
    post: (address, headersOf, body) =>
      postOnce(
        address,
        { clock: systemClock, random: () => 0.5, limits: { requestMs: 500 } },
        headersOf,
        body,
      ),
  })
  const say = (subject: string, id: string): Promise<number> =>
    log.append(subject, id, Buffer.from(JSON.stringify({ id, created_at: '2026-11-28T00:00:00Z', data: {} })))
  await say('app.a1.release.create', 'e1')
  await say('app.a2.release.create', 'e2')
  await say('app.a1.dyno.update', 'e3')
  await say('app.a1.release.create', 'e4')
  const send = (url: string, sequence = 1) =>
    perform(effects, 'hooks.send', {
      appId: 'a1',
      hook: { id: 'h1', url, sealedId: 's1' },
      delivery: { id: 'd1', event: { id: 'e1', sequence, include: 'api:release', at: 0 } },
      attemptId: 't1',
    })
  return { effects, send }
}

t.test('what is sent is the event, with who sends it, signed over its bytes', async (t) => {
  const { seen, url } = await openReceiver(t, 202)
  const { send } = await openHooks({ secret: 'sesame', authorization: 'Bearer given' })
  t.strictSame(await send(url.replace('//', '//user:pass@')), { code: 202, error: null, isOver: false })
  const [{ headers, body, url: path }] = seen as [Seen]
  t.equal(path, '/hook?of=shop')
  t.match(JSON.parse(body), {
    id: 'e1',
    webhook_metadata: {
      attempt: { id: 't1' },
      delivery: { id: 'd1' },
      event: { id: 'e1', include: 'api:release' },
      webhook: { id: 'h1' },
    },
  })
  t.equal(headers['heroku-webhook-hmac-sha256'], createHmac('sha256', 'sesame').update(body).digest('base64'))
  t.equal(headers['content-type'], 'application/json')
  t.equal(headers.authorization, 'Bearer given', 'in the place of the address')
})

t.test('a redirect is not followed, silence ends, and what is gone is not tried', async (t) => {
  const elsewhere = await openReceiver(t, 200)
  const { url } = await openReceiver(t, 302, { location: elsewhere.url })
  const { send } = await openHooks({ secret: 'sesame' })
  t.match(await send(url), { code: 302 })
  t.strictSame(elsewhere.seen, [])
  const silent = createServer(() => undefined)
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => (silent.closeAllConnections(), silent.close()))
  const { port } = silent.address() as AddressInfo
  t.match(await send(`http://127.0.0.1:${port}/`), { code: null, error: 'ETIMEDOUT' })
  t.match(await send(url, 2), { error: 'EventExpired', isOver: true }, "another app's is none of its")
})

t.test('an app reads its own events, of the kinds that the hook names', async (t) => {
  const { effects } = await openHooks({ secret: 'sesame' })
  const read = (after: number, include: readonly string[], max = 20) =>
    perform(effects, 'hooks.read', { appId: 'a1', after, include, max })
  t.match(await read(0, ['api:release']), {
    events: [{ id: 'e1', sequence: 1, include: 'api:release' }, { id: 'e4' }],
    through: 4,
    hasMore: false,
  })
  t.match(await read(0, ['dyno']), { events: [{ id: 'e3', include: 'dyno' }], through: 4 })
  t.match(await read(0, ['api:release'], 1), { events: [{ id: 'e1' }], through: 3, hasMore: true })
  t.match(await read(4, ['api:release']), { events: [], through: 4, hasMore: false })
  t.match(await read(9, ['api:release']), { events: [], through: 4 }, 'the stream lost its end')
  t.strictSame(await perform(effects, 'hooks.end', { appId: 'a1' }), { sequence: 4 })
})
