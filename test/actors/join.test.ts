/** Machines becoming hosts of one cluster: both sides, over real TLS on loopback, the record in memory. */
import { createPublicKey, sign, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { foundCluster, openCluster, registerHost } from '../../actors/main/cluster.ts'
import { changeHost, fitName, hostKey, listHosts } from '../../actors/main/host-record.ts'
import { createInvite } from '../../actors/main/invite.ts'
import { acceptJoin } from '../../actors/main/join.ts'
import { joinCluster, type HostWish } from '../../actors/main/joiner.ts'
import { keyFiles, loadCluster, type Cluster } from '../../actors/main/members-file.ts'
import { acceptRenewal, renewAtStart, renewCluster, renewPath } from '../../actors/main/renew.ts'
import { keySum, makeKey, publicHalf } from '../../src/certs/certificate.ts'
import { keepCertificates } from '../../src/certs/keep.ts'
import { createSeed, isPublicNkey, publicOfSeed } from '../../src/nats/nkeys.ts'
import { StoreUnavailable } from '../../src/ports/store.ts'
import { openPeers } from '../../src/peers/client.ts'
import { PeerRefusal } from '../../src/peers/contract.ts'
import { askToJoin } from '../../src/peers/join-call.ts'
import { openPeerServer } from '../../src/peers/server.ts'
import { systemClock } from '../../src/system/clock.ts'
import { systemRandom as random } from '../../src/system/random.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { until } from '../kit/until.ts'

const dayMs = 24 * 3_600_000
const bus = { urls: ['tls://127.0.0.1:5101'], servers: [{ name: 'node', address: '127.0.0.1', port: 5100 }] }

const home = (t: Test): string => {
  const path = mkdtempSync(join(tmpdir(), 'manifold-join-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const wishOf = (more: Partial<HostWish> = {}): HostWish => ({
  name: 'node',
  address: '127.0.0.1',
  port: 5200,
  roles: ['control', 'dyno', 'router', 'logplex'],
  labels: { zone: 'a' },
  ...more,
})

/** A cluster's first host, listening for joiners. */
const first = async (t: Test) => {
  const folder = home(t)
  const store = memoryStore()
  const clock = { nowMs: Date.now() }
  const cluster = await foundCluster(folder, wishOf({ port: 5100 }), { nowMs: clock.nowMs, random })
  await registerHost(store, cluster)
  const lost = { answers: 0, record: 0 }
  const server = await openPeerServer({
    listen: { host: '127.0.0.1', port: 0 },
    certificate: cluster.certificate,
    key: cluster.key,
    authority: cluster.authorityPem,
    handlers: {
      admits: () => true,
      client: () => false,
      api: () => false,
      join: async (token, body) => {
        if (lost.record > 0) {
          lost.record -= 1
          const away = (): Promise<never> => Promise.reject(new StoreUnavailable('no leader', 'no'))
          return acceptJoin({ ...store, get: away }, cluster, { token, body, nowMs: clock.nowMs, bus })
        }
        const { grant } = await acceptJoin(store, cluster, { token, body, nowMs: clock.nowMs, bus })
        if (lost.answers > 0) {
          lost.answers -= 1
          throw new PeerRefusal('cut_off', 'as if the power had gone')
        }
        return grant
      },
      slug: () => undefined,
      attach: () => Promise.reject(new PeerRefusal('not_found', 'nothing')),
      call: async (path, body, peer) => {
        if (path !== renewPath) throw new PeerRefusal('not_found', 'nothing')
        return (await acceptRenewal(store, cluster, { peer, body, nowMs: clock.nowMs, bus })).renewed
      },
      failed: (path, error) => t.fail(`${path} failed`, { error }),
    },
  })
  t.teardown(() => server.close(0))
  const invite = (authority = cluster.authority): Promise<string> =>
    createInvite(store, { address: '127.0.0.1', port: server.port, authority, random, nowMs: clock.nowMs })
  return { folder, store, clock, cluster, port: server.port, invite, lost }
}

const refusal = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
  } catch (error) {
    const { code, message } = error as { readonly code: string; readonly message: string }
    if (message.includes('\n')) throw new Error('it takes one line to say why', { cause: error })
    return code
  }
  return 'no refusal'
}

