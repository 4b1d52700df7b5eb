/** Requests of the HTTP face, which the host that was asked answers itself. */
import t from 'tap'
import { localRequests } from '../../actors/main/local-requests.ts'
import type { ServiceEndpoint } from '../../actors/api/service.ts'
import { virtualClock } from '../../src/sim/clock.ts'

t.test('an endpoint answers here, within its time, and a bounded number at once', async (t) => {
  const clock = virtualClock()
  const requests = localRequests(clock)
  const never = new Promise<never>(() => undefined)
  const endpoint = (name: string, handle: ServiceEndpoint['handle']): ServiceEndpoint => ({
    name,
    subject: `api.${name}`,
    metadata: {},
    handle,
  })
  requests.serve([
    endpoint('echo', async (bytes, header) => ({ bytes, headers: { Saw: header('Request-Id') ?? '' } })),
    endpoint('stuck', () => never),
    endpoint('broken', () => Promise.reject(new Error('broken'))),
  ])
  const ask = (name: string) => requests.ask(`api.${name}`, Buffer.from('x'), 1_000, { 'Request-Id': 'r1' })
  const answer = await ask('echo')
  t.strictSame(
    [Buffer.from(answer.bytes).toString(), answer.header('Saw'), answer.header('None')],
    ['x', 'r1', undefined],
  )
  const failure = (name: string): Promise<unknown> => ask(name).catch((error: unknown) => error)
  t.match(await failure('nothing'), { undone: true })
  await t.rejects(ask('broken'), { message: 'broken' })
  const stuck = Array.from({ length: 2_000 }, () => failure('stuck'))
  t.match(await failure('echo'), { undone: true }, 'too many')
  const endMs = clock.now() + 1_000
  while (clock.step(endMs));
  t.match(await stuck[0], { undone: false })
  await Promise.all(stuck)
})
