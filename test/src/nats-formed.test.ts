/** What servers must agree on, and do not yet. */
import t from 'tap'
import { raised } from '../../src/nats/formed.ts'
import { JetStreamRefused, type JetStream } from '../../src/nats/jetstream.ts'

const noPeers = { code: 400, err_code: 10_005, description: 'no suitable peers for placement, peer offline' }
const tooMuch = { code: 400, err_code: 10_047, description: 'insufficient storage resources available' }

/** Refuses updates this way, and takes the next. */
const server = (refusals: ({ readonly code: number; readonly description: string } | 'for ever')[]) => {
  const taken: unknown[] = []
  const call = async (verb: string, body: unknown): Promise<unknown> => {
    if (verb === 'STREAM.INFO.s') return { config: { name: 's', max_age: 7, num_replicas: 1 } }
    const refusal = refusals[0] === 'for ever' ? noPeers : refusals.shift()
    if (refusal !== undefined && refusal !== 'for ever') throw new JetStreamRefused(verb, refusal)
    taken.push([verb, body])
    return {}
  }
  return { js: { call } as Pick<JetStream, 'call'>, taken }
}

t.test(
  'a stream gets its copies once all servers are heard of, and waits for them no longer than it may',
  async (t) => {
    const slow = server([noPeers, noPeers])
    await raised(slow.js, 's', 3, 60_000)
    t.same(slow.taken, [['STREAM.UPDATE.s', { name: 's', max_age: 7, num_replicas: 3 }]])
    const never = server(['for ever'])
    const late = { code: 'nats_server_slow', message: /s cannot be on 3 servers: .*peer offline/ }
    await t.rejects(raised(never.js, 's', 3, 100), late)
    const full = server([tooMuch])
    await t.rejects(raised(full.js, 's', 3, 60_000), { code: 'jetstream_refused' }, 'that will not pass')
    t.same([...never.taken, ...full.taken], [])
  },
)
