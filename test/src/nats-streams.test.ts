/**
 * src/nats, large objects and histories, against a real nats-server.
 */
import { createHash, randomBytes } from 'node:crypto'
import v8 from 'node:v8'
import vm from 'node:vm'
import t from 'tap'
import type { Connection } from '../../src/nats/connection.ts'
import { heldBy } from '../../src/nats/formed.ts'
import { openObjects } from '../../src/nats/objects.ts'
import { openStream, type Recorded } from '../../src/nats/streams.ts'
import type { System } from '../../src/nats/system.ts'
import { ObjectCorrupt, StoreUnavailable } from '../../src/ports/store.ts'
import { openBus } from '../kit/bus.ts'
import { until } from '../kit/until.ts'

t.jobs = 2
// Every write here waits for the disk, which other tests share.
t.setTimeout(300_000)
const bytes = (text: string): Uint8Array => Buffer.from(text)
const bounds = { replicas: 1, maxMessagesPerKey: 50, maxAgeMs: 0, maxBytes: 64 * 1024 * 1024 }

/** Bytes that are the same for the same seed, in pieces of uneven size, never all in memory. */
async function* pieces(total: number, seed: number): AsyncGenerator<Uint8Array> {
  const block = createHash('sha512').update(String(seed)).digest()
  for (let sent = 0, size = 1; sent < total; size = (size * 7 + 13) % 200_000) {
    const piece = Buffer.alloc(Math.min(size, total - sent), block)
    sent += piece.length
    yield piece
  }
}

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc') as () => void
/** Bytes of buffers that are in use: what is garbage does not count. */
const held = (): number => {
  collect()
  return process.memoryUsage().arrayBuffers
}

const sumOf = async (source: AsyncIterable<Uint8Array>, each?: () => void | Promise<void>) => {
  const hash = createHash('sha256')
  let size = 0
  for await (const piece of source) {
    hash.update(piece)
    size += piece.length
    await each?.()
  }
  return { sha256: hash.digest('hex'), bytes: size }
}

t.test('an object comes back as it was put, in memory that its size does not change', async (t) => {
  const bus = await openBus(t)
  const connection = await bus.join('h1')
  const objects = await openObjects(connection, { bucket: 'objects', replicas: 1 })
  const total = 60 * 1024 * 1024
  const want = await sumOf(pieces(total, 1))
  let peak = 0
  let count = 0
  const before = held()
  const watch = (): void => {
    count += 1
    if (count % 20 === 0) peak = Math.max(peak, held() - before)
  }
  t.strictSame(await objects.put('big', pieces(total, 1)), want)
  const found = await objects.get('big')
  t.strictSame(await sumOf(found!, watch), want)
  t.ok(count > 20 && peak < 40 * 1024 * 1024, `reading held ${(peak / 1e6).toFixed(1)} MB more at most`)

  t.equal(await objects.get('none'), undefined)
  const byName = await objects.put((sha256) => `sum/${sha256}`, pieces(1_500_000, 9))
  t.strictSame(await sumOf((await objects.get(`sum/${byName.sha256}`))!), byName, 'named by its sum')
  await objects.remove(`sum/${byName.sha256}`)
  await objects.put('a/small', pieces(1, 2))
  await objects.put('a/empty', pieces(0, 3))
  t.strictSame(await sumOf((await objects.get('a/empty'))!), await sumOf(pieces(0, 3)))
  t.strictSame([...(await objects.list('a/'))].sort(), ['a/empty', 'a/small'])
  const replaced = await objects.put('a/small', pieces(700_000, 4))
  t.strictSame(await sumOf((await objects.get('a/small'))!), replaced)
  await objects.remove('big')
  await objects.remove('big')
  t.equal(await objects.get('big'), undefined)
  t.strictSame([...(await objects.list(''))].sort(), ['a/empty', 'a/small'])
  const info = await (await connection.client.jetstreamManager()).streams.info('OBJ_objects')
  t.ok(info.state.bytes < 2_000_000, 'what was removed or replaced takes no room')
})

t.test('an object that is damaged fails at its end, and one that was not finished is not seen', async (t) => {
  const bus = await openBus(t)
  const connection = await bus.join('h1')
  const objects = await openObjects(connection, { bucket: 'objects', replicas: 1 })
  await objects.put('cut', pieces(1_200_000, 1))
  const jsm = await connection.client.jetstreamManager()
  await jsm.streams.deleteMessage('OBJ_objects', 2)
  await t.rejects(sumOf((await objects.get('cut'))!), ObjectCorrupt)

  await objects.put('changed', pieces(600_000, 2))
  const { subjects } = (await jsm.streams.info('OBJ_objects', { subjects_filter: '$O.objects.M.>' })).state
  const meta = Object.keys(subjects ?? {}).find((one) =>
    one.includes(Buffer.from('changed').toString('base64url')),
  )
  const stored = await jsm.streams.getMessage('OBJ_objects', { last_by_subj: meta! })
  const wrong = { ...stored.json<object>(), digest: `SHA-256=${randomBytes(32).toString('base64url')}=` }
  await connection.client.jetstream().publish(meta!, JSON.stringify(wrong))
  await t.rejects(sumOf((await objects.get('changed'))!), ObjectCorrupt)

  async function* breaking(): AsyncGenerator<Uint8Array> {
    yield* pieces(1_000_000, 3)
    throw new Error('the source broke')
  }
  await t.rejects(objects.put('broken', breaking()), { message: 'the source broke' })
  t.equal(await objects.get('broken'), undefined)
  // What a writer left that was killed before its meta message.
  await connection.client.jetstream().publish('$O.objects.C.orphan', randomBytes(10))
  t.equal(await objects.sweep(1), 0, 'what is young may still be under way')
  t.equal(await objects.sweep(Date.now() + 60_000), 1)
  t.equal(
    (await sumOf((await objects.get('changed'))!).catch((error: unknown) => error)) instanceof ObjectCorrupt,
    true,
  )
})

