/** The operator's side of the cluster: hosts, and what the doctor finds. */
import { join } from 'node:path'
import t from 'tap'
import { writeBackup } from '../../actors/main/backup.ts'
import { checkOrphans } from '../../actors/main/doctor-orphans.ts'
import { followHosts } from '../../actors/main/follow-hosts.ts'
import { decodeHost, hostKey, markRemoved } from '../../actors/main/host-record.ts'
import { needSamePort } from '../../actors/main/forward.ts'
import { factsPath, hostFacts, readFacts } from '../../actors/main/host-facts.ts'
import type { Finding } from '../../actors/api/cluster.ts'
import { formed, type Formed } from '../../actors/formation/record.ts'
import { freshSlot } from '../../actors/formation/rollout.ts'
import { encode } from '../../src/runtime/codec.ts'
import { systemClock } from '../../src/system/clock.ts'
import { memoryFeed } from '../kit/memory-feed.ts'
import { dynosOn, factsOf, memberOf, openOperator } from '../kit/operator.ts'
import { until } from '../kit/until.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

t.test('hosts are drained and undrained on record, and each host is told of its own', async (t) => {
  const { operator, store, said, deps } = await openOperator(t)
  const listeners: ((body: Uint8Array, from: string) => void)[] = []
  const heard: (boolean | undefined)[] = []
  let changes = 0
  let lost = 0
  const follower = followHosts({
    self: 'h2',
    store,
    clock: systemClock,
    log: deps.log,
    transport: {
      subscribe(_topic, listener) {
        listeners.push(listener)
        return { close: () => void listeners.pop() }
      },
    },
    nkey: 'Uh2',
    own: (record) => void heard.push(record.draining),
    removed: () => void heard.push(undefined),
    lost: () => Promise.resolve(void (lost += 1)),
    changed: () => void (changes += 1),
  })
  t.teardown(() => follower.close())
  await until(() => heard.length === 1, { what: 'the first look' })
  await operator.drain('h2', true)
  t.same(said.changed, ['h2'])
  for (const listener of listeners) listener(bytes('h2'), 'h1')
  await until(() => heard.length === 2, { what: 'the second look' })
  t.same(heard, [false, true])
  await operator.drain('h2', true)
  await operator.drain('h2', false)
  const entry = await store.get(hostKey('h2'))
  t.match(decodeHost(entry?.value ?? bytes('{}')), { draining: false, nkey: 'Uh2' })
  for (const listener of listeners) listener(bytes('h3'), 'h1')
  t.equal(changes, 2)
  t.equal(heard.length, 2, 'not of others')
  await t.rejects(operator.drain('h9', true), { code: 'not_found' })
  await store.remove(hostKey('h2'))
  for (const listener of listeners) listener(bytes('h2'), 'h1')
  await until(() => lost === 1, { what: 'a record that is gone, with nobody who said so' })
  await markRemoved(store, 'h2', 'Uh2', 1)
  for (const listener of listeners) listener(bytes('h2'), 'h1')
  await until(() => heard.length === 3, { what: 'the third look' })
  t.equal(heard[2], undefined, 'it was taken out')
})

t.test('host is removed when nothing is lost with it, else refused with what to do', async (t) => {
  const { operator, store, said } = await openOperator(t)
  said.fleet = { ...said.fleet, hosts: [dynosOn('h2', 2), dynosOn('h3', 0)] }
  const view = await operator.view()
  t.same(
    view.hosts.map(({ name, leads, usage }) => [name, leads, usage?.dynos]),
    [
      ['h1', true, undefined],
      ['h2', false, 2],
      ['h3', false, 0],
    ],
  )
  const state = (name: string, to: Parameters<typeof memberOf>[1]): void => {
    const members = said.view.members.map((member) => (member.name === name ? memberOf(name, to) : member))
    said.view = { ...said.view, members }
  }
  await t.rejects(operator.remove('h9', true), { code: 'not_found' })
  await t.rejects(operator.remove('h1', true), { code: 'conflict', message: /answers this/ })
  const drainFirst = {
    code: 'conflict',
    message: 'h2 is up with 2 dynos: run hosts:drain h2 --wait, or stop it',
  }
  await t.rejects(operator.remove('h2', false), { code: 'conflict', message: new RegExp(drainFirst.message) })
  state('h2', 'draining')
  await t.rejects(operator.remove('h2', false), { message: /wait until it is empty/ })
  state('h2', 'suspect')
  await t.rejects(operator.remove('h2', false), { message: /back or dead/ })
  t.same(said.removed, [])
  t.same(await operator.remove('h2', true), { warning: null })
  state('h3', 'draining')
  said.filled = false
  const { warning } = await operator.remove('h3', false)
  t.match(warning, /nobody has taken the place of the bus server on h3/, 'two are left')
  t.same(said.removed, ['h2', 'h3'])
  t.same(said.changed, ['h2', 'h3'])
  t.equal(await store.get(hostKey('h3')), undefined)
})

