/** Backups: what is in them, who takes them and when, and what a restore makes of them. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { BackupDamaged, backupText, readBackup, type Header } from '../../actors/main/backup-file.ts'
import { keysOfBackups, openBackups, surplus, takeBackup, writeBackup } from '../../actors/main/backup.ts'
import { createCertificates } from '../../actors/effects/perform/certificates.ts'
import { createVault } from '../../actors/effects/perform/vault.ts'
import { changeHost } from '../../actors/main/host-record.ts'
import { openAccounts } from '../../actors/api/accounts/accounts.ts'
import type { Entry } from '../../src/ports/store.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { systemClock } from '../../src/system/clock.ts'
import { systemRandom } from '../../src/system/random.ts'
import { scratch } from '../kit/files.ts'
import { memoryFeed } from '../kit/memory-feed.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { openOperator } from '../kit/operator.ts'
import { until } from '../kit/until.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const configKey = '0123456789abcdef'
const about = { cluster: 'test', takenAt: '2026-11-23T00:00:00.000Z', configKey }
const collect = async (lines: AsyncIterable<string> | Iterable<string>): Promise<string> => {
  let text = ''
  for await (const line of lines) text += line
  return text
}
const textOf = (entries: readonly Entry[], more: Partial<Header> = {}): AsyncIterable<string> =>
  backupText(Readable.from([entries]), { ...about, ...more, count: entries.length })
/** In pieces that fit no line. */
async function* pieces(text: string): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < text.length; at += 7) yield Buffer.from(text.slice(at, at + 7))
}
const readAll = async (text: string) => {
  const read = []
  for await (const one of readBackup(pieces(text))) read.push(one)
  return read
}

t.test('backup reads back as it was written, whatever the bytes', async (t) => {
  const entries = [
    { key: 'name/app/shop', value: bytes('{}'), revision: 3 },
    { key: 'actor/app/ü b', value: new Uint8Array([0, 255, 10, 13]), revision: 2 ** 40 },
  ]
  const text = await collect(textOf(entries))
  t.equal(text.split('\n').length, 5, 'a header, two records, a sum, an end')
  const [first, ...rest] = await readAll(text)
  t.same(first, { header: { manifold: 'backup', format: 1, ...about, count: 2 } })
  t.same(
    rest,
    entries.map((entry) => ({ entry })),
  )
})

t.test('backup that is damaged is refused before anything is written', async (t) => {
  const entries = ['a', 'b', 'c'].map((name) => ({ key: `x/${name}`, value: bytes(name), revision: 1 }))
  const text = await collect(textOf(entries))
  const lines = text.trimEnd().split('\n')
  const damaged: Readonly<Record<string, string>> = {
    empty: '',
    'not ours': '{"a":1}\n',
    'not JSON': 'hello\n',
    'another format': text.replace('"format":1', '"format":2'),
    'a changed value': text.replace(/"value":"Yg=="/, '"value":"Yw=="'),
    'a lost record': `${lines.toSpliced(2, 1).join('\n')}\n`,
    'a lost end': `${lines.slice(0, -1).join('\n')}\n`,
    'a cut line': text.slice(0, -5),
    'a second end': `${text}${lines.at(-1)}\n`,
    'a key of no kind': text.replace('x/a', 'xa'),
  }
  for (const [what, broken] of Object.entries(damaged)) await t.rejects(readAll(broken), BackupDamaged, what)
  const { operator, store } = await openOperator(t)
  await t.rejects(operator.restore(pieces(damaged['a lost end'] ?? ''), true), { code: 'invalid_params' })
  t.equal(await store.get('x/a'), undefined)
})