t.test(
  'an object that was put in the place of another is whole, also when that one stays behind',
  async (t) => {
    const bus = await openBus(t)
    const connection = await bus.join('h1')
    let refusals = 1
    const publish: typeof connection.client.publish = (subject, ...rest) => {
      if (subject.startsWith('$JS.API.STREAM.PURGE') && refusals-- > 0) throw new Error('no connection')
      connection.client.publish(subject, ...rest)
    }
    const client = new Proxy(connection.client, {
      get: (whole, name) => {
        const value: unknown = name === 'publish' ? publish : Reflect.get(whole, name)
        return typeof value === 'function' ? value.bind(whole) : value
      },
    })
    const objects = await openObjects({ ...connection, client }, { bucket: 'objects', replicas: 1 })
    await objects.put('a', pieces(1_000, 1))
    const made = await objects.put('a', pieces(2_000, 2))
    t.equal(refusals, 0)
    t.same(await sumOf((await objects.get('a'))!), made)
    t.equal(await objects.sweep(Date.now() + 60_000), 1, 'the other')
  },
)

t.test('an object is removed as it was seen, and not when another has taken its name since', async (t) => {
  const bus = await openBus(t)
  const objects = await openObjects(await bus.join('h1'), { bucket: 'objects', replicas: 1 })
  const beganMs = Date.now()
  for (const name of ['slug/a', 'slug/b', 'other']) await objects.put(name, pieces(1_000, 1))
  const [a, b] = (await Array.fromAsync(objects.entries('slug/'))).toSorted((x, y) =>
    x.name < y.name ? -1 : 1,
  )
  t.match([a, b], [{ name: 'slug/a' }, { name: 'slug/b' }])
  t.ok(Math.abs(a!.putAtMs - beganMs) < 60_000)
  await objects.put('slug/b', pieces(1_000, 1))
  await objects.removeOne(a!)
  await objects.removeOne(b!)
  await objects.removeOne(a!)
  t.equal(await objects.get('slug/a'), undefined)
  t.ok(await sumOf((await objects.get('slug/b'))!), 'it was put anew')
  t.same((await Array.fromAsync(objects.entries(''))).map(({ name }) => name).toSorted(), ['other', 'slug/b'])
})

t.test('reading an object goes on where it was when the server was killed in the middle', async (t) => {
  const bus = await openBus(t)
  const objects = await openObjects(await bus.join('h1'), { bucket: 'objects', replicas: 1 })
  const want = await objects.put('big', pieces(12_000_000, 1))
  let count = 0
  const found = await objects.get('big')
  const got = await sumOf(found!, async () => {
    count += 1
    if (count !== 10) return
    await bus.kill()
    await bus.start()
  })
  t.strictSame(got, want)
  await bus.server().stop()
  await t.rejects(objects.put('late', pieces(1_000_000, 1)), StoreUnavailable)
})

t.test('a history keeps the last messages of each key, in order', async (t) => {
  const bus = await openBus(t)
  const connection = await bus.join('h1')
  const history = await openStream(connection, { ...bounds, name: 'history' })
  const sequences: number[] = []
  for (let index = 0; index < 120; index += 1) {
    sequences.push(await history.append('my.key', bytes(String(index))))
    if (index % 10 === 0) await history.append('other', bytes('x'))
  }
  const kept = await history.read('my.key')
  t.strictSame(
    kept.map(({ bytes }) => Buffer.from(bytes).toString()),
    Array.from({ length: 50 }, (_, index) => String(70 + index)),
  )
  t.strictSame(
    kept.map(({ sequence }) => sequence),
    sequences.slice(70),
  )
  t.equal((await history.read('my.key', sequences[100])).length, 20)
  t.strictSame(await history.read('none'), [])
  await history.remove('my.key')
  t.strictSame(await history.read('my.key'), [])
  t.equal((await history.read('other')).length, 12)
  const again = await openStream(connection, { ...bounds, name: 'history', maxMessagesPerKey: 5 })
  t.equal((await again.read('other')).length, 5, 'it opens what is there, with new bounds')
})

