/**
 * Clients that go away at every stage of a request, ten thousand times, on both kinds of connections: nothing
 * of them stays behind.
 */
import { connect } from 'node:net'
import { readdirSync } from 'node:fs'
import t from 'tap'
import { bare } from '../../src/wire/bare.ts'
import { get, ok, post, routeTo, startProxy, startTarget } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

const openFiles = (): number => readdirSync('/proc/self/fd').length

/** What a client says before it goes, and whether it waits for something of an answer. */
const stages = [
  { says: '', waits: false },
  { says: 'GET / HTTP/1.1\r\nHo', waits: false },
  { says: get('/silent'), waits: false },
  { says: post('x').slice(0, -1), waits: false },
  { says: get('/half'), waits: true },
  { says: get('/whole'), waits: true },
]
const loops = 5_000
const atOnce = 50

for (const [kind, handles] of [
  ['bare handles', bare],
  ['public sockets', null],
] as const) {
  t.test(`on ${kind} five thousand aborted requests leave no socket, count or byte`, async (t) => {
    const target = await startTarget(({ socket }) => {
      socket.on('data', (bytes: Buffer) => {
        if (bytes.includes('/half')) socket.write(ok('x'.repeat(10)).slice(0, -5))
        else if (bytes.includes('/whole')) socket.write(ok())
      })
      socket.on('end', () => socket.end())
    })
    t.teardown(target.close)
    const world = await startProxy(t, () => routeTo(target, { keepAlive: true }), {}, { bare: handles })
    const abort = (index: number) =>
      new Promise<void>((resolve) => {
        const { says, waits } = stages[index % stages.length] as (typeof stages)[number]
        const socket = connect(world.port, '127.0.0.1', () => {
          if (says !== '') socket.write(says)
          if (!waits) socket.resetAndDestroy()
        })
        socket.on('data', () => socket.resetAndDestroy())
        socket.on('error', () => {})
        socket.on('close', () => resolve())
      })
    const settled = () => {
      // The sweep ends what nobody will speak on again.
      world.clock.advance(100)
      const { openClients, inFlight, stalledClients } = world.proxy.stats()
      return openClients + inFlight + stalledClients === 0
    }
    const round = async (count: number) => {
      for (let i = 0; i < count; i += atOnce)
        await Promise.all(Array.from({ length: atOnce }, (_, each) => abort(i + each)))
      await until(settled, { what: 'all of them to be gone' })
      // Kept connections are not leaks; once they are too old none is left.
      world.clock.advance(91_000)
      await until(() => target.peers.every(({ closed }) => closed), { what: 'the target to be left alone' })
      target.peers.length = 0
      world.records.length = 0
    }
    await round(100)
    const before = openFiles()
    await round(loops)
    t.ok(openFiles() <= before + 2, `${openFiles()} files are open, ${before} were`)
    t.equal(world.proxy.stats().activeApps, 0)
    await world.client(get('/whole')).sees('hi')
  })
}