t.test('a backup has each record once as it was last, in order, whatever changes meanwhile', async (t) => {
  const sorting = await scratch(t)
  const written = fc.array(fc.tuple(fc.nat(20), fc.option(fc.string(), { nil: undefined })))
  const property = fc.asyncProperty(written, async (writes) => {
    const changes = writes.map(([key, value], at) => {
      return { key: `x/${key}`, revision: at + 1, value: value === undefined ? undefined : bytes(value) }
    })
    const last = new Map(changes.map((change) => [change.key, change]))
    const told: (readonly [number, number])[] = []
    const feed = {
      count: async () => last.size,
      async *since() {
        yield* changes
      },
    }
    const deps = { feed, sorting, cluster: 'c', keys: () => [], clock: systemClock }
    const text = await collect(takeBackup(deps, (done, total) => void told.push([done, total])))
    const [, ...read] = await readAll(text)
    const there = [...last.values()].filter(({ value }) => value !== undefined)
    t.strictSame(
      read.map((one) => 'entry' in one && [one.entry.key, one.entry.revision]),
      there.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ key, revision }) => [key, revision]),
    )
    t.ok(told.every(([done, total]) => done <= total))
    t.strictSame(readdirSync(sorting), [], 'and leaves no file')
  })
  await fc.assert(property, { numRuns: 30 })
})

t.test('a backup that nobody wants any more ends, and leaves nothing', async (t) => {
  const sorting = await scratch(t)
  const gone = new AbortController()
  let read = 0
  const feed = {
    count: async () => 1,
    async *since() {
      for (;;) {
        read += 1
        if (read === 1_000) gone.abort()
        yield { key: `x/${read}`, revision: read, value: bytes('') }
      }
    },
  }
  const taking = {
    feed,
    sorting,
    folder: join(sorting, 'of'),
    cluster: 'c',
    keys: () => [],
    clock: systemClock,
  }
  await t.rejects(writeBackup(taking, gone.signal), { name: 'AbortError' })
  await until(() => readdirSync(sorting).join() === 'of', { what: 'its files to be gone' })
  t.ok(read < 2_000)
})

t.test('restore fills an empty cluster and leaves its hosts and keys in force', async (t) => {
  const sorting = await scratch(t)
  const old = memoryStore()
  const was = { email: 'a@b.c', token: 'old-token' }
  const accounts = await openAccounts(old, systemRandom, () => 1, was)
  const ann = (await accounts.users.add('ann@example.com', {}))!
  const wanted = { description: '', scopes: ['global'], expiresAt: null } as const
  const { token: anns } = await accounts.authorizations.grant(ann.id, wanted)
  await old.create('actor/app/1', bytes('one'))
  await old.create('name/app/shop', bytes('{"appId":"1"}'))
  await old.create('host/gone', bytes('{}'))
  await old.create('cluster/bus', bytes('{}'))
  const text = await collect(
    takeBackup({ feed: memoryFeed(old), sorting, cluster: 'old', keys: () => [], clock: systemClock }),
  )

  const { operator, store, said } = await openOperator(t)
  const fresh = await openAccounts(store, systemRandom, () => 2, { email: 'x@y.z', token: 'new-token' })
  const done = await operator.restore(pieces(text), false)
  t.same(done, { written: 8, same: 0, left: 2 })
  t.equal(said.restored, 1)
  t.same(await store.get('actor/app/1').then((entry) => entry?.value), bytes('one'))
  t.equal(await store.get('host/gone'), undefined, 'hosts are not restored')
  t.equal(await store.get('cluster/bus'), undefined, 'nor is where their bus was')
  t.ok(await store.get('host/h1'), 'and those that are there stay')
  const owner = accounts.owner().id
  t.equal(
    (await fresh.authenticate('Bearer new-token')).user.id,
    owner,
    'the key of now opens as the restored owner',
  )
  t.equal((await fresh.authenticate('Bearer old-token')).user.id, owner, 'and so does the old one')
  t.equal(fresh.owner().id, owner)
  t.match(await fresh.authenticate(`Bearer ${anns}`), { user: { id: ann.id } }, 'others stay who they were')

  await t.rejects(operator.restore(pieces(text), false), { code: 'conflict', message: /4 records already/ })
  await changeHost(store, 'h1', (host) => ({ ...host, draining: true }))
  const entry = await store.get('actor/app/1')
  await store.update('actor/app/1', bytes('changed'), entry?.revision ?? 0)
  t.same(
    await operator.restore(pieces(text), true),
    { written: 1, same: 7, left: 2 },
    'it goes over what is there',
  )
  t.same(await store.get('actor/app/1').then((now) => now?.value), bytes('one'))

  const sealed = await collect(textOf([], { configKey: 'another' }))
  await t.rejects(operator.restore(pieces(sealed), false), {
    code: 'conflict',
    message: /key another, .* keys:add FILE/,
  })
})

