/**
 * The router's lines in the apps' logs: each is brought, once and in order, or counted where it is missing.
 */
import t from 'tap'
import { createAccessLog } from '../../actors/router/access-log.ts'
import { unstored } from '../../actors/logplex/account.ts'
import { outboxLimits } from '../../actors/logplex/outbox.ts'
import type { Line, Part } from '../../actors/protocols/channel.ts'
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import type { AccessRecord } from '../../src/proxy/contract.ts'
import { seededRandom } from '../../src/sim/random.ts'
import { until } from '../kit/until.ts'

const accessRecord: AccessRecord = {
  app: 'a1',
  at: 'info',
  code: '',
  description: '',
  cause: '',
  sock: '',
  method: 'GET',
  path: '/',
  host: 'shop.localhost',
  requestId: 'id',
  fwd: '127.0.0.1',
  target: 'web.1',
  queue: null,
  waitMs: null,
  connectMs: 1,
  serviceMs: 2,
  status: 200,
  bytes: 3,
  protocol: 'http1.1',
  tls: '',
  agent: '',
  epochMs: 1,
}

const since = '2023-11-14T22:13:20.000000+00:00'
const record = (app: string | null, path: string): AccessRecord => ({ ...accessRecord, app, path })
/** What a history makes of it. */
const kept = (part: Part): readonly Line[] => unstored(new Map(), false, [part]).lines
const text = (line: Line | undefined): string => Buffer.from(line?.text ?? []).toString()

t.test(
  'access lines are brought to their apps batch after batch, bounded, with the loss said first',
  async (t) => {
    type Brought = Part & { appId: string; stored: () => void }
    const brought: Brought[] = []
    const log = createAccessLog(
      'router-1',
      () => 1_700_000_000_000.25,
      (appId, part) => {
        t.match(part.source, /^router-1\.\d$/)
        const { promise, resolve } = Promise.withResolvers<void>()
        brought.push({ appId, ...part, stored: resolve })
        return promise
      },
    )
    log.flush()
    t.strictSame(brought, [], 'nothing to say')
    log.add(record(null, '/'))
    log.add(record('a2', '/x'))
    for (let at = 0; at < 2_005; at++) log.add(record('a1', `/${at}`))
    log.flush()
    log.flush()
    const shape = () => brought.map(({ appId, lines }) => [appId, lines.length])
    t.strictSame(
      shape(),
      [
        ['a2', 1],
        ['a1', 500],
      ],
      'one batch of an app at a time',
    )
    t.same(brought[1]?.dropped, { count: 5, sinceUs: 1_700_000_000_000_250 })
    t.match(text(brought[1]?.lines[0]), /^at=info method=GET path="\/5" host=shop\.localhost /)
    t.match(brought[1]?.lines[0], { source: 'heroku', process: 'router', atUs: 1_700_000_000_000_250 })
    t.equal(log.pending(), 2_006, 'with those that were dropped and are not told yet')
    let stored = 0
    await until(
      () => {
        for (; stored < brought.length; stored++) brought[stored]?.stored()
        log.flush()
        return log.pending() === 0
      },
      { what: 'everything stored' },
    )
    t.strictSame(shape().slice(2), [
      ['a1', 500],
      ['a1', 500],
      ['a1', 500],
    ])
    t.strictSame(
      brought.map(({ appId, first }) => [appId, first]),
      [
        ['a2', 0],
        ['a1', 5],
        ['a1', 505],
        ['a1', 1_005],
        ['a1', 1_505],
      ],
      'each line of an app has a number',
    )
    log.add(record('a2', '/y'))
    log.flush()
    t.equal(brought.at(-1)?.first, 1, 'an app that was silent goes on where it was')
  },
)

t.test(
  'whatever is said and however slowly it is stored, no line is lost without being counted',
  async (t) => {
    const random = seededRandom(4)
    const apps = ['quiet', 'steady', 'hot']
    const said = new Map(apps.map((app) => [app, [] as string[]]))
    const brought = new Map(apps.map((app) => [app, [] as string[]]))
    const waiting: (() => void)[] = []
    const log = createAccessLog(
      'router-1',
      () => 1_700_000_000_000,
      (appId, part) => {
        brought.get(appId)?.push(...kept(part).map(text))
        const { promise, resolve } = Promise.withResolvers<void>()
        waiting.push(resolve)
        return promise
      },
    )
    const say = (app: string, count: number): void => {
      for (let at = 0; at < count; at++) {
        const lines = said.get(app) ?? []
        const one = record(app, `/${lines.length}?q=${random.pick(['plain', 'größer', '"\n"', '日本', ''])}`)
        lines.push(formatAccessLine(one))
        log.add(one)
      }
    }
    for (let step = 0; step < 400; step++) {
      if (random.chance(0.1)) say('quiet', 1)
      say('steady', random.between(0, 5))
      if (random.chance(0.2)) say('hot', random.between(0, 1_500))
      if (random.chance(0.5)) log.flush()
      if (random.chance(0.3)) waiting.splice(random.between(0, 2), 1)[0]?.()
      await Promise.resolve()
    }
    await until(
      () => {
        for (const stored of waiting.splice(0)) stored()
        log.flush()
        return log.pending() === 0
      },
      { what: 'everything stored' },
    )
    for (const app of apps) {
      const lines = said.get(app) ?? []
      let next = 0
      let lost = 0
      let misplaced = 0
      for (const line of brought.get(app) ?? []) {
        const dropped = Number(/^Error L12: (\d+) messages dropped since \S+\.$/.exec(line)?.[1] ?? 0)
        if (dropped === 0 && line !== lines[next++]) misplaced++
        next += dropped
        lost += dropped
      }
      t.equal(misplaced, 0, `${app}: in order, as they were said`)
      t.equal(next, lines.length, `${app}: all that was said is there or counted`)
      t.equal(lost > 0, app === 'hot', `${app}: ${lost} of ${lines.length} are counted`)
    }
  },
)