const slotOf = (run: { id: string; host: string }): Formed['slots'][number] => ({
  ...freshSlot('web.1', 1),
  type: 'web',
  run: {
    id: run.id,
    host: run.host,
    epoch: 1,
    phase: 'up',
    at: 1,
    since: 1,
    address: null,
    port: null,
    outer: null,
    halted: false,
  },
})

t.test('doctor finds all well in a cluster that is', async (t) => {
  const { operator, said, store } = await openOperator(t)
  const state = { ...formed('shop'), slots: [slotOf({ id: 'run-1', host: 'h2' })] }
  await store.create('actor/formation/a1', encode({ v: 1, state, reminders: [], writes: [] }))
  const dyno = { runId: 'run-1', appId: 'a1', appName: 'shop', dyno: 'web.1' }
  said.facts.set('h2', { ...factsOf('h2'), dynos: [dyno] })
  const findings = await operator.doctor()
  t.same(
    findings.filter(({ level }) => level !== 'ok'),
    [],
  )
  const names = findings.map(({ what }) => what)
  const all = ['bus', 'hosts', 'brake', 'versions', 'answers', 'clocks', 'disk', 'backups', 'room', 'orphans']
  for (const name of [...all, 'runs', 'members']) t.ok(names.includes(name), `it looked at ${name}`)
})

t.test('doctor tells of a bus server that was removed until another is in its place', async (t) => {
  const { operator, said } = await openOperator(t)
  const found = async () => (await operator.doctor()).find(({ what }) => what === 'servers')
  t.equal(await found(), undefined)
  said.emptyPlaces = ['h3']
  t.match(await found(), { level: 'warn', detail: /on h3: no other control host/, todo: /hosts:invite/ })
})