t.test('a machine joins by URL and holds what its roles need', async (t) => {
  const { store, cluster, invite } = await first(t)
  const url = await invite()
  t.match(url, /^https:\/\/127\.0\.0\.1:\d+\/join\/[A-Za-z0-9]{40}\?ca=[0-9a-f]{64}$/)
  const folder = home(t)
  const control = await joinCluster(url, wishOf({ name: 'Rack 1.example', address: undefined }), folder)
  t.equal(control.name, 'rack-1-example')
  t.equal(control.cluster, cluster.cluster)
  t.equal(control.address, '127.0.0.1', 'the address from which it reached the cluster')
  t.same(control.bus, bus)
  t.same(control.secrets, cluster.secrets)
  t.equal(publicOfSeed(control.seed), control.nkey)
  const certificate = new X509Certificate(control.certificate)
  t.equal(certificate.subject, 'CN=rack-1-example')
  t.ok(certificate.checkIP('127.0.0.1'))
  t.ok(certificate.checkHost('rack-1-example'))
  t.ok(certificate.verify(new X509Certificate(cluster.authorityPem).publicKey))
  for (const file of ['host.key', 'host.nkey', 'ca.key', 'config.key', 'owner.token', 'logins.json'])
    t.equal(statSync(join(folder, 'keys', file)).mode & 0o077, 0, `${file} is its owner's alone`)
  t.notOk(existsSync(keyFiles(folder).joining))
  // It serves its users with the cluster's authority.
  const face = await keepCertificates(join(folder, 'keys'), ['localhost'], Date.now())
  t.equal(face.authority, cluster.authorityPem)

  const worker = await joinCluster(await invite(), wishOf({ name: 'worker', roles: ['dyno'] }), home(t))
  t.same(Object.keys(worker.secrets), ['vaultKey', 'certificateKey'])
  const edgeHome = home(t)
  const edge = await joinCluster(await invite(), wishOf({ name: 'edge', roles: ['router'] }), edgeHome)
  t.same(edge.secrets, { certificateKey: worker.secrets.certificateKey }, 'certificates and no config vars')
  // It has no API, and must not make an authority of its own in the cluster's place.
  await t.rejects(keepCertificates(join(edgeHome, 'keys'), ['x'], Date.now()), /elsewhere/)
  const hosts = await listHosts(store)
  t.same(
    hosts.map(({ name }) => name),
    ['edge', 'node', 'rack-1-example', 'worker'],
  )
  t.match(hosts[3], { roles: ['dyno'], granted: ['dyno'], nkey: worker.nkey, draining: false, port: 5200 })
  t.equal(hosts[3]?.tlsKey, keySum(createPublicKey(worker.key)))
})

t.test('hosts of one name are told apart, and no name can be a part of another host', async (t) => {
  const { invite } = await first(t)
  const names = []
  for (let count = 0; count < 3; count += 1)
    names.push((await joinCluster(await invite(), wishOf(), home(t))).name)
  t.same(names, ['node-2', 'node-3', 'node-4'])
  t.equal(fitName('node-router-1'), 'node')
  t.equal(fitName('Ünïcode__box..'), 'n-code-box')
  t.equal(fitName('---'), 'host')
  t.equal(fitName('x'.repeat(99)).length, 40)
  t.equal(fitName(`${'x'.repeat(39)}-y`), 'x'.repeat(39))
})

