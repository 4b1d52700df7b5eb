/** Keys that seal: rotated over hosts that come, go and crash, with nothing sealed that nobody can open. */
import t from 'tap'
import { certificatesPrefix, createCertificates } from '../../actors/effects/perform/certificates.ts'
import { keyIdOf, keyNamed, oneKey, seal, unseal } from '../../actors/effects/perform/seal.ts'
import { configPrefix, createVault } from '../../actors/effects/perform/vault.ts'
import type { HostRecord } from '../../actors/main/host-record.ts'
import { readKeyFile, writeWhole } from '../../actors/main/members-file.ts'
import { keysOfFile } from '../../actors/main/seal-ring.ts'
import { openSteps } from '../../actors/main/seal-rotation.ts'
import { systemClock } from '../../src/system/clock.ts'
import { memoryFeed } from '../kit/memory-feed.ts'
import { fill, first, idsOf, names, openCluster, opensAll, sealedWith } from '../kit/sealing.ts'

const dayMs = 24 * 3_600_000

t.test('a rotation reseals everything with a key that every host has', async (t) => {
  const cluster = await openCluster(t)
  const made = await fill(cluster, 'h1', 20)
  const { keys: before } = await cluster.operator('h2').view()
  t.strictSame(before, [{ id: keyNamed(first).id, state: 'seals', resealedAt: null }])
  await cluster.operator('h2').rotate()
  await t.rejects(cluster.operator('h1').rotate(), { code: 'conflict', message: /under way already/ })
  t.strictSame(await idsOf(cluster, configPrefix), [keyNamed(first).id], 'nothing before hosts have it')
  t.equal(await cluster.run(cluster.leader('h1')), 'idle')
  await sealedWith(t, cluster)
  const view = await cluster.operator('h1').view()
  t.match(view, { done: 40, total: 40, unreadable: 0, waitingFor: [] })
  t.strictSame(
    view.keys.map(({ state }) => state),
    ['seals', 'kept'],
  )
  await opensAll(t, cluster, made)
  t.equal(readKeyFile(cluster.filesOf('h4').vaultKey), undefined, 'a router is given no key of config vars')
  for (const file of ['vaultKey', 'certificateKey'] as const)
    t.equal(readKeyFile(cluster.filesOf('h5')[file]), undefined, 'who opens nothing is given nothing')
  t.equal(readKeyFile(cluster.filesOf('h4').certificateKey)?.length, 64)
  const shard = keysOfFile(() => readKeyFile(cluster.filesOf('h4').certificateKey))
  t.ok(await createCertificates(cluster.store, shard).open(made[0]!.appId, 'p1'), 'as do its shards')
  const again = await fill(cluster, 'h2', 1)
  await opensAll(t, cluster, again)
  await sealedWith(t, cluster)
})

t.test('an older key goes a week later, when no backup needs it', async (t) => {
  const cluster = await openCluster(t)
  const made = await fill(cluster, 'h1', 2)
  await cluster.operator('h1').rotate()
  const leader = cluster.leader('h1')
  await cluster.run(leader)
  const kept = async () => (await cluster.operator('h1').view()).keys.length
  cluster.backups.set('h2', [keyNamed(first).id])
  cluster.state.nowMs += 7 * dayMs - 1
  await cluster.run(leader)
  t.equal(await kept(), 2, 'a week is not over')
  cluster.state.nowMs += dayMs
  await cluster.run(leader)
  t.equal(await kept(), 2, 'a backup of h2 needs it')
  cluster.backups.clear()
  cluster.away.add('h2')
  await cluster.run(leader)
  t.equal(await kept(), 2, 'what h2 has is not known')
  cluster.away.clear()
  // A write with the older key that was under way all the time.
  const name = `${configPrefix}late/c1`
  const [oldKey] = cluster
    .ringOf('h1')
    .vault.held()
    .filter(({ id }) => id === keyNamed(first).id)
  const late = createVault(cluster.store, oneKey(oldKey!.key))
  const lateId = await late.seal('late', { WHO: 'late' })
  await cluster.run(leader)
  t.equal(await kept(), 2, `${name} was sealed with it`)
  await sealedWith(t, cluster)
  cluster.state.nowMs += 8 * dayMs
  await cluster.run(leader)
  t.equal(await kept(), 1)
  await Promise.all(names.map(async (each) => cluster.look(each)))
  for (const each of ['h1', 'h2', 'h3'])
    t.equal(readKeyFile(cluster.filesOf(each).vaultKey)?.length, 32, `${each} has one key`)
  t.equal(readKeyFile(cluster.filesOf('h4').certificateKey)?.length, 32)
  await opensAll(t, cluster, made)
  t.strictSame(await createVault(cluster.store, cluster.ringOf('h3').vault).open('late', lateId), {
    WHO: 'late',
  })
})

