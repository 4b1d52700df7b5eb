/**
 * Wires over loopback, both kinds of them: what one end writes the other reads, and how connections end. And
 * the guard before Node's internals: what is missing there is noticed, and public sockets do the work.
 */
import { createServer } from 'node:net'
import t from 'tap'
import { bare, findBare } from '../../src/wire/bare.ts'
import { acceptWires, openWire, serverOptions } from '../../src/wire/connect.ts'
import type { Wire, WireUser } from '../../src/wire/wire.ts'
import { get, ok, routeTo, startProxy, startTarget } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

/** Notes what it is told. */
class Listener implements WireUser {
  readonly pieces: Buffer[] = []
  bytes = 0
  connected = false
  ended = false
  drained = 0
  closed: string | null = null
  readonly wireConnected = () => {
    this.connected = true
  }
  wireBytes = (bytes: Buffer): void => {
    this.bytes += bytes.length
    this.pieces.push(Buffer.from(bytes))
  }
  readonly wireEnded = () => {
    this.ended = true
  }
  readonly wireDrained = () => {
    this.drained += 1
  }
  readonly wireClosed = (code: string) => {
    this.closed = code
  }
}

type End = { readonly wire: Wire; readonly heard: Listener }
type Test = { readonly teardown: (end: () => void) => void }

const kinds = [
  { kind: 'bare handles', handles: bare },
  { kind: 'public sockets', handles: null },
]

for (const { kind, handles } of kinds) {
  const ends = async (t: Test): Promise<{ near: End; far: End }> => {
    const server = createServer(serverOptions)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    let far: End | undefined
    acceptWires(handles, server, (wire) => {
      far = { wire, heard: new Listener() }
      wire.use(far.heard)
    })
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const near = { wire: openWire(handles, '127.0.0.1', port), heard: new Listener() }
    near.wire.use(near.heard)
    t.teardown(() => {
      near.wire.destroy()
      far?.wire.destroy()
      server.close()
    })
    await until(() => near.heard.connected && far !== undefined, { what: 'both ends' })
    return { near, far: far as End }
  }

  t.test(`${kind} carry what is written, whole and in order, at the pace of the reader`, async (t) => {
    const { near, far } = await ends(t)
    t.equal(far.wire.remoteAddress, '127.0.0.1')
    t.ok(near.wire.write(Buffer.from('small')), 'a small write goes at once')
    await until(() => far.heard.bytes === 5, { what: 'it to arrive' })
    far.wire.pause()
    const block = Buffer.alloc(1_048_576, 'abcdefg')
    let waits = 0
    for (let i = 0; i < 16; i += 1) if (!near.wire.write(block)) waits += 1
    t.ok(waits > 0 && near.wire.unsentBytes > 0, 'a reader that pauses makes bytes wait')
    t.equal(near.heard.drained, 0)
    far.wire.resume()
    await until(() => near.heard.drained > 0, { what: 'all of it to be on its way' })
    near.wire.end()
    await until(() => far.heard.ended, { what: 'the end' })
    t.ok(Buffer.concat(far.heard.pieces.slice(1)).equals(Buffer.concat(Array(16).fill(block))))
    t.notOk(far.wire.usable, 'half closed')
    far.wire.write(Buffer.from('bye'))
    far.wire.end()
    await until(() => near.heard.closed !== null && far.heard.closed !== null, { what: 'both to close' })
    t.same([near.heard.closed, far.heard.closed, near.heard.bytes], ['', '', 3])
  })

  t.test(`${kind} pass on a loan that the other side cannot take at once unharmed`, async (t) => {
    const [one, two] = [await ends(t), await ends(t)]
    const relay = one.far
    const relayed = new Listener()
    relayed.wireBytes = (bytes) => void two.near.wire.write(bytes, relay.wire)
    relay.wire.use(relayed)
    two.far.wire.pause()
    const block = Buffer.from(Uint32Array.from({ length: 1_048_576 }, (_, i) => i * 2_654_435_761).buffer)
    one.near.wire.write(block)
    one.near.wire.write(block)
    await until(() => one.near.wire.unsentBytes === 0 && two.near.wire.unsentBytes > 0, { what: 'a backlog' })
    two.far.wire.resume()
    await until(() => two.far.heard.bytes === 2 * block.length, { what: 'all of it' })
    t.ok(Buffer.concat(two.far.heard.pieces).equals(Buffer.concat([block, block])))
  })

  t.test(`${kind} tell how a connection ended`, async (t) => {
    const refused = new Listener()
    openWire(handles, '127.0.0.1', 1).use(refused)
    await until(() => refused.closed !== null, { what: 'the refusal' })
    t.equal(refused.closed, 'ECONNREFUSED')
    const { near, far } = await ends(t)
    near.wire.reset()
    await until(() => far.heard.closed !== null && near.heard.closed !== null, { what: 'the reset' })
    t.same([near.heard.closed, far.heard.closed], ['', 'ECONNRESET'])
    t.notOk(far.wire.usable)
    t.equal(far.wire.remoteAddress, '')
    const last = await ends(t)
    last.near.wire.write(Buffer.alloc(8_388_608))
    last.near.wire.destroySoon()
    await until(() => last.far.heard.ended, { what: 'the end after all that was written' })
    t.equal(last.far.heard.bytes, 8_388_608)
  })

  t.test(`a proxy on ${kind} keeps connections, counts them, and ends them`, async (t) => {
    const target = await startTarget((peer) => {
      peer.socket.on('data', () => peer.send(ok(peer.text.endsWith('\r\n\r\n') ? 'hello' : '')))
    })
    t.teardown(target.close)
    const world = await startProxy(
      t,
      () => routeTo(target, { keepAlive: true }),
      { connectionsMax: 2, connectionsPerAppMax: 2 },
      { bare: handles },
    )
    const client = world.client(get())
    await client.sees('hello')
    client.send(get('/2'))
    await client.sees(/hello[^]*hello/)
    t.equal(target.peers.length, 1)
    const other = world.client(get())
    await other.sees('hello')
    t.equal(world.proxy.stats().openClients, 2)
    await world.client().seesEnd()
    const drained = world.proxy.drain(1000)
    for (const peer of [client, other]) {
      await peer.seesEnd()
      peer.socket.end()
    }
    await drained
    t.equal(world.proxy.stats().openClients, 0)
  })
}

t.test('there are no bare handles where Node keeps them elsewhere or has changed them', async (t) => {
  const real = (name: string) =>
    (process as unknown as { binding: (name: string) => Record<string, unknown> }).binding(name)
  t.not(findBare(real), null, 'this Node has them')
  t.not(bare, null)
  t.equal(
    findBare(() => {
      throw new Error('No such module')
    }),
    null,
  )
  t.equal(
    findBare(() => ({})),
    null,
  )
  const without = (name: string, more: object) =>
    findBare((asked) => (asked === name ? { ...real(asked), ...more } : real(asked)))
  t.equal(without('tcp_wrap', { TCP: Object }), null)
  t.equal(without('stream_wrap', { streamBaseState: [] }), null)
  t.equal(without('stream_wrap', { kLastWriteWasAsync: 99 }), null)
  t.equal(without('stream_wrap', { WriteWrap: undefined }), null)
})
