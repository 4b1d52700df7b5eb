/** Where a host looks for its bus, by its settings and by what it remembers. */
import t from 'tap'
import { BusPlaceRefused, externalUrls } from '../../actors/main/bus-place.ts'

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