t.test(
  'a follower gets history, then live, with no gap and no duplicate, also over a SIGKILL of the server',
  async (t) => {
    const bus = await openBus(t)
    const options = { ...bounds, name: 'history', maxMessagesPerKey: 10_000 }
    const writer = await openStream(await bus.join('h1'), options)
    const reader = await openStream(await bus.join('h2'), options)
    const written: number[] = []
    const write = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index += 1) {
        try {
          written.push(await writer.append('key', bytes(String(written.length))))
        } catch (error) {
          if (!(error instanceof StoreUnavailable)) throw error
          await new Promise(setImmediate)
        }
      }
    }
    await write(50)
    const whole: Recorded[] = []
    const fresh: Recorded[] = []
    const writing = write(300)
    const following = reader.follow('key', (message) => whole.push(message), 1)
    reader.follow('key', (message) => fresh.push(message))
    await writing
    await until(() => whole.length >= 350, { what: 'all messages' })
    t.strictSame(
      whole.map(({ sequence }) => sequence),
      written,
    )
    const had = written.length
    const life = reader.life()

    await bus.kill()
    await write(5)
    await bus.start()
    await until(
      async () => {
        await write(20)
        return written.length > had + 100
      },
      { what: 'the writer to be back' },
    )
    t.not(reader.life(), life, 'what was read before may not hold any more')
    const last = written.at(-1)
    await until(() => whole.at(-1)?.sequence === last && fresh.at(-1)?.sequence === last, {
      what: 'both followers',
    })
    const stored = (await reader.read('key')).map(({ sequence }) => sequence)
    t.strictSame(
      whole.map(({ sequence }) => sequence),
      stored,
      'what is stored is what was followed',
    )
    t.strictSame(
      fresh.map(({ sequence }) => sequence),
      stored.slice(stored.length - fresh.length),
    )
    t.strictSame(
      written.filter((one) => !stored.includes(one)),
      [],
      'nothing acknowledged is lost',
    )
    following.close()
    const count = whole.length
    await write(10)
    await until(() => fresh.at(-1)?.sequence === written.at(-1), { what: 'the one that still follows' })
    t.equal(whole.length, count, 'one that was closed hears no more')
  },
)

t.test('a follower fills the gap when live copies are lost', async (t) => {
  const bus = await openBus(t)
  const connection = await bus.join('h1')
  const history = await openStream(connection, { ...bounds, name: 'history', maxMessagesPerKey: 5_000 })
  const got: number[] = []
  history.follow('key', ({ sequence }) => got.push(sequence))
  const first = await history.append('key', bytes('1'))
  await until(() => got.length === 1, { what: 'the first' })
  // A stream without republishing stands for live copies that do not arrive.
  const jsm = await connection.client.jetstreamManager()
  const { config } = await jsm.streams.info('history')
  const { republish, ...silent } = config
  await jsm.streams.update('history', silent)
  const lost = await Promise.all(
    Array.from({ length: 1_000 }, (_, index) => history.append('key', bytes(String(index)))),
  )
  await jsm.streams.update('history', { ...silent, ...(republish === undefined ? {} : { republish }) })
  const after = await history.append('key', bytes('2'))
  await until(() => got.at(-1) === after, { what: 'the last' })
  t.strictSame(got, [first, ...lost.sort((a, b) => a - b), after])
})

t.test(
  'a history keeps the bytes of whoever made it, and takes other bounds from whoever opens it',
  async (t) => {
    const bus = await openBus(t)
    const connection = await bus.join('h1')
    await openStream(connection, { name: 'shared', ...bounds })
    await openStream(connection, { name: 'shared', ...bounds, maxBytes: 1024, maxMessagesPerKey: 60 })
    const { config } = await (await connection.client.jetstreamManager()).streams.info('shared')
    t.match(config, { max_bytes: bounds.maxBytes, max_msgs_per_subject: 60 })
  },
)

t.test('a stream that nobody speaks for is waited for, not given up', async (t) => {
  const bus = await openBus(t)
  const connection = await bus.join('h1')
  const history = await openStream(connection, { name: 'history', ...bounds })
  const sequence = await history.append('k', bytes('1'))
  const asked: string[] = []
  const publish: Connection['client']['publish'] = (subject, payload, options) => {
    asked.push(subject)
    // As without a leader: the first two times it is asked, nobody is there who answers.
    const isAway =
      asked.filter((one) => one === subject).length <= 2 && subject.includes('STREAM.INFO.history')
    connection.client.publish(isAway ? 'nobody.is.there' : subject, payload, options)
  }
  const client = new Proxy(connection.client, {
    get: (of, name) => (name === 'publish' ? publish : (Reflect.get(of, name, of) as unknown)),
  })
  const away = new Proxy(connection, {
    get: (of, name) => (name === 'client' ? client : (Reflect.get(of, name, of) as unknown)),
  })
  const holds = async () => new Map([['history', { messages: 1, first_seq: 1, last_seq: sequence }]])
  await heldBy(away, { holds } as unknown as System, 'h1', 10_000)
  t.equal(asked.filter((one) => one.includes('STREAM.INFO.history')).length, 3)
})
