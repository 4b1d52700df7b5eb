/**
 * `npm run bench -- placement [--out DIR]`: 1,000 simulated hosts x 250 dynos over a real nats-server, with
 * the real Placement and Formation actors and the real record (goals: DESIGN §9).
 *
 * A placement counts when its host was told to launch it, which is after the formation has it on record.
 * Apps of 50 dynos are scaled one after the other, a bounded number at once, until all hosts are full. Then
 * hosts are lost, and tables are asked for again. The curve from empty to full is written as a picture.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Host } from '../../actors/protocols/host.ts'
import { startServer } from '../../src/nats/server.ts'
import { refAt } from '../../src/runtime/index.ts'
import { systemRandom } from '../../src/system/random.ts'
import { documented } from './placement/anchors.ts'
import {
  dynosOf,
  openApp,
  scaleApp,
  startController,
  startHosts,
  type Controller,
  type Hosts,
} from './placement/controller.ts'
import { stepsOf, svgOf, type Sample } from './placement/curve.ts'
import { control, dynosPerHost, hostNames, viewOf } from './placement/shared.ts'
import { row, type BenchOptions, type Row } from './report.ts'

const dynosPerApp = 50
/** Dynos asked for and not launched yet, of all apps. */
const windowDynos = 8_000
const parts = 50
const opensAtOnce = 50
const lossesMax = 5
const deadlineMs = 60_000

export const run = async ({ quick, args, log }: BenchOptions): Promise<readonly Row[]> => {
  const hosts = quick ? 100 : 1_000
  const at = args.indexOf('--out')
  const out = (at < 0 ? undefined : args[at + 1]) ?? join(tmpdir(), 'manifold-bench')
  const home = mkdtempSync(join(tmpdir(), 'mf-bench-'))
  const server = await startServer({
    binary: join(process.env['MANIFOLD_HOME'] ?? join(homedir(), '.manifold'), 'bin', 'nats-server'),
    home,
    name: 'bench',
    random: systemRandom,
    operatorSubjects: [],
  })
  let fleet: Hosts | undefined
  try {
    const { user, password } = server.logins.platform
    const login = { urls: [server.url], user, password }
    fleet = await startHosts(login, hosts)
    const controller = await startController(login, control, viewOf(1, hostNames(hosts)))
    await until(async () => (await dynosOf(controller)).size >= hosts, 'the hosts to announce themselves')
    const filled = await fill(controller, fleet, hosts, log)
    const rows = [...filled.rows]
    mkdirSync(out, { recursive: true })
    const file = join(out, 'placement.svg')
    writeFileSync(file, svgOf(filled.steps, `${hosts} hosts x ${dynosPerHost} dynos, from empty to full`))
    log(`curve: ${file}`)
    rows.push(await lose(controller, fleet, hosts, log))
    rows.push(await resyncOne(controller, hosts))
    rows.push(await resyncAll(login, hosts, log))
    await controller.stop()
    return rows
  } finally {
    fleet?.stop()
    await server.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))