t.test('a token is good once, for a day, and for this cluster alone', async (t) => {
  const { store, clock, invite, cluster } = await first(t)
  const url = await invite()
  await joinCluster(url, wishOf(), home(t))
  t.equal(await refusal(joinCluster(url, wishOf(), home(t))), 'invite_used')
  const unknown = url.replace(/join\/\w+/, `join/${'x'.repeat(40)}`)
  t.equal(await refusal(joinCluster(unknown, wishOf(), home(t))), 'invite_unknown')
  const late = await invite()
  clock.nowMs += dayMs + 1
  t.equal(await refusal(joinCluster(late, wishOf(), home(t))), 'invite_expired')
  t.equal(await refusal(joinCluster(await invite('0'.repeat(64)), wishOf(), home(t))), 'peer_untrusted')
  const nobody = `https://127.0.0.1:1/join/${'x'.repeat(40)}?ca=${cluster.authority}`
  t.equal(await refusal(joinCluster(nobody, wishOf(), home(t))), 'peer_unreachable')
  t.equal(await refusal(joinCluster('https://127.0.0.1/join', wishOf(), home(t))), 'join_url')
  // Old ones are swept, and those that nobody uses do not pile up.
  for (let count = 0; count < 40; count += 1) await invite()
  t.equal((await store.list('invite/')).length, 32)
  t.notOk((await store.list('invite/')).some(({ key }) => late.includes(key.slice('invite/'.length))))
})

t.test('of two machines with one token exactly one joins', async (t) => {
  const { store, invite } = await first(t)
  for (let round = 0; round < 5; round += 1) {
    const url = await invite()
    const outcomes = await Promise.all(
      [1, 2, 3].map((count) =>
        refusal(joinCluster(url, wishOf({ name: `racer-${round}-${count}` }), home(t))),
      ),
    )
    t.same(outcomes.toSorted(), ['invite_used', 'invite_used', 'no refusal'])
  }
  t.equal((await listHosts(store)).length, 6)
})

t.test('a joiner whose answer got lost asks again and is the same host', async (t) => {
  const { store, invite, lost } = await first(t)
  const url = await invite()
  const folder = home(t)
  lost.answers = 1
  t.equal(await refusal(joinCluster(url, wishOf(), folder)), 'cut_off')
  t.equal(loadCluster(folder), undefined)
  t.equal(
    await refusal(openCluster(folder, undefined, wishOf(), { nowMs: Date.now(), random })),
    'cluster_file',
  )
  t.equal(await refusal(joinCluster(url, wishOf(), home(t))), 'invite_used', 'it is not for others')
  t.equal((await joinCluster(url, wishOf(), folder)).name, 'node-2')
  t.equal((await listHosts(store)).length, 2)
})

t.test('a joiner waits for a record that is away', async (t) => {
  const { invite, lost } = await first(t)
  lost.record = 2
  t.equal((await joinCluster(await invite(), wishOf(), home(t))).name, 'node-2')
  t.equal(lost.record, 0)
})

t.test('a host starts again without the URL, and refuses that of another cluster', async (t) => {
  const one = await first(t)
  const other = await first(t)
  const folder = home(t)
  const options = { nowMs: Date.now(), random }
  const url = await one.invite()
  const joined = await openCluster(folder, url, wishOf(), options)
  t.equal(joined.name, 'node-2')
  t.same(await openCluster(folder, undefined, wishOf(), options), joined)
  t.same(await openCluster(folder, url, wishOf(), options), joined, 'a used URL of the same cluster is fine')
  t.equal(await refusal(openCluster(folder, await other.invite(), wishOf(), options)), 'other_cluster')
  t.equal(await refusal(joinCluster(await other.invite(), wishOf(), one.folder)), 'other_cluster')
  // A home of one host that never heard of clusters is not given up for one.
  const old = home(t)
  await keepCertificates(join(old, 'keys'), ['localhost'], Date.now())
  t.equal(await refusal(joinCluster(url, wishOf(), old)), 'home_in_use')
  // What it is may change, who it is may not.
  const moved = await openCluster(
    folder,
    undefined,
    wishOf({ port: 5300, labels: { zone: 'b' }, roles: ['dyno'] }),
    options,
  )
  t.match(moved, { name: 'node-2', port: 5300, labels: { zone: 'b' }, roles: ['dyno'], nkey: joined.nkey })
  rmSync(keyFiles(folder).key)
  t.equal(await refusal(openCluster(folder, undefined, wishOf(), options)), 'cluster_file')
})