t.test('a host that was away gets the key when it is back, and until then the older one stays', async (t) => {
  const cluster = await openCluster(t)
  const made = await fill(cluster, 'h2', 3)
  cluster.away.add('h2').add('h3').add('h4')
  await cluster.operator('h1').rotate()
  const leader = cluster.leader('h1')
  t.equal(await cluster.run(leader), 'waiting')
  t.match(await cluster.operator('h1').view(), { waitingFor: ['h2'], done: 6, total: 6 })
  await sealedWith(t, cluster)
  t.equal(await cluster.run(leader), 'waiting')
  // h2 was in the middle of sealing when it went, and is not started anew.
  const late = await fill(cluster, 'h2', 5)
  cluster.away.clear()
  cluster.boot('h3')
  await opensAll(t, cluster, [...made, ...late])
  t.equal(await cluster.run(leader), 'idle')
  await sealedWith(t, cluster)
  t.match(await cluster.operator('h1').view(), { waitingFor: [], done: 16, total: 16 })
})

t.test('a host that is there and does not answer is waited for before anything is sealed', async (t) => {
  const cluster = await openCluster(t)
  await fill(cluster, 'h1', 1)
  await cluster.operator('h1').rotate()
  const { look } = cluster
  const steps = openSteps({
    store: cluster.store,
    feed: memoryFeed(cluster.store),
    ring: cluster.ringOf('h1'),
    clock: systemClock,
    log: () => undefined,
    hosts: async () =>
      (await cluster.store.list('host/')).map(
        ({ value }) => JSON.parse(Buffer.from(value).toString()) as HostRecord,
      ),
    stateOf: () => 'suspect',
    look: (host) => (host === 'h4' ? Promise.reject(new Error('silent')) : look(host)),
    changed: () => undefined,
  })
  t.equal(await steps.step(), 'waiting')
  t.match(await cluster.record(), { waitingFor: ['h4'], sealing: { id: keyNamed(first).id } })
})

t.test('the key of a host that is lost before it gave it is made anew', async (t) => {
  const cluster = await openCluster(t)
  const made = await fill(cluster, 'h1', 2)
  await cluster.operator('h2').rotate()
  const lost = (await cluster.record()).next
  cluster.away.add('h2')
  await cluster.run(cluster.leader('h1'))
  t.not((await cluster.record()).sealing.id, lost?.id)
  cluster.away.clear()
  t.equal(await cluster.run(cluster.leader('h1')), 'idle')
  cluster.boot('h2')
  await cluster.look('h2')
  t.notOk(
    cluster
      .ringOf('h2')
      .vault.held()
      .some(({ id }) => id === lost?.id),
    'and is forgotten where it was made',
  )
  await sealedWith(t, cluster)
  await opensAll(t, cluster, made)
})

t.test(
  'whoever leads dies at any point, and everything can be opened then and is resealed later',
  async (t) => {
    const whole = await openCluster(t)
    await fill(whole, 'h1', 2)
    await whole.operator('h1').rotate()
    const leader = whole.leader('h1')
    await whole.run(leader)
    const doings = leader.doings()
    t.ok(doings > 20, `${doings} points`)
    for (let dieAt = 0; dieAt < doings; dieAt += 1)
      for (const successor of ['h1', 'h2'])
        await t.test(`after ${dieAt} doings, ${successor} goes on`, async (t) => {
          const cluster = await openCluster(t)
          const made = await fill(cluster, 'h1', 2)
          await cluster.operator('h1').rotate()
          await t.rejects(cluster.run(cluster.leader('h1', dieAt)), { name: 'Crashed' })
          if (successor === 'h2') cluster.away.add('h1')
          else cluster.boot('h1')
          await opensAll(t, cluster, made)
          const more = await fill(cluster, 'h2', 1)
          await cluster.run(cluster.leader(successor))
          await opensAll(t, cluster, [...made, ...more])
          cluster.away.clear()
          cluster.boot('h1')
          t.equal(await cluster.run(cluster.leader(successor)), 'idle')
          await opensAll(t, cluster, [...made, ...more])
          await sealedWith(t, cluster)
        })
  },
)