const until = async (is: () => Promise<boolean>, what: string): Promise<void> => {
  const deadline = performance.now() + deadlineMs
  while (!(await is())) {
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms for ${what}`)
    await pause(20)
  }
}
const middle = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

const fill = async (controller: Controller, fleet: Hosts, hosts: number, log: (line: string) => void) => {
  const total = hosts * dynosPerHost
  const apps = Array.from({ length: total / dynosPerApp }, (_, number) => `app-${number}`)
  for (let at = 0; at < apps.length; at += opensAtOnce) {
    await Promise.all(apps.slice(at, at + opensAtOnce).map((app) => openApp(controller, app)))
  }
  log(`${apps.length} apps`)
  const samples: Sample[] = [{ dynos: 0, at: Date.now() }]
  let said = 0
  fleet.onLaunched((dynos, at) => {
    samples.push({ dynos, at })
    if (dynos - said < total / 10) return
    said = dynos
    log(`${dynos} of ${total} dynos`)
  })
  const before = process.cpuUsage()
  for (const [number, app] of apps.entries()) {
    while (number * dynosPerApp - fleet.seen().launched > windowDynos) await pause(5)
    // Not waited for: a window of apps is under way at once. What fails shows as dynos that never come.
    scaleApp(controller, app, dynosPerApp).catch((error: unknown) => log(String(error)))
    await pause(0)
  }
  const endAt = await fleet.reached(total)
  const { user, system } = process.cpuUsage(before)
  samples.push({ dynos: total, at: endAt })
  const steps = stepsOf(samples, total, parts)
  const deciles = stepsOf(samples, total, 10)
  const perSecond = (total * 1_000) / (endAt - samples[0]!.at)
  const [first, last] = [deciles[0]!.perSecond, deciles.at(-1)!.perSecond]
  const rows = [
    row({
      what: `placed, ${hosts} hosts from empty to full`,
      unit: 'dynos/s',
      ours: perSecond,
      goal: '>=4000',
    }),
    row({
      what: 'the same beside documented runs',
      unit: 'dynos/s',
      ours: perSecond,
      peers: documented.perSecond,
      better: 'higher',
    }),
    row({ what: 'first decile', unit: 'dynos/s', ours: first }),
    row({ what: 'last decile', unit: 'dynos/s', ours: last }),
    row({ what: 'last decile by the first', unit: 'ratio', ours: last / first, goal: '>=0.8' }),
    // The simulated hosts and the server take most of a small machine: this is what the controller itself
    // can do.
    row({
      what: 'placed, for the CPU of the controller',
      unit: 'dynos/cpu_s',
      ours: (total * 1e6) / (user + system),
    }),
    row({ what: 'held at once', unit: 'dynos', ours: total, peers: documented.held, better: 'higher' }),
  ]
  return { steps, rows }
}

/** From the view that has a host as a suspect to the last of its runs launched elsewhere. */
const lose = async (
  controller: Controller,
  fleet: Hosts,
  hosts: number,
  log: (line: string) => void,
): Promise<Row> => {
  const times: number[] = []
  for (let i = 0; i < lossesMax; i += 1) {
    const victim = `host-${10 * (i + 1)}`
    await until(() => Promise.resolve(controller.node.settled()), 'the controller to be quiet')
    const lost = (await dynosOf(controller)).get(victim) ?? 0
    const before = fleet.seen().launched
    const from = Date.now()
    controller.tellView(viewOf(2 + 2 * i, hostNames(hosts), [victim]))
    const at = await fleet.reached(before + lost)
    log(`${victim}: ${lost} dynos placed again within ${at - from} ms`)
    times.push(at - from)
    controller.tellView(viewOf(3 + 2 * i, hostNames(hosts)))
    await pause(3_000)
  }
  return row({
    what: 'a lost host at full load, placed again, p50',
    unit: 'ms',
    ours: middle(times),
    goal: '<=1000',
  })
}

/** From the question to a host to its table being placement's. */
const resyncOne = async (controller: Controller, hosts: number): Promise<Row> => {
  const times: number[] = []
  for (const host of hostNames(hosts).slice(-20)) {
    const from = performance.now()
    const announced = new Promise<void>((resolve) => {
      controller.onAnnounced((said) => {
        if (said.host === host && said.full) resolve()
      })
    })
    controller.node.tell(refAt(Host, 'host', host), { type: 'survey' })
    await announced
    await dynosOf(controller)
    times.push(performance.now() - from)
  }
  controller.onAnnounced(undefined)
  return row({ what: 'full resync of one host, p50', unit: 'ms', ours: middle(times), goal: '<=1000' })
}

/** A placement that knows nothing hears of everything. */
const resyncAll = async (
  login: Parameters<typeof startController>[0],
  hosts: number,
  log: (line: string) => void,
): Promise<Row> => {
  const from = performance.now()
  const fresh = await startController(login, 'fresh', viewOf(99, hostNames(hosts)))
  await until(async () => {
    const dynos = [...(await dynosOf(fresh, 'fresh')).values()].reduce((sum, count) => sum + count, 0)
    return dynos >= hosts * dynosPerHost
  }, 'every table')
  const ms = performance.now() - from
  log(`every table within ${Math.round(ms)} ms`)
  await fresh.stop()
  return row({ what: `every host's table, to a placement that knows none`, unit: 'ms', ours: ms })
}