t.test('the first host begins a cluster with what its home holds already', async (t) => {
  const folder = home(t)
  const options = { nowMs: Date.now(), random }
  const { authority } = await keepCertificates(join(folder, 'keys'), ['localhost'], Date.now())
  writeFileSync(join(folder, 'keys/config.key'), Buffer.alloc(32, 7))
  writeFileSync(join(folder, 'keys/owner.token'), 'HRKU-kept\n')
  const login = (user: string) => ({ user, password: `${user}-kept` })
  const kept = { platform: login('platform'), operator: login('operator'), system: login('system') }
  mkdirSync(join(folder, 'nats'))
  writeFileSync(join(folder, 'nats/logins.json'), JSON.stringify(kept))
  const cluster = await openCluster(folder, undefined, wishOf({ address: undefined }), options)
  t.equal(cluster.authorityPem, authority)
  t.same(Buffer.from(cluster.secrets.vaultKey ?? []), Buffer.alloc(32, 7))
  t.equal(cluster.secrets.ownerToken, 'HRKU-kept')
  t.match(cluster.secrets.logins, kept)
  t.ok(cluster.secrets.logins?.routes.password)
  t.same(await openCluster(folder, undefined, wishOf({ address: undefined }), options), cluster)
  // A control host that moved signs for itself.
  const moved = await openCluster(folder, undefined, wishOf({ address: '127.0.0.9' }), options)
  t.ok(new X509Certificate(moved.certificate).checkIP('127.0.0.9'))
  const store = memoryStore()
  t.match(await registerHost(store, moved), { name: 'node', address: '127.0.0.9', granted: { length: 4 } })
  t.match(await registerHost(store, { ...moved, labels: { zone: 'z' } }), { labels: { zone: 'z' } })
  await changeHost(store, 'node', (record) => ({ ...record, nkey: 'another' }))
  t.equal(await refusal(registerHost(store, moved)), 'cluster_file')
  t.equal(await refusal(foundCluster(home(t), wishOf({ roles: ['dyno'] }), options)), 'cluster_file')
})

t.test(
  'a host without the authority tells where it is now, and is no more than it was let in for',
  async (t) => {
    const { store, cluster, port, invite } = await first(t)
    const folder = home(t)
    const options = { nowMs: Date.now(), random }
    await openCluster(folder, await invite(), wishOf({ name: 'worker', roles: ['dyno', 'router'] }), options)
    const wish = wishOf({ address: '127.0.0.7', port: 5400, roles: ['dyno'] })
    const worker = await openCluster(folder, undefined, wish, options)
    const callAs = (self: Cluster) => {
      const peers = openPeers({
        authority: self.authorityPem,
        certificate: self.certificate,
        key: self.key,
        addressOf: (name) => (name === 'node' ? { address: '127.0.0.1', port } : undefined),
      })
      t.teardown(() => peers.close())
      return peers.call
    }
    const call = callAs(worker)
    const renewed = await renewCluster(folder, worker, ['gone', 'node'], call)
    t.ok(new X509Certificate(renewed.certificate).checkIP('127.0.0.7'))
    t.match((await listHosts(store))[1], { address: '127.0.0.7', port: 5400, roles: ['dyno'] })
    const asControl = { ...worker, roles: ['control'] }
    t.equal(await refusal(renewCluster(folder, asControl, ['node'], call)), 'peer_refused')
    t.equal(await refusal(openCluster(folder, undefined, wishOf(), options)), 'cluster_file')
    const otherKey = { ...worker, key: makeKey() }
    t.equal(await refusal(renewCluster(folder, otherKey, ['node'], call)), 'peer_refused')
    t.equal(await refusal(renewCluster(folder, worker, [], call)), 'peer_unknown')
    await store.remove(hostKey('worker'))
    t.equal(await refusal(renewCluster(folder, worker, ['node'], call)), 'peer_refused', 'removed is removed')
    t.equal(cluster.name, 'node')
  },
)

