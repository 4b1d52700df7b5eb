/**
 * Events of changes: held with the change, told in order, once each; and what they look like when they are
 * told.
 */
import t from 'tap'
import { app } from '../../actors/app.ts'
import { eventRenderer } from '../../actors/api/shapes/event.ts'
import { performEvents } from '../../actors/effects/perform/events.ts'
import { hold, untold, type Draft } from '../../actors/events/outbox.ts'
import { releases } from '../../actors/releases.ts'
import { platformItself, type Event } from '../../actors/protocols/event.ts'
import { seededRandom } from '../../src/sim/random.ts'
import { simEvents } from '../../src/sim/events.ts'
import { systemClock } from '../../src/system/clock.ts'
import { drive } from '../kit/drive.ts'
import { perform } from '../kit/perform.ts'

const by = { id: 'u1', email: 'user@example.com' }
const other = { id: 'u2', email: 'other@example.com' }
const created = { type: 'create', name: 'demo', owner: by, region: 'us', stack: 'heroku-24' } as const
const textOf = ({ entity, action, by: { id } }: Event): string => `${entity} ${action} ${id}`

const liveApp = (holdsEvents = false, whose: object = {}) => {
  const a = drive(app, { key: 'app-1', args: null, holdsEvents })
  a.send({ ...created, ...whose })
  a.done('names.claim')
  a.answered('open', {})
  a.answered('open', {})
  a.done('access.show')
  return a
}

t.test('an app tells what its users change, and who changed it', async (t) => {
  const a = liveApp()
  a.send({ type: 'change', maintenance: true, by: other })
  a.send({ type: 'change', maintenance: true, by: other })
  a.send({ type: 'feature', name: 'preboot', enabled: true })
  a.send({ type: 'addDomain', hostname: 'www.example.com', by: other })
  a.done('names.claim')
  a.send({ type: 'built', buildpackDescription: 'Node.js', slugBytes: 1, stack: 'heroku-24' })
  a.send({ type: 'rename', name: 'shop', by: other })
  a.done('names.claim')
  a.send({ type: 'removeDomain', hostname: 'www.example.com', by })
  a.send({ type: 'addCollaborator', user: other, by })
  const offered = a.send({ type: 'offer', to: other, by })!.value as { offer: { id: string } }
  a.send({ type: 'answerOffer', offer: offered.offer.id, state: 'accepted', by })
  a.send({ type: 'destroy', by: other })
  t.strictSame(a.events.map(textOf), [
    'app create u1',
    'app update u2',
    'app update u1',
    'domain create u2',
    'app update u2',
    'domain destroy u1',
    'collaborator create u1',
    'app update u1',
    'collaborator create u1',
    'collaborator destroy u1',
    'app destroy u2',
  ])
  t.match(a.events[4], { appName: 'shop', view: { name: 'shop' }, before: { name: 'demo' } })
})

t.test('what an app tells holds none of its secrets', async (t) => {
  const a = liveApp()
  a.send({ type: 'changeLogTokens', add: ['cron'], remove: [] })
  a.done('names.claim')
  a.send({ type: 'addDrain', url: 'https://user:secret@logs.example.com/' })
  a.send({ type: 'change', maintenance: true })
  const text = JSON.stringify(a.events)
  t.equal(a.events.length, 2)
  for (const secret of ['t.0', 'd.0', 'secret']) t.notOk(text.includes(secret), secret)
})

t.test(
  'an event stands in the record of its change until it is told, and is told by the next life',
  async (t) => {
    const a = liveApp(true)
    t.match(a.saved(), { events: { held: [{ entity: 'app', action: 'create' }] } })
    t.ok(a.reminders.has('events'), 'somebody wakes it should its host go')
    const again = drive(app, { key: 'app-1', args: null, holdsEvents: true, saved: a.saved()! })
    const [publish] = again.ran.filter(({ name }) => name === 'events.publish')
    t.match(publish?.args, { appId: 'app-1', source: 'app', unsure: true, events: [{ action: 'create' }] })
    again.done('events.publish', { through: a.saved()!.events!.n })
    again.fire('events')
    t.strictSame(again.saved()?.events?.held, [])
    t.notOk(again.reminders.has('events'))
  },
)

t.test('one that could not be told is told again, before what came after it', async (t) => {
  const a = liveApp(true)
  a.send({ type: 'change', maintenance: true })
  t.equal(a.ran.filter(({ name }) => name === 'events.publish').length, 1, 'one after the other')
  a.failed('events.publish', 'store_unavailable')
  a.fire('events')
  t.match(a.ran.at(-1), {
    name: 'events.publish',
    args: { unsure: true, events: [{ action: 'create' }, { action: 'update' }] },
  })
})

