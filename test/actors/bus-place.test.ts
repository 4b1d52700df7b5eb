/** Where a host looks for its bus, by its settings and by what it remembers, and how its operator gets in. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'nats'
import t from 'tap'
import { BusPlaceRefused, enterBus, externalUrls } from '../../actors/main/bus-place.ts'
import { foundCluster } from '../../actors/main/cluster.ts'
import { homePaths } from '../../actors/main/paths.ts'
import { loadSettings } from '../../config/load.ts'
import { systemRandom } from '../../src/system/random.ts'
import { natsServer } from '../kit/bus.ts'
import { freePort } from '../kit/ports.ts'

const given = ['nats://a:4222', 'nats://b:4222']
const nowhere = { urls: [], servers: [] }
const external = { urls: ['nats://old:4222'], servers: [] }
const own = { urls: ['tls://10.0.0.1:5101'], servers: [{ name: 'h1', address: '10.0.0.1', port: 5100 }] }

t.test('a setting names an external bus, also another than the last one', async (t) => {
  t.same(externalUrls({ natsUrls: given }, nowhere), given)
  t.same(externalUrls({ natsUrls: given }, external), given)
})

t.test('a host that was told of an external bus needs no setting', async (t) => {
  t.same(externalUrls({ natsUrls: undefined }, external), external.urls)
  t.equal(externalUrls({ natsUrls: undefined }, nowhere), undefined)
  t.equal(externalUrls({ natsUrls: undefined }, own), undefined)
})

t.test('a host does not leave the record behind that it has on the bus of its cluster', async (t) => {
  t.throws(() => externalUrls({ natsUrls: given }, own), BusPlaceRefused)
})

t.test('the login that the operator is told opens the bus of a host that has just begun', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'bus-place-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  const port = await freePort([1, 2, 3])
  const settings = loadSettings({ MANIFOLD_HOME: home, MANIFOLD_CLUSTER_PORT: String(port) })
  const wish = { name: 'h1', address: '127.0.0.1', port, roles: ['control'], labels: {} }
  const cluster = await foundCluster(home, wish, { nowMs: Date.now(), random: systemRandom })
  const quiet = { log: () => undefined, progress: () => undefined }
  const paths = { ...homePaths(home), natsBinary: natsServer }
  const bus = await enterBus({ cluster, settings, paths, random: systemRandom, ...quiet })
  t.teardown(() => bus.keeper?.stop())
  const {
    NATS_URL: urls = '',
    NATS_USER: user,
    NATS_PASSWORD: pass,
    NATS_CA: caFile,
  } = bus.operatorLogin ?? {}
  const client = await connect({
    servers: urls.split(','),
    ...(user !== undefined && { user }),
    ...(pass !== undefined && { pass }),
    ...(caFile !== undefined && { tls: { caFile } }),
  })
  t.ok(client.getServer())
  await client.close()
})
