/**
 * The simulation as a world of the chaos harness: the platform's own actors, membership and route tables in
 * one process under a virtual clock. The same seed gives the same run.
 */
import { ref } from '../../../../src/runtime/index.ts'
import { App } from '../../../../actors/protocols/app.ts'
import { Formation } from '../../../../actors/protocols/formation.ts'
import { Releases } from '../../../../actors/protocols/releases.ts'
import { liveOf } from '../../../sim/engine.ts'
import { noPlant, type Plant } from '../../../sim/plant.ts'
import { unsettled, wantedOf } from '../../conditions.ts'
import type { AppSpec, Condition, Scenario } from '../../language.ts'
import { plants } from '../../plants.ts'
import { OpFailed, type Boot, type Door, type LiveProcess, type World } from '../../world.ts'
import { askingAt, by, clientsOf, type Asking } from './clients.ts'
import { faultsOf } from './faults.ts'
import { hostsOf, openSite, type Site } from './site.ts'

const bootMs = 5_000
const pollMs = 100
const readyMs = 120_000

const plantOf = (name: string | undefined): Plant => {
  if (name === undefined) return noPlant
  const found = plants.find((one) => one.name === name)
  if (found === undefined)
    throw new Error(`there is no plant ${name}: ${plants.map((p) => p.name).join(', ')}`)
  return found.plant
}

const boot: Boot = async (scenario, { seed, plant, log }) => {
  const site = openSite(seed, hostsOf(scenario.hosts), plantOf(plant))
  const { world } = site.cluster
  let isClosed = false
  // Time passes whenever somebody waits for it.
  const running = world.run(() => isClosed, Number.MAX_SAFE_INTEGER)
  const sleep = (ms: number) => new Promise<void>((resolve) => void world.clock.after(ms, resolve))
  const close = async (): Promise<void> => {
    isClosed = true
    await running
    for (const name of site.names) site.closeRouter(name)
    world.end()
    for (const line of world.log()) log(line)
  }
  try {
    return await furnish(site, scenario, sleep, close)
  } catch (error) {
    await close()
    throw error
  }
}

const furnish = async (
  site: Site,
  scenario: Scenario,
  sleep: (ms: number) => Promise<void>,
  close: () => Promise<void>,
): Promise<World> => {
  const { cluster, names } = site
  const { world, machines } = cluster
  const random = world.random.fork('clients')
  const ids = new Map(scenario.apps.map((app) => [app.name, random.uuid()]))
  const ask = askingAt(site, random)
  const faults = faultsOf(site, sleep)
  let bootedMs = 0
  const appOf = (id: string): string => [...ids].find(([, one]) => one === id)?.[0] ?? id
  const processes = (): LiveProcess[] =>
    names.flatMap((host) =>
      liveOf(machines.get(host)!).map((process) => ({
        app: appOf(process.run.appId),
        dyno: process.run.name,
        run: process.run.id,
        host,
        up: process.run.type !== 'web' || process.bound,
        reachable: site.reachable().includes(host),
      })),
    )
  const self: World = {
    name: 'sim',
    now: () => world.virtualMs() - bootedMs,
    sleep,
    clients: clientsOf(site, ids, ask, random),
    fault: faults.strike,
    heal: faults.heal,
    processes: async () => processes(),
    routers: async () => site.reachable().filter((host) => site.routers.has(host)),
    holds: async (condition, hosts) => holds(site, condition, hosts, processes()),
    observed: async () => ({
      lives: names.flatMap((host) =>
        machines.get(host)!.lives.map(({ run, fromMs, toMs }) => ({
          app: appOf(run.appId),
          dyno: run.name,
          run: run.id,
          host,
          singleton: run.singleton,
          epoch: run.epoch,
          fromAt: fromMs - bootedMs,
          toAt: toMs === undefined ? null : toMs - bootedMs,
        })),
      ),
      log: [],
      said: [],
    }),
    close,
  }
  await sleep(bootMs)
  for (const app of scenario.apps) await deploy(ask, ids.get(app.name) ?? '', app, sleep)
  const deadline = world.virtualMs() + readyMs
  for (;;) {
    const why = await unsettled(self, wantedOf(scenario))
    if (why === undefined) break
    if (world.virtualMs() > deadline) throw new Error(`the simulated cluster did not come up: ${why}`)
    await sleep(pollMs)
  }
  bootedMs = world.virtualMs()
  return self
}

const holds = (
  site: Site,
  condition: Condition,
  hosts: readonly string[],
  processes: readonly LiveProcess[],
): boolean => {
  const view = site.cluster.view()
  const are = (...states: readonly string[]): boolean =>
    hosts.every((host) => states.includes(view?.members.find((member) => member.name === host)?.state ?? ''))
  switch (condition) {
    case 'braked':
      return view?.braked === true
    case 'suspected':
      return are('suspect', 'dead', 'left')
    case 'dead':
      return are('dead', 'left')
    case 'emptied':
      return !processes.some((process) => hosts.includes(process.host))
    case 'built':
    case 'serving':
    case 'settled':
      return false
  }
}

/** Asks until it is done: the cluster may still be coming up. */
const surely = async <T>(sleep: (ms: number) => Promise<void>, act: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await act()
    } catch (error) {
      if (!(error instanceof OpFailed) || tries === 50) throw error
      await sleep(pollMs)
    }
  }
}

const deploy = async (
  ask: Asking,
  id: string,
  app: AppSpec,
  sleep: (ms: number) => Promise<void>,
): Promise<void> => {
  const types = Object.entries(app.types)
  const [who, releases, formation] = [ref(App, id), ref(Releases, id), ref(Formation, id)]
  const slug = {
    id: `${id}-slug`,
    sha256: '0'.repeat(64),
    bytes: 1,
    stack: 'heroku-24',
    commit: '60a874b3',
    description: 'Deploy',
    buildpackDescription: 'Procfile',
    createdAt: 1,
    processTypes: Object.fromEntries(
      types.map(([type, { does }]) => [type, does === 'web' ? 'web' : 'worker']),
    ),
  }
  const name = app.name
  await surely(sleep, () => ask(who, { type: 'create', name, owner: by, region: 'us', stack: 's' }))
  await surely(sleep, () => ask(releases, { type: 'deploy', slug, description: 'Deploy', by }))
  const updates = types.map(([type, { quantity, singleton }]) => ({
    type,
    quantity: String(quantity),
    ...(singleton === undefined ? {} : { singleton }),
  }))
  // The formation hears of the release a moment later, and then knows its types.
  await surely(sleep, () => ask(formation, { type: 'scale', updates, by }))
}

export const door: Door = { boot, whyNot: () => undefined }
