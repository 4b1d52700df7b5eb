/** The addresses of an external bus: names asked again, announced servers followed, nothing forgotten. */
import t from 'tap'
import { openBusAddresses } from '../../actors/main/bus-addresses.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { until } from '../kit/until.ts'

t.test('every address that a server of the bus has or had is told', async (t) => {
  const clock = virtualClock()
  const names: Record<string, readonly string[]> = {
    'one.example': ['192.0.2.1'],
    '192.0.2.9': ['192.0.2.9'],
  }
  const logged: string[] = []
  let announced: readonly string[] = []
  let asked = 0
  const addresses = await openBusAddresses({
    urls: ['nats://user:secret@one.example:4222', 'tls://192.0.2.9:4222', 'nats://away.example:4222'],
    announced: () => announced,
    resolve: async (host) => {
      asked++
      const found = names[host]
      if (found === undefined) throw new Error(`no ${host}`)
      return found
    },
    clock,
    log: (entry) => logged.push(String(entry['host'])),
  })
  t.same(addresses.now(), ['192.0.2.1', '192.0.2.9'])
  t.same(logged, ['away.example'], 'a name without an answer is no end')
  const told: (readonly string[])[] = []
  addresses.follow((all) => told.push(all))
  const look = async (): Promise<void> => {
    const before = asked
    t.ok(clock.step(clock.now() + 20_000), 'it looks again')
    await until(() => asked > before && clock.pending() > 0, { what: 'the look after that' })
  }
  await look()
  t.same(told, [], 'no news')
  names['one.example'] = ['192.0.2.2']
  announced = ['192.0.2.7:4222']
  names['192.0.2.7'] = ['192.0.2.7']
  await look()
  t.same(told, [['192.0.2.1', '192.0.2.9', '192.0.2.2', '192.0.2.7']])
  addresses.close()
  clock.step(clock.now() + 20_000)
  t.equal(told.length, 1)
})