t.test('doctor says what is wrong and what to do', async (t) => {
  const { operator, said, store } = await openOperator(t)
  const found = async (what: string): Promise<Finding | undefined> =>
    (await operator.doctor()).find((finding) => finding.what === what)
  const expect = async (what: string, level: string, detail: RegExp): Promise<void> => {
    const finding = await found(what)
    t.match(finding, { level, detail }, `${what}: ${finding?.level} ${finding?.detail}`)
    if (level !== 'ok') t.ok(finding?.todo, 'with what to do')
  }
  said.canaryWrite = async () => {
    throw new Error('no answer in 5000 ms')
  }
  await expect('bus', 'fail', /no write is acknowledged: no answer/)
  said.canaryWrite = async () => 1500
  await expect('bus', 'warn', /acknowledged in 1500 ms/)

  said.aheadMs.set('h2', -20_000)
  await expect('clocks', 'fail', /h2 is -[12]\d{4} ms from h1/)
  said.aheadMs.set('h2', 7_000)
  await expect('clocks', 'warn', /h2 is [67]\d{3} ms/)

  const gb = 1024 ** 3
  const has = (freeBytes: number): void => {
    said.facts.set('h2', { ...factsOf('h2'), disks: [{ what: 'home', freeBytes, totalBytes: 100 * gb }] })
  }
  has(3 * gb)
  await expect('disk', 'warn', /h2 has 3.0 GB free \(3 %\)/)
  has(gb / 4)
  await expect('disk', 'fail', /h2 has 0.3 GB/)

  await expect('isolation', 'ok', /dynos are bounded/)
  said.facts.set('h2', { ...factsOf('h2'), gaps: ['no loop device'] })
  await expect('isolation', 'warn', /h2: no loop device/)

  const at = (apiPort: number, routerPort: number) => ({ apiPort, routerPort })
  t.equal(await found('ports'), undefined, 'hosts of before say nothing of ports')
  for (const name of ['h1', 'h2', 'h3']) said.facts.set(name, { ...factsOf(name), ...at(5000, 8080) })
  await expect('ports', 'ok', /5000 and 8080 everywhere/)
  said.facts.set('h2', { ...factsOf('h2'), ...at(5001, 8080) })
  await expect('ports', 'warn', /5000 and 8080 on h1, h3; 5001 and 8080 on h2/)
  said.facts.set('h2', { ...factsOf('h2'), ...at(5000, 80) })
  await expect('ports', 'warn', /5000 and 80 on h2/)

  said.facts.set('h1', { ...factsOf('h1'), stacks: ['heroku-24', 'host'] })
  said.facts.set('h2', { ...factsOf('h2'), stacks: ['host', 'heroku-24'] })
  await expect('stacks', 'ok', /^heroku-24, host on every host/)
  said.facts.set('h2', { ...factsOf('h2'), stacks: ['host'] })
  await expect('stacks', 'warn', /^h2 has no heroku-24, which others have$/)
  said.facts.set('h1', factsOf('h1'))

  const stranger = { runId: 'run-9', appId: 'a9', appName: 'ghost', dyno: 'web.1' }
  said.facts.set('h2', { ...factsOf('h2'), dynos: [stranger] })
  await expect('orphans', 'warn', /1 dynos run that no formation knows: ghost web.1 on h2/)
  said.facts.delete('h2')
  await expect('answers', 'warn', /h2 \(connect ECONNREFUSED\)/)

  const state = { ...formed('shop'), slots: [slotOf({ id: 'run-1', host: 'h7' })] }
  await store.create('actor/formation/a1', encode({ v: 1, state, reminders: [], writes: [] }))
  await expect('runs', 'warn', /1 are on hosts that are gone: shop web.1 on h7/)
  await store.create('actor/formation/a2', encode({ v: 1, state: { other: 1 }, reminders: [], writes: [] }))
  await expect('records', 'warn', /actor\/formation\/a2/)

  const members = [memberOf('h1'), memberOf('h2', 'dead'), { ...memberOf('h4', 'suspect'), version: '0.2.0' }]
  said.view = { ...said.view, braked: true, members }
  await expect('hosts', 'warn', /1 up; suspect: h4; dead: h2/)
  await expect('brake', 'fail', /on: most hosts vanished/)
  await expect('versions', 'warn', /0.1.0 on h1; 0.2.0 on h4/)
  await expect('members', 'warn', /never seen lately: h3/)
  said.view = { ...said.view, members: [memberOf('h1'), { ...memberOf('h4'), protocol: 2 }] }
  await expect('versions', 'fail', /1 on h1; 2 on h4/)
  said.view = { ...said.view, number: 0, members: [] }
  await expect('hosts', 'fail', /no view/)

  const waiting = [{ appId: 'a1', name: 'shop web.2', reason: 'No host has 1024 MB to spare', since: 1 }]
  said.fleet = { ...said.fleet, waiting }
  await expect('room', 'warn', /1 dynos wait for a place, shop web.2 among them: No host has 1024 MB/)
  said.facts.set('h1', { ...factsOf('h1'), newestBackupAt: null })
  said.facts.set('h3', { ...factsOf('h3'), newestBackupAt: null })
  await expect('backups', 'warn', /no host has one/)
})