t.test('neither an app nor its releases go before what they did is told', async (t) => {
  const r = drive(releases, { key: 'app-1', args: null, holdsEvents: true })
  r.send({ type: 'open', appName: 'demo', by })
  t.match(r.send({ type: 'destroy' })?.refused, { code: 'busy' })
  r.done('events.publish', { through: r.saved()!.events!.n })
  t.match(r.send({ type: 'destroy' })?.value, {})

  const a = liveApp(true)
  a.done('events.publish', { through: a.saved()!.events!.n })
  a.send({ type: 'destroy' })
  t.equal(a.saved()?.phase, 'destroying')
  const steps = ['destroy', 'destroy', 'close', 'builder.drop', 'vault.drop', 'certificates.drop']
  for (const step of steps)
    if (step === 'destroy' || step === 'close') a.answered(step, {})
    else a.done(step)
  while (a.told.some(({ message }) => message.type === 'stepped')) {
    a.told.length = 0
    a.send({ type: 'stepped', step: 'drains' })
  }
  a.done('history.drop')
  a.done('access.show')
  t.notOk(
    a.ran.some(({ name }) => name === 'names.release'),
    'it waits',
  )
  a.done('events.publish', { through: a.saved()!.events!.n })
  a.send({ type: 'stepped', step: 'access' })
  t.ok(a.ran.some(({ name }) => name === 'names.release'))
})

const draft = (entity: Draft['entity']): Draft => ({
  entity,
  action: 'update',
  by: platformItself,
  appName: 'demo',
  view: {},
})

t.test('numbers grow also when the clock goes back', async (t) => {
  const first = hold(undefined, [draft('app'), draft('app')], untold, 100)
  const second = hold(first, [draft('app')], untold, 50)
  t.strictSame(
    second?.held.map(({ n }) => n),
    [100, 101, 102],
  )
})

t.test('of too many, changes of dynos go first; what users were promised stays', async (t) => {
  const drafts = [draft('formation'), ...Array.from({ length: 500 }, () => draft('dyno')), draft('formation')]
  const held = hold(undefined, drafts, untold, 1)?.held ?? []
  t.equal(held.length, 400)
  t.strictSame([held.at(0)?.entity, held.at(-1)?.entity], ['formation', 'formation'])
})

const addresses = { apiUrl: 'http://api', secureHost: 'api', appDomain: 'apps.test', routerPort: 80 }

const openLog = () => {
  let nowMs = 0
  let teamName = 'acme'
  const events = simEvents(seededRandom(1), () => nowMs)
  const published: string[] = []
  const effects = performEvents({
    log: events.attach(systemClock, () => ({ fail: 0, unknown: 0, latencyMsMax: 0 })),
    render: eventRenderer(addresses, {
      certificates: { open: async () => ({ certificate: 'PEM' }) },
      teams: { view: async (id) => ({ id, name: teamName, members: [], createdAt: 1, updatedAt: 1 }) },
    }),
    published: async (appId) => void published.push(appId),
  })
  const publish = (list: readonly Event[], unsure = false, source = 'app') =>
    perform(effects, 'events.publish', { appId: 'app-1', source, events: list, unsure })
  const bodies = () =>
    events.truth().map(({ bytes }) => JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>)
  /** The log knows no id any more. */
  const forget = (): void => void (nowMs += 3_600_000)
  const renameTeam = (name: string): void => void (teamName = name)
  return { events, publish, published, bodies, forget, renameTeam }
}

t.test('events are told in the shape of webhooks, with the bodies of the API', async (t) => {
  const { events, publish, published, bodies } = openLog()
  const a = liveApp()
  a.send({ type: 'change', maintenance: true, by: other })
  await publish(a.events)
  t.strictSame(
    events.truth().map(({ subject }) => subject),
    ['app.app-1.app.create', 'app.app-1.app.update'],
  )
  const [, update] = bodies()
  t.match(update, {
    id: /^[0-9a-f-]{36}$/,
    action: 'update',
    actor: other,
    resource: 'app',
    version: 'application/vnd.heroku+json; version=3',
    data: { name: 'demo', maintenance: true, web_url: 'http://demo.apps.test:80/' },
    sequence: null,
  })
  t.strictSame(update?.['previous_data'], { maintenance: false }, 'what was otherwise')
  t.strictSame(published, ['app-1'])
})

t.test('what was told before is not told twice, however long ago', async (t) => {
  const { events, publish, bodies, forget } = openLog()
  const a = liveApp()
  a.send({ type: 'addDomain', hostname: 'www.example.com' })
  a.done('names.claim')
  await publish(a.events)
  t.equal(events.truth().length, 2)
  await publish(a.events)
  t.equal(events.truth().length, 2, 'a moment later')
  forget()
  a.send({ type: 'removeDomain', hostname: 'www.example.com' })
  await publish(a.events, true)
  t.equal(events.truth().length, 3)
  t.equal(new Set(bodies().map(({ id }) => id)).size, 3)
  await publish([{ ...a.events[0]!, n: 5 }], true, 'releases')
  t.equal(events.truth().length, 4, 'another actor has numbers of its own')
})

t.test('of a team that was renamed its apps tell the name that it has', async (t) => {
  const { publish, bodies, renameTeam } = openLog()
  const team = { id: 'team-1', isLocked: false }
  const a = liveApp(false, { owner: { id: team.id, email: 'acme@herokumanager.com' }, team })
  await publish(a.events)
  renameTeam('ajax')
  a.send({ type: 'change', maintenance: true, by: other })
  await publish(a.events)
  t.match(
    bodies().map(({ data }) => data),
    [
      { owner: { email: 'acme@herokumanager.com' }, team: { id: team.id, name: 'acme' } },
      { owner: { email: 'ajax@herokumanager.com' }, team: { id: team.id, name: 'ajax' } },
    ],
  )
  t.strictSame(bodies()[1]?.['previous_data'], { maintenance: false })
})