t.test('a backup names the keys that it needs, and a restore says which it lacks', async (t) => {
  const { operator, store, folder, ring, said } = await openOperator(t)
  const old = createVault(store, ring.vault)
  const configId = await old.seal('a1', { A: 'one' })
  await createCertificates(store, ring.certificates).keep('a1', 'p1', { certificate: 'c', key: 'k' })
  const [before] = ring.names()
  const text = await collect(operator.backup())
  const [first] = await readAll(text)
  t.match(first, { header: { configKey: before?.id, configKeys: [before?.id] } })
  const backups = join(folder, 'backups')
  const taking = {
    feed: memoryFeed(store),
    sorting: join(folder, 'sorting'),
    folder: backups,
    cluster: 'test',
    keys: ring.names,
    clock: systemClock,
  }
  await writeBackup(taking)
  writeFileSync(join(backups, 'notes.txt'), 'of others')
  t.same(await keysOfBackups(backups), [before?.id])
  t.same(await keysOfBackups(join(folder, 'none')), [])

  const other = await openOperator(t, Buffer.alloc(32, 8))
  await t.rejects(other.operator.restore(pieces(text), false), {
    code: 'conflict',
    message: new RegExp(`key ${before?.id}, which this cluster does not have.*keys:add FILE`),
  })
  t.same(await other.store.list('config/'), [], 'and writes nothing')
  await other.operator.keys.add(Buffer.alloc(32, 7))
  await other.operator.restore(pieces(text), false)
  t.same(await createVault(other.store, other.ring.vault).open('a1', configId), { A: 'one' })
  t.match(await other.operator.keys.view(), {
    keys: [{ state: 'seals' }, { id: before?.id, state: 'resealing' }],
  })

  const made = ring.make()
  t.same(
    ring.names().map(({ id }) => id),
    [before?.id, made.id],
  )
  await operator.restore(pieces(text), true)
  t.equal(said.keysChanged, 0, 'what came back is sealed with the key that seals')
})

t.test('backups are taken by the leader when something changed, and few are kept', async (t) => {
  const { store, folder } = await openOperator(t)
  const backups = join(folder, 'backups')
  const clock = virtualClock()
  const state = { leads: false, revision: 1 }
  const logged: unknown[] = []
  const taker = openBackups({
    feed: memoryFeed(store),
    sorting: join(folder, 'sorting'),
    folder: backups,
    cluster: 'test',
    keys: () => [],
    clock,
    log: (line) => void logged.push(line),
    leads: () => state.leads,
    revision: async () => state.revision,
  })
  const minute = async (): Promise<number> => {
    await until(() => clock.pending() > 0, { what: 'the next look' })
    clock.step(Infinity)
    await until(() => clock.pending() > 0, { what: 'the end of a look' })
    try {
      return readdirSync(backups).length
    } catch {
      return 0
    }
  }
  t.equal(await minute(), 0, 'another host leads')
  state.leads = true
  t.equal(await minute(), 1)
  t.equal(await minute(), 1, 'nothing changed')
  state.revision = 2
  t.equal(await minute(), 2)
  const [file = ''] = readdirSync(backups)
  t.equal((await readAll(readFileSync(join(backups, file), 'utf8'))).length, 4, 'a header and three hosts')
  for (let count = 3; count < 60; count += 1) {
    state.revision = count
    await minute()
  }
  const kept = readdirSync(backups)
  t.ok(kept.length >= 10 && kept.length <= 10 + 2 + 1, `${kept.length} are kept of 60 minutes`)
  t.same(logged, [])
  await taker.close()

  const days = Array.from({ length: 3000 }, (_, hour) => {
    const at = new Date(Date.UTC(2026, 0, 1) + hour * 1_800_000)
    return `record-${at.toISOString().replaceAll(/[-:]|\.\d+/g, '')}.jsonl`
  })
  const gone = new Set(surplus([...days, 'notes.txt', 'record-x.jsonl']))
  const left = days.filter((name) => !gone.has(name))
  t.ok(left.length <= 10 + 24 + 7 && left.length >= 30, `${left.length} are kept of 62 days`)
  t.ok(left.includes(days.at(-1) ?? ''), 'the newest among them')
  t.notOk(gone.has('notes.txt') || gone.has('record-x.jsonl'), 'files of others are let be')
})
