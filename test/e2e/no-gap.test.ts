/**
 * Nobody who uses an app notices that it changes: not one request is lost while it is released, configured,
 * restarted and scaled, with real dynos behind real routers. `npm run bench -- gap` makes 50 such changes.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { gapApp } from '../../scripts/bench/gap/app.ts'
import { makeChange, until, type Api, type Change } from '../../scripts/bench/gap/changes.ts'
import { exchange } from '../../scripts/bench/gap/exchange.ts'
import { startLoad } from '../../scripts/bench/gap/load.ts'
import { countOf, tally } from '../../scripts/bench/gap/tally.ts'
import { commitApp, writeApp } from '../kit/apps.ts'
import { noContainers } from '../kit/containers.ts'
import { startPlatform } from '../kit/platform.ts'

t.setTimeout(300_000)

const app = 'steady'
const changes: readonly Change[] = [
  { what: 'ps:restart' },
  { what: 'ps:scale', to: 3 },
  { what: 'config:set' },
  { what: 'ps:restart web.1' },
  { what: 'rollback' },
  { what: 'ps:scale', to: 1 },
]
/** A restart serves at once, and a release not before minutes. */
const withPreboot: readonly Change[] = [{ what: 'ps:restart -p web' }, { what: 'release of a slug' }]

t.test('the load knows every way in which a request can be lost', async (t) => {
  const right = (request: IncomingMessage, body: Buffer): string =>
    `v3 web.1 5f3c ${createHash('sha256').update(body).digest('hex')} ${request.url}\n`
  const answers: Readonly<
    Record<string, (request: IncomingMessage, body: Buffer, to: ServerResponse) => void>
  > = {
    'socket hang up': (_request, _body, to) => to.destroy(),
    '503 H12': (_request, _body, to) => to.writeHead(503).end('<!-- H12 -->'),
    'cut within its answer': (request, body, to) => {
      to.writeHead(200, { 'content-length': 1_000 }).write(right(request, body))
      setImmediate(() => to.destroy())
    },
    '200 "v3 web.1 5f3c': (request, body, to) => to.end(right(request, body.subarray(1))),
    'another is meant': (request, body, to) => {
      request.url = '/quick/another is meant'
      to.end(right(request, body))
    },
  }
  const ask = { host: 'app', path: 'quick', bytes: 200, isSlow: false, agent: false } as const
  for (const [lost, answer] of [...Object.entries(answers), ['', undefined] as const]) {
    const server = createServer((request, to) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.once('end', () => {
        const body = Buffer.concat(pieces)
        if (answer === undefined) to.end(right(request, body))
        else answer(request, body, to)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const asked = exchange({ ...ask, port })
    if (answer === undefined) t.same(await asked, { release: 3, dyno: 'web.1', runId: '5f3c' })
    else await t.rejects(asked, { message: new RegExp(lost) }, lost)
    await new Promise((resolve) => server.close(resolve))
  }
})

t.test('a request counts for the change that began last while it was under way', (t) => {
  const outcome = { client: '', isQuick: true, lost: null }
  const spans = [
    { what: 'one', beganMs: 10, endedMs: 30 },
    { what: 'two', beganMs: 20, endedMs: 40 },
  ]
  const times = [
    [0, 5],
    [5, 15],
    [15, 25],
    [38, 50],
    [41, 50],
  ] as const
  const counts = tally(
    times.map(([beganMs, endedMs]) => ({ ...outcome, beganMs, endedMs })),
    spans,
  )
  t.same(
    counts.map(({ what, requests, p99Ms }) => [what, requests, p99Ms]),
    [
      ['one', 1, 10],
      ['two', 2, 12],
      ['between', 2, 9],
    ],
  )
  t.end()
})

t.test('not one request is lost while an app changes', { skip: noContainers() ?? false }, async (t) => {
  const platform = await startPlatform()
  t.teardown(() => platform.dispose())
  const api: Api = platform.api
  const folder = join(platform.user, app)
  writeApp(folder, gapApp('one'))
  await commitApp(platform, folder, 'first')
  await platform.heroku(['create', app], { cwd: folder })
  const push = async (): Promise<void> => {
    const { code, stderr } = await platform.git(['push', 'heroku', 'HEAD:main'], { cwd: folder })
    if (code !== 0) throw new Error(stderr)
  }
  await push()
  // Its clients are there before its first dyno is.
  const load = startLoad(platform.routerPort, `${app}.localhost`)
  t.teardown(() => load.stop())
  await until('the first answer', () => load.newest() > 0)
  for (const change of changes) await makeChange({ api, app, push }, change)
  await api('PATCH', `/apps/${app}/features/preboot`, { enabled: true })
  for (const change of withPreboot) await makeChange({ api, app, push }, change)
  await load.stop()
  const { requests, lost } = countOf(load.outcomes)
  t.same(lost, [], `lost of ${requests}`)
  const kinds = new Set(load.outcomes.map(({ client }) => client))
  t.equal(kinds.size, 9, 'of every kind of client some came to an end')
  const releases = await api<readonly unknown[]>('GET', `/apps/${app}/releases`)
  t.ok(load.newest() >= releases.length - 1, 'the changes were served')
})
