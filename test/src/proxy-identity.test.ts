/**
 * Invariant 5: a request never reaches a dyno of another app. Addresses are recycled as fast as the leases
 * allow, under load, while routers hear of every change late: dynos of two apps are replaced at once and
 * take over each other's addresses.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, createServer, request, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Route } from '../../actors/protocols/shapes.ts'
import { indexFirst, indexLast } from '../../src/oci/addresses.ts'
import { openLeases } from '../../src/oci/lease.ts'
import type { Timer } from '../../src/ports/clock.ts'
import { createProxy } from '../../src/proxy/proxy.ts'
import { systemClock } from '../../src/system/clock.ts'
import { route, world } from '../kit/routes.ts'
import { until } from '../kit/until.ts'
import { deadPort } from '../kit/no-answer.ts'

const addresses = 41
const lateMs = 80
const restMs = 400
const lives = 250

t.test('an address that comes back as soon as it may is never met under its old name', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'leases-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const loopback = { base: 0x7f400000, bits: 18 }
  const rest = { ms: restMs, now: () => performance.now() }
  const leases = await openLeases(dir, '00000000', () => Promise.resolve(loopback), rest)
  for (let index = indexFirst + addresses; index <= indexLast; index += 1) leases.hold(index)
  const port = await deadPort()
  const { table } = world({}, [])
  const proxy = createProxy({
    resolve: (host) => table.resolve(host),
    onDone: () => {},
    limits: { quarantineMs: 1, lookMsMin: 5, lookMsMax: 20 },
  })
  const { port: routerPort } = await proxy.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => proxy.close())

  const servers = new Set<Server>()
  const late = new Set<Timer>()
  const used = new Map<string, number>()
  const state = { ended: false }
  const start = async (app: string) => {
    const { address, index } = await until(() => leases.next().catch(() => undefined), {
      what: 'an address that has rested',
    })
    const server = createServer((_, response) => response.end(app))
    servers.add(server)
    await new Promise<void>((listening) => server.listen(port, address, listening))
    used.set(address, (used.get(address) ?? 0) + 1)
    const stop = () => {
      servers.delete(server)
      server.close(() => leases.free(index))
      server.closeAllConnections()
    }
    return { address, stop }
  }
  const churn = async (app: string): Promise<void> => {
    let before = await start(app)
    for (let life = 1; life <= lives && !state.ended; life += 1) {
      const next = await start(app)
      const targets: Route['targets'] = [
        { runId: `${life}`, dyno: 'web.1', address: next.address, port, outer: null, epoch: life, host: 'h' },
      ]
      const word = route({ appId: app, appName: app, version: life, targets })
      const timer = systemClock.after(Math.random() * lateMs, () => (late.delete(timer), table.update(word)))
      late.add(timer)
      before.stop()
      before = next
    }
    state.ended = true
  }
  const answers = { right: 0, wrong: 0, none: 0 }
  const agent = new Agent({ keepAlive: true })
  const ask = (app: string): Promise<void> =>
    new Promise((resolve) => {
      const asked = request({
        agent,
        port: routerPort,
        host: '127.0.0.1',
        headers: { host: `${app}.localhost` },
      })
      asked.on('response', (response) => {
        let body = ''
        response.on('data', (bytes: Buffer) => (body += bytes.toString()))
        response.on('close', () => {
          if (response.statusCode !== 200 || body === '') answers.none += 1
          else if (body === app) answers.right += 1
          else answers.wrong += 1
          resolve()
        })
      })
      asked.on('error', () => (answers.none++, resolve()))
      asked.end()
    })
  const load = async (app: string): Promise<void> => {
    while (!state.ended) await ask(app)
  }
  const apps = ['one', 'two']
  await Promise.all(apps.flatMap((app) => [churn(app), ...Array.from({ length: 8 }, () => load(app))]))
  agent.destroy()
  for (const timer of late) timer.cancel()
  for (const server of servers) server.close().closeAllConnections()
  const reused = [...used.values()].filter((lifeCount) => lifeCount > 1).length
  t.comment(JSON.stringify({ ...answers, reused }))
  t.equal(answers.wrong, 0)
  t.ok(answers.right > 100, 'while requests are served')
  t.ok(reused >= addresses / 2, 'and addresses are')
})
