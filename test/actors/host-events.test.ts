/** What becomes of hosts is told, by each control host, and is there once. */
import t from 'tap'
import { tellHosts } from '../../actors/main/host-events.ts'
import type { Membership, MemberState } from '../../src/membership/contract.ts'
import { seededRandom } from '../../src/sim/random.ts'
import { simEvents } from '../../src/sim/events.ts'
import { systemClock } from '../../src/system/clock.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { until } from '../kit/until.ts'

const viewOf = (number: number, states: Readonly<Record<string, MemberState>>): Membership => ({
  number,
  leader: 'h1',
  braked: false,
  members: Object.entries(states).map(([name, state]) => ({
    name,
    state,
    since: number,
    incarnation: 1,
    roles: ['dyno'],
    address: '10.0.0.1',
    labels: { zone: 'a' },
    version: '1',
    protocol: 1,
    draining: false,
    server: '',
  })),
})

t.test('each change of a host is told once, whoever sees it, and not what was before', async (t) => {
  const events = simEvents(seededRandom(1), () => 0)
  const faults = { fail: 0, unknown: 0, latencyMsMax: 0 }
  const listeners: ((view: Membership) => void)[] = []
  for (let control = 1; control <= 3; control++)
    tellHosts({
      log: events.attach(systemClock, () => faults),
      members: { onChange: (changed) => void listeners.push(changed) },
      clock: systemClock,
      report: () => undefined,
    })
  const see = (view: Membership): void => listeners.forEach((listener) => listener(view))
  see(viewOf(1, { h1: 'up', 'h2.lan': 'up' }))
  see(viewOf(2, { h1: 'up', 'h2.lan': 'suspect' }))
  see(viewOf(3, { h1: 'up', 'h2.lan': 'dead', h3: 'joining' }))
  see({ ...viewOf(3, { h1: 'up', 'h2.lan': 'dead', h3: 'joining' }), number: 4 })
  const subjects = ['host.h2_lan.suspect', 'host.h2_lan.dead', 'host.h3.joining']
  await until(() => events.truth().length >= 3, { what: 'three events' })
  // What all told is there by now: appends of one host come one after the other.
  see(viewOf(5, { h1: 'draining', 'h2.lan': 'dead', h3: 'joining' }))
  await until(() => events.truth().some(({ subject }) => subject === 'host.h1.draining'), {
    what: 'the last',
  })
  t.strictSame(
    events.truth().map(({ subject }) => subject),
    [...subjects, 'host.h1.draining'],
  )
  const [suspect] = events.truth()
  t.match(JSON.parse(Buffer.from(suspect!.bytes).toString()), {
    resource: 'host',
    action: 'update',
    data: { name: 'h2.lan', state: 'suspect', labels: { zone: 'a' } },
    previous_data: { state: 'up' },
  })
})

t.test('a host that ends tries nothing again, and tells nothing more', async (t) => {
  let tries = 0
  let timers = 0
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) => {
      timers += 1
      const timer = systemClock.after(ms, run)
      return { cancel: () => ((timers -= 1), timer.cancel()) }
    },
  }
  let see: (view: Membership) => void = () => undefined
  const telling = tellHosts({
    log: {
      ...simEvents(seededRandom(1), () => 0).attach(systemClock, () => ({
        fail: 0,
        unknown: 0,
        latencyMsMax: 0,
      })),
      append: async () => Promise.reject(new Error(`the bus is closed, ${(tries += 1)}`)),
    },
    members: { onChange: (changed) => (see = changed) },
    clock,
    report: () => t.fail('nothing is said to be lost'),
  })
  see(viewOf(1, { h1: 'up' }))
  see(viewOf(2, { h1: 'suspect' }))
  await until(() => timers === 1, { what: 'the pause before the next try' })
  telling.close()
  t.equal(timers, 0, 'no timer is left')
  see(viewOf(3, { h1: 'dead' }))
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame([tries, timers], [1, 0])
})
