/**
 * src/nats, what changed in the record and what stands in it now, many keys in one request: against a real
 * nats-server.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { openFeed } from '../../src/nats/feed.ts'
import { gather, gatherMax } from '../../src/nats/gather.ts'
import { jetStream } from '../../src/nats/jetstream.ts'
import { subjectOf } from '../../src/nats/keys.ts'
import { openStore } from '../../src/nats/store.ts'
import type { Changed } from '../../src/ports/feed.ts'
import { openBus } from '../kit/bus.ts'
import { until } from '../kit/until.ts'

// Every write here waits for the disk, which other tests share.
t.setTimeout(300_000)
const bucket = 'feed'
const stream = `KV_${bucket}`
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString()
const shown = ({ key, value }: Changed): readonly [string, string | undefined] => [key, text(value)]
const byKey = (one: Changed, other: Changed): number => one.key.localeCompare(other.key)

const open = async (t: Test) => {
  const bus = await openBus(t)
  const connection = await bus.join('h1')
  const store = await openStore(connection, { bucket, replicas: 1 })
  return { bus, connection, store, feed: openFeed(connection, bucket) }
}

t.test('what was written after a revision comes in order, the last of each key, removals too', async (t) => {
  const { store, feed } = await open(t)
  t.equal(await feed.position(), 0, 'nothing was ever written')
  await store.create('app/before', Buffer.from('old'))
  const from = await feed.position()
  t.equal(from, 1)
  const first = await store.create('app/a', Buffer.from('a1'))
  await store.create('app/b', Buffer.from('b1'))
  await store.create('name/a', Buffer.from('of another kind'))
  await store.update('app/a', Buffer.from('a2'), first)
  await store.remove('app/b')
  const changes = await Array.fromAsync(feed.since('app/', from))
  t.strictSame(changes.map(shown), [
    ['app/a', 'a2'],
    ['app/b', undefined],
  ])
  t.strictSame(
    changes.map(({ revision }) => revision),
    [from + 4, from + 5],
  )
  t.equal(await feed.position(), from + 5)
  t.strictSame(await Array.fromAsync(feed.since('app/', from + 5)), [], 'and then no more')
  t.strictSame(
    await Promise.all(['app/', 'name/', 'none/'].map((prefix) => feed.count(prefix))),
    [3, 1, 0],
    'what was removed lately counts',
  )
  const named = await Array.fromAsync(feed.since('app/be', 0))
  t.strictSame(named.map(shown), [['app/before', 'old']], 'a prefix may end within a name')
})

t.test('as many changes as there are come, in batches of the reader', async (t) => {
  const { store, feed } = await open(t)
  const count = 700
  await Promise.all(
    Array.from({ length: count }, (_, at) => store.create(`app/n${at}`, Buffer.from(`${at}`))),
  )
  const changes = await Array.fromAsync(feed.since('app/', 0))
  t.strictSame(
    changes.map(({ revision }) => revision),
    Array.from({ length: count }, (_, at) => at + 1),
  )
  t.ok(changes.every(({ key, value }) => key === `app/n${text(value)}`))

  const asked = Array.from({ length: gatherMax }, (_, at) => `app/n${at}`)
  const standing = await feed.standing(asked)
  t.equal(standing.length, count, 'of as many as may be asked for, those that are there')
  t.ok(standing.every(({ key, value }) => key === `app/n${text(value)}`))
  await t.rejects(feed.standing([...asked, 'app/one-more']), /1025 keys are more than 1024/)
})

t.test('what stands under keys: values, removals with none, and nothing for what never was', async (t) => {
  const { store, feed } = await open(t)
  await store.create('app/here', Buffer.from('yes'))
  await store.create('app/gone', Buffer.from('no'))
  await store.remove('app/gone')
  const found = await feed.standing(['app/here', 'app/gone', 'app/never'])
  t.strictSame(found.toSorted(byKey).map(shown), [
    ['app/gone', undefined],
    ['app/here', 'yes'],
  ])
  t.strictSame(await feed.standing(['app/never']), [], 'none of them at all')
})

/** The signal is on its way for a moment, in which a thread of the server may still answer. */
const isStopped = (pid: number): boolean =>
  readdirSync(`/proc/${pid}/task`).every((thread) =>
    /\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
  )

t.test('what can not be answered fails with why, and is answered once the server is back', async (t) => {
  const { bus, connection, store, feed } = await open(t)
  await store.create('app/here', Buffer.from('yes'))
  const js = jetStream(connection)
  const subjects = [subjectOf(`$KV.${bucket}`, 'app/here')]
  await t.rejects(gather(js, 'KV_nobody', subjects, 5_000), {
    name: 'RequestFailed',
    code: 'broken',
    message: 'KV_nobody: 1 subjects: nobody has a copy',
  })
  await t.rejects(gather(js, stream, [], 5_000), { code: 'broken', message: /the server said 4\d\d/ })

  process.kill(bus.server().pid, 'SIGSTOP')
  await until(() => isStopped(bus.server().pid), { what: 'the server to stand still' })
  await t.rejects(gather(js, stream, subjects, 50), { code: 'timeout', message: /no end in 50 ms/ })
  const cut = gather(js, stream, subjects, 60_000)
  await Promise.all([t.rejects(cut, { code: 'broken', message: /the connection broke/ }), bus.kill()])
  await until(() => !connection.connected(), { what: 'the connection to be down' })
  await t.rejects(gather(js, stream, subjects, 5_000), { code: 'not_sent' })
  await t.rejects(feed.standing(['app/here']), { code: 'store_unavailable', applied: 'no' })
  await t.rejects(feed.position(), { code: 'store_unavailable' })

  await bus.start()
  await until(() => connection.connected(), { what: 'the connection to be up' })
  t.strictSame((await feed.standing(['app/here'])).map(shown), [['app/here', 'yes']], 'and then it answers')
})