t.test('what a backup brings back is resealed, with keys that were kept or are added', async (t) => {
  const cluster = await openCluster(t)
  const made = await fill(cluster, 'h1', 2)
  const old = await cluster.store.list(configPrefix)
  const operator = cluster.operator('h1')
  await operator.rotate()
  const leader = cluster.leader('h1')
  await cluster.run(leader)
  for (const { key, value } of old)
    await cluster.store.update(key, value, (await cluster.store.get(key))?.revision ?? 0)
  await operator.needs(operator.names())
  t.match((await operator.view()).keys, [{ state: 'seals' }, { state: 'resealing' }])
  t.equal(await cluster.run(leader), 'idle')
  await sealedWith(t, cluster)

  // Of another cluster.
  const foreign = Buffer.alloc(32, 9)
  const there = createVault(cluster.store, oneKey(foreign))
  const configId = await there.seal('other', { WHO: 'other' })
  const here = createVault(cluster.store, cluster.ringOf('h2').vault)
  await t.rejects(here.open('other', configId), {
    code: 'key_missing',
    message: new RegExp(`sealed with key ${keyNamed(foreign).id}`),
  })
  await t.rejects(operator.add(Buffer.alloc(31)), { code: 'invalid_params', message: /32 bytes/ })
  await t.rejects(operator.add(Buffer.alloc(32 * 9)), { code: 'invalid_params', message: /At most 8/ })
  await operator.add(foreign)
  await operator.add(foreign)
  t.equal((await operator.view()).keys.length, 3)
  t.strictSame(await here.open('other', configId), { WHO: 'other' }, 'on every host')
  t.equal(await cluster.run(leader), 'idle')
  await sealedWith(t, cluster)
  await opensAll(t, cluster, made)
})

t.test('records that no key opens are counted, and hold up nothing but what is theirs', async (t) => {
  const cluster = await openCluster(t)
  const made = await fill(cluster, 'h1', 1)
  await createVault(cluster.store, oneKey(Buffer.alloc(32, 9))).seal('lost', { WHO: 'lost' })
  await cluster.operator('h1').rotate()
  await cluster.run(cluster.leader('h1'))
  t.match(await cluster.operator('h1').view(), {
    unreadable: 1,
    keys: [{ state: 'seals' }, { state: 'kept' }],
  })
  await opensAll(t, cluster, made)
})

t.test('what was sealed before keys had names opens and is resealed', async (t) => {
  const cluster = await openCluster(t)
  const [made] = await fill(cluster, 'h1', 1)
  for (const prefix of [configPrefix, certificatesPrefix])
    for (const { key, value, revision } of await cluster.store.list(prefix))
      await cluster.store.update(key, value.subarray(12), revision)
  t.strictSame(await idsOf(cluster, configPrefix), [undefined])
  await opensAll(t, cluster, [made!])
  await cluster.operator('h1').rotate()
  await cluster.run(cluster.leader('h1'))
  await sealedWith(t, cluster)
  await opensAll(t, cluster, [made!])
})

t.test('a host that lacks the key which seals seals nothing', async (t) => {
  const cluster = await openCluster(t)
  await cluster.operator('h1').rotate()
  await cluster.run(cluster.leader('h1'))
  writeWhole(cluster.filesOf('h2').vaultKey, first)
  const ring = cluster.boot('h2')
  cluster.away.add('h1')
  await ring.refresh()
  await t.rejects(createVault(cluster.store, ring.vault).seal('a', { A: '1' }), { code: 'key_missing' })
  cluster.away.clear()
  await ring.refresh()
  t.ok(await createVault(cluster.store, ring.vault).seal('a', { A: '1' }))
})

t.test('a sealed value names its key and opens with no other, nor under another name', async (t) => {
  const keys = oneKey(first)
  const value = seal(keyNamed(first), 'config/a/b', 'text')
  t.equal(keyIdOf(value), keyNamed(first).id)
  t.equal(await unseal(keys, 'config/a/b', value), 'text')
  await t.rejects(unseal(keys, 'config/a/c', value))
  await t.rejects(unseal(oneKey(Buffer.alloc(32, 2)), 'config/a/b', value), { code: 'key_missing' })
  t.throws(() => oneKey(Buffer.alloc(31)), { message: /32 bytes/ })
  t.not(keyNamed(first).id, keyNamed(Buffer.alloc(32, 2)).id)
})
