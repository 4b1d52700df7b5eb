/** What reads the log while everything fails: the next tail goes on where the last one stood. */
import { PassThrough } from 'node:stream'
import t from 'tap'
import { openLogSink } from '../../scripts/chaos/worlds/log-sink.ts'
import { apiClient } from '../../src/client/client.ts'
import { until } from '../kit/until.ts'

t.test('a tail that ends is followed by one that is told what was missed between them', async (t) => {
  const tails: { readonly headers: Readonly<Record<string, string>>; readonly answer: PassThrough }[] = []
  const sink = openLogSink(
    ['a'],
    {
      hosts: () => ['h1'],
      api: () =>
        apiClient(async () => ({
          status: 201,
          text: JSON.stringify({ logplex_url: 'http://h1/logs/x' }),
          header: () => undefined,
        })),
      listen: async (_, __, headers) => {
        const answer = new PassThrough()
        tails.push({ headers, answer })
        return answer
      },
    },
    () => 1,
  )
  t.teardown(() => sink.close())
  await until(() => tails.length === 1, { what: 'a tail' })
  t.strictSame(tails[0]?.headers, { accept: 'text/event-stream' })
  const said = (id: string, text: string) => `id: ${id}\ndata: 2026-11-27T21:10:46+00:00 ${text}\n\n`
  tails[0]?.answer.end(`retry: 1000\n\n:\n\n${said('1-0-1', 'app[ticker.1]: chaos life=l n=0')}`)
  await until(() => tails.length === 2, { what: 'another' })
  t.strictSame(tails[1]?.headers, { accept: 'text/event-stream', 'last-event-id': '1-0-1' })
  const l11 = 'Error L11 (Tail buffer overflow) -> This tail session dropped 3 messages since x.'
  tails[1]?.answer.write(said('2-3-1', `heroku[logplex]: ${l11}`))
  tails[1]?.answer.write(said('3-4-1', 'app[ticker.1]: chaos life=l n=4'))
  tails[1]?.answer.write(said('3-4-1', 'app[ticker.1]: chaos life=l n=4'))
  tails[1]?.answer.write(said('3-5-1', 'app[ticker.1]: chaos life=l n=4'))
  tails[1]?.answer.write(said('3-6-1', 'heroku[router]: at=info method=GET request_id=id-1 fwd="x"'))
  tails[1]?.answer.write(said('3-7-1', 'heroku[ticker.1]: State changed from starting to up'))
  await until(() => sink.events().length === 6, { what: 'all events' })
  t.strictSame(sink.events(), [
    { app: 'a', at: 1, life: 'l', n: 0 },
    { app: 'a', at: 1, lost: 3, code: 'L11' },
    { app: 'a', at: 1, life: 'l', n: 4 },
    // Shown twice, it is there once; stored twice, it has another place.
    { app: 'a', at: 1, life: 'l', n: 4 },
    { app: 'a', at: 1, requestId: 'id-1' },
    { app: 'a', at: 1, other: true },
  ])
  tails[1]?.answer.end('id: 4-5-1\ndata: 2026-11-27T21:1')
  await until(() => tails.length === 3, { what: 'one more' })
  t.match(tails[2]?.headers, { 'last-event-id': '3-7-1' }, 'what was cut off comes again')
})
