/**
 * Debian's slowhttptest against the engine: hundreds of clients that send heads and bodies a few bytes at a
 * time, or read answers so. Others are served meanwhile, and each is let go when its time is over.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import t, { type Test } from 'tap'
import { get, ok, routeTo, startProxy, startTarget, type World } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const isHere = spawnSync('slowhttptest', ['-h'], { stdio: 'ignore' }).error === undefined
const skip = isHere ? false : 'slowhttptest is not installed here'
const clients = 300

const attack = (t: Test, port: number, how: readonly string[]): ChildProcess => {
  const argv = [
    '-c',
    String(clients),
    '-r',
    '300',
    '-l',
    '60',
    '-p',
    '5',
    '-u',
    `http://127.0.0.1:${port}/slow`,
  ]
  const child = spawn('slowhttptest', [...how, ...argv], { stdio: 'ignore' })
  t.teardown(() => void child.kill('SIGKILL'))
  return child
}

type Stats = ReturnType<World['proxy']['stats']>

const attacks = [
  {
    name: 'heads (slowloris)',
    how: ['-H', '-i', '1', '-x', '10'],
    busy: ({ openClients }: Stats) => openClients >= clients,
    isAtRest: ({ inFlight }: Stats) => inFlight === 0,
    overMs: 60_000,
    code: null,
  },
  {
    name: 'bodies',
    how: ['-B', '-i', '1', '-s', '8192', '-x', '10'],
    busy: ({ inFlight }: Stats) => inFlight >= clients,
    isAtRest: ({ inFlight }: Stats, uploads: number) => inFlight === uploads,
    overMs: 55_000,
    code: 'H28',
  },
  {
    name: 'reading',
    how: ['-X', '-w', '512', '-y', '1024', '-n', '5', '-z', '32'],
    busy: ({ inFlight }: Stats) => inFlight >= clients,
    isAtRest: ({ inFlight, stalledClients }: Stats) => inFlight === stalledClients,
    overMs: 55_000,
    code: 'H28',
  },
] as const

for (const { name, how, busy, isAtRest, overMs, code } of attacks) {
  t.test(`${clients} clients slow at ${name} hold up nobody, and are let go`, { skip }, async (t) => {
    const large = ok('x'.repeat(4_000_000))
    const target = await startTarget((peer) =>
      peer.socket.on('data', () => {
        if (peer.text.startsWith('GET /quick')) peer.send(ok('quick'))
        // The program looks in between whether it is still served.
        else if (peer.text.startsWith('GET ')) peer.send(name === 'reading' ? large : ok())
      }),
    )
    t.teardown(target.close)
    const limits = { inFlightPerTargetMax: 2 * clients, totalBufferBytesMax: 8 * 1_048_576 }
    const world = await startProxy(t, () => routeTo(target), limits)
    const attacker = attack(t, world.port, how)
    await until(() => busy(world.proxy.stats()), { what: 'all of them to be there' })
    for (let at = 0; at < 20; at += 1) {
      const client = world.client(get('/quick', 'Connection: close\r\n'))
      t.match(await client.seesEnd(), /quick$/)
    }
    // It stands still, and what it asked of the dyno besides is answered: all that is left is slow.
    attacker.kill('SIGSTOP')
    const uploads = () =>
      target.peers.filter(({ text, closed }) => text.startsWith('POST ') && !closed).length
    await until(() => isAtRest(world.proxy.stats(), uploads()), { what: 'the rest to be answered' })
    const served = world.records.length
    world.clock.advance(overMs)
    await until(() => world.proxy.stats().inFlight === 0, {
      what: 'each of them to be let go',
    })
    await until(() => (world.clock.advance(1000), world.proxy.stats().openClients === 0), {
      what: 'their connections to be gone',
    })
    const codes = new Set(world.records.slice(served).map((record) => record.code))
    codes.delete('')
    t.strictSame([...codes], code === null ? [] : [code], 'a head that was never whole is no request')
  })
}