t.test('host says of itself what its machine is', async (t) => {
  const { folder, store } = await openOperator(t)
  const run = { id: 'run-1', appId: 'a1', appName: 'shop', name: 'web.1' }
  const container = { id: 'run-1', pid: 1, address: '', startedAtMs: 1, attached: false }
  const dyno = { kind: 'dyno', run: JSON.stringify(run) }
  const list = async () => [
    { ...container, labels: dyno, state: 'running' as const },
    { ...container, labels: dyno, state: 'exited' as const },
    { ...container, labels: { kind: 'build' }, state: 'running' as const },
  ]
  const backups = join(folder, 'backups')
  const driver = { list, gaps: async () => ['the moon is not bounded'] }
  const settings = { home: folder, port: 5000, routerPort: 8080 }
  const deps = { name: 'h1', version: '1', settings, backups, driver, now: () => Date.now() }
  const facts = await hostFacts(deps)
  t.match(facts, { name: 'h1', newestBackupAt: null, dynos: [{ runId: 'run-1', dyno: 'web.1' }] })
  t.equal(facts.dynos.length, 1)
  t.same(facts.gaps, ['the moon is not bounded'])
  t.match(facts, { apiPort: 5000, routerPort: 8080 })
  t.notOk('stacks' in facts, 'no dyno is on any')
  t.same((await hostFacts({ ...deps, stacks: () => ['host'] })).stacks, ['host'])
  const clock = { ...systemClock, now: () => Date.UTC(2026, 10, 23, 1, 2, 3) }
  const feed = memoryFeed(store)
  await writeBackup({
    feed,
    sorting: join(folder, 'sorting'),
    folder: backups,
    cluster: 'test',
    keys: () => [],
    clock,
  })
  t.equal((await hostFacts(deps)).newestBackupAt, clock.now())
  t.same(readFacts(JSON.parse(JSON.stringify(facts))), facts)
  const { gaps: _, ...older } = facts
  t.same(readFacts(older), older, 'a host of before says nothing of gaps')
  t.throws(() => readFacts({ name: 'h1' }), /not understood/)
})

t.test('a host that passes calls on has the port of those that answer them', async (t) => {
  const ports = new Map<string, number | undefined>([
    ['h1', 5000],
    ['h2', undefined],
    ['h3', 5000],
  ])
  const call = async (host: string, path: string): Promise<unknown> => {
    if (path !== factsPath || !ports.has(host)) throw new Error('nobody is there')
    return { ...factsOf(host), apiPort: ports.get(host) }
  }
  const start = (port: number, controls: readonly string[]): Promise<void> =>
    needSamePort(port, controls, call)
  await start(5000, ['h1', 'h2', 'h3'])
  await t.rejects(start(5001, ['h1', 'h2', 'h3']), {
    code: 'ports_differ',
    message:
      'MANIFOLD_PORT=5001 cannot be used: calls are passed on to h1, h3, where it is 5000; ' +
      'set MANIFOLD_PORT=5000 here too',
  })
  ports.set('h3', 5001)
  await start(5001, ['h1', 'h3'])
  // Its routers and dynos need none of those that answer calls.
  await start(5001, ['h2', 'h9'])
  await start(5001, [])
})

t.test('the doctor counts what it reads twice once, as it is last', async (t) => {
  const formationOn = (host: string): Uint8Array => {
    const state = { ...formed('shop'), slots: [slotOf({ id: 'run-1', host })] }
    return encode({ v: 1, state, reminders: [], writes: [] })
  }
  const check = async (values: readonly (Uint8Array | undefined)[]): Promise<readonly Finding[]> => {
    const view = { number: 1, leader: 'h1', braked: false, members: [memberOf('h1')] }
    const feed = {
      async *since() {
        yield* values.map((value, at) => ({ key: 'actor/formation/a1', revision: at + 1, value }))
      },
    }
    const dyno = { runId: 'run-1', appId: 'a1', appName: 'shop', dyno: 'web.1' }
    const facts = { ...factsOf('h1'), dynos: [dyno] }
    const told = new Map([['h1', { facts, offsetMs: 0, errorMs: 0 }]])
    return checkOrphans({ feed, facts: async () => facts, view, recorded: async () => ['h1'] }, told)
  }
  t.match(await check([formationOn('h7'), formationOn('h7')]), [{}, { what: 'runs', detail: /^1 are on/ }])
  t.match(await check([formationOn('h7'), formationOn('h1')]), [{ level: 'ok' }, { level: 'ok' }])
  t.match(await check([formationOn('h7'), undefined]), [{ level: 'ok' }, { level: 'ok' }])
  t.equal((await check([bytes('torn'), formationOn('h1')])).length, 3, 'what could not be read can be now')
})