t.test(
  'of more apps than there is room for lines are counted, and the counts told when there is',
  async (t) => {
    const brought: string[] = []
    const waiting: (() => void)[] = []
    const log = createAccessLog(
      'router-1',
      () => 1_700_000_000_000,
      (appId, part) => {
        brought.push(...kept(part).map((line) => `${appId} ${text(line).replace(/ host=.*/, '')}`))
        const { promise, resolve } = Promise.withResolvers<void>()
        waiting.push(resolve)
        return promise
      },
      { ...outboxLimits, linesPerApp: 10, apps: 1 },
    )
    for (const app of ['first', 'second', 'third', 'second']) log.add(record(app, '/'))
    log.flush()
    t.strictSame(brought, ['first at=info method=GET path="/"'])
    await until(
      () => {
        for (const stored of waiting.splice(0)) stored()
        log.flush()
        return log.pending() === 0
      },
      { what: 'everything told' },
    )
    t.strictSame(brought.slice(1), [
      `second Error L12: 2 messages dropped since ${since}.`,
      `third Error L12: 1 messages dropped since ${since}.`,
    ])
    log.add(record('second', '/later'))
    log.flush()
    t.equal(brought.at(-1), 'second at=info method=GET path="/later"')
    for (const stored of waiting.splice(0)) stored()
  },
)

t.test('of more apps than may be sent at once each has its turn', async (t) => {
  const brought: string[] = []
  const stored: (() => void)[] = []
  const log = createAccessLog(
    'router-1',
    () => 1_700_000_000_000,
    (appId) => {
      brought.push(appId)
      const { promise, resolve } = Promise.withResolvers<void>()
      stored.push(resolve)
      return promise
    },
    { ...outboxLimits, sending: 2 },
  )
  for (let round = 0; round < 3; round++) {
    // All of them have something to say again before it is their turn.
    for (const app of ['a', 'b', 'c']) log.add(record(app, '/'))
    log.flush()
    t.equal(brought.length, 2 * (round + 1), 'as many as may')
    for (const app of ['a', 'b', 'c']) log.add(record(app, '/'))
    const before = log.pending()
    for (const one of stored.splice(0)) one()
    await until(() => log.pending() < before, { what: 'what was brought is stored' })
  }
  t.strictSame(brought, ['a', 'b', 'c', 'a', 'b', 'c'])
})

t.test(
  'lines of many apps that wait are bounded together: who has most of them drops its oldest',
  async (t) => {
    const stored: (() => void)[] = []
    const brought = new Map<string, number>()
    const log = createAccessLog(
      'router-1',
      () => 1_700_000_000_000,
      (appId, { lines }) => {
        brought.set(appId, (brought.get(appId) ?? 0) + lines.length)
        const { promise, resolve } = Promise.withResolvers<void>()
        stored.push(resolve)
        return promise
      },
      { ...outboxLimits, bytes: 100_000 },
    )
    const path = '/'.repeat(800)
    const [small, large] = [record('a1', '/'), record('a1', path)]
    const hot = Math.floor(100_000 / (formatAccessLine(large).length + 64))
    for (let n = 0; n < 1_500; n++) log.add(record('hot', path))
    t.equal(log.pending(), 1_500, 'of one app: what is dropped is counted')
    for (let n = 0; n < 10; n++) for (const app of ['b', 'c', 'd']) log.add({ ...small, app })
    log.add(record('hot', path))
    log.flush()
    for (let n = 0; n < 300; n++) log.add(record('hot', path))
    await until(
      () => {
        for (const one of stored.splice(0)) one()
        log.flush()
        return log.pending() === 0
      },
      { what: 'everything stored' },
    )
    t.strictSame([...brought].slice(1), [
      ['b', 10],
      ['c', 10],
      ['d', 10],
    ])
    const got = brought.get('hot') ?? 0
    t.ok(got > hot / 4 && got < 1.5 * hot, `${got} of the loud one, ${hot} of which are the bound`)
    for (let n = 0; n < hot; n++) log.add(record('hot', path))
    log.flush()
    t.equal(brought.get('hot'), got + hot, 'what was stored takes no room any more')
    for (const one of stored) one()
  },
)