t.test('a router that joined before there was a key of certificates is sent it', async (t) => {
  const { cluster, port, invite } = await first(t)
  const folder = home(t)
  const wish = wishOf({ name: 'edge', roles: ['router'] })
  const edge = await openCluster(folder, await invite(), wish, { nowMs: Date.now(), random })
  rmSync(keyFiles(folder).certificateKey)
  const keyless = loadCluster(folder)
  t.equal(keyless?.secrets.certificateKey, undefined)
  const address = { address: '127.0.0.1', port }
  const known: string[] = []
  const own = { authority: edge.authorityPem, certificate: edge.certificate, key: edge.key }
  const peers = openPeers({ ...own, addressOf: (name) => (name === 'node' ? address : undefined) })
  t.teardown(() => peers.close())
  const said: string[] = []
  const log = ({ at, reason }: Record<string, unknown>): void =>
    void said.push(`${String(at)} ${String(reason)}`)
  const waits: { readonly ms: number; readonly run: () => void }[] = []
  const after = (ms: number, run: () => void) => {
    waits.push({ ms, run })
    return { cancel: () => undefined }
  }
  const clock = { ...systemClock, after }
  const call = peers.call
  renewAtStart({ home: folder, cluster: edge, controls: () => known, call, clock, log })
  await until(() => waits.length === 1, { what: 'a try without anybody to ask' })
  known.push('node')
  waits[0]?.run()
  await until(() => said.includes('renewed undefined'), { what: 'an answer' })
  t.same(said[0], 'not-renewed no control host is known')
  t.same(loadCluster(folder)?.secrets.certificateKey, cluster.secrets.certificateKey)
  t.equal(loadCluster(folder)?.secrets.vaultKey, undefined, 'and nothing that its roles do not need')
  t.equal(waits.length, 1)
})

t.test('a joiner proves that the keys it shows are its own, and what it sends is looked at', async (t) => {
  const { cluster, port, invite } = await first(t)
  const token = /join\/(\w+)/.exec(await invite())?.[1] ?? ''
  const key = makeKey()
  const good = {
    protocol: 1,
    name: 'x',
    address: '127.0.0.1',
    port: 1,
    roles: ['dyno'],
    labels: {},
    nkey: publicOfSeed(createSeed()),
    publicKey: publicHalf(key),
    proof: sign('sha256', Buffer.from(token), key).toString('base64'),
  }
  const ask = (body: unknown): Promise<string | undefined> =>
    askToJoin('127.0.0.1', port, `/join/${token}`, cluster.authorityPem, body).then(
      () => 'granted',
      (error: { readonly reason?: string }) => error.reason,
    )
  const notP256 = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'
  for (const bad of [
    null,
    [],
    { ...good, proof: sign('sha256', Buffer.from(token), makeKey()).toString('base64') },
    { ...good, publicKey: notP256 },
    { ...good, publicKey: key },
    { ...good, nkey: `U${'A'.repeat(55)}` },
    { ...good, roles: ['owner'] },
    { ...good, roles: [] },
    { ...good, address: 'evil\nhost' },
  ])
    t.equal(await ask(bad), 'bad_request')
  t.equal(await ask({ ...good, protocol: 2 }), 'wrong_version')
  t.equal(await ask({ ...good, name: 'x'.repeat(70_000) }), 'too_large')
  t.equal(await ask(good), 'granted', 'a refused question does not use the token up')
  t.notOk(isPublicNkey(createSeed()))
  t.ok(readFileSync(cluster.files.seed, 'utf8').startsWith('SU'))
})
