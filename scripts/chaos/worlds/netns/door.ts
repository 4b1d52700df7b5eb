/**
 * The netns world: real hosts, each on a machine made of network, mount, host name and process namespaces, on
 * one bridge; real nats-servers, runc, git. Needs root.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { unsettled, wantedOf } from '../../conditions.ts'
import type { AppSpec, Condition, Scenario } from '../../language.ts'
import type { Boot, Door, LiveProcess, World } from '../../world.ts'
import { clientsOf, type Reach } from '../clients.ts'
import { dynosIn, type Dyno } from '../dynos.ts'
import { watchLives } from '../lives.ts'
import { openLogSink } from '../log-sink.ts'
import { linesOf, stopTickers, tickingApps } from '../tickers.ts'
import { buildersOf } from './builds.ts'
import { namesOf, startCluster, within, type Cluster } from './cluster.ts'
import { deploy } from './deploy.ts'
import { faultsOf, unhurt } from './faults.ts'
import { openLab, whyNoLab, type Lab } from './lab.ts'
import { targetsOf, type Targets } from './targets.ts'

const readyMsMax = 120_000
const diskBytes = 1024 ** 3
const keepStoresMs = 1_000
const requestMs = 30_000
const logMs = 5_000
const lookMs = 5_000

/** Machines with hosts on them that are a cluster, for one world or more. */
export type NetnsSite = { readonly lab: Lab; readonly cluster: Cluster }

/** @throws Error; nothing is left then */
export const openSite = async (scenario: Scenario, log: (line: string) => void): Promise<NetnsSite> => {
  const hasDisks = scenario.timeline.some((step) => 'do' in step && step.do.startsWith('disk-'))
  const hasReceiver = scenario.load.drained === true
  const lab = await openLab({
    machines: namesOf(scenario.hosts),
    ...(hasDisks ? { diskBytes } : {}),
    hasReceiver,
  })
  try {
    return { lab, cluster: await startCluster(lab, scenario.hosts, log) }
  } catch (error) {
    await lab.close()
    throw error
  }
}

const boot: Boot = async (scenario, options) => {
  const site = await openSite(scenario, options.log)
  try {
    const world = await worldOn(site)(scenario, options)
    const close = async (): Promise<void> => {
      await world.close()
      await site.lab.close()
    }
    return { ...world, close }
  } catch (error) {
    await site.lab.close()
    throw error
  }
}

/** A world that leaves its site to whoever opened it. */
export const worldOn =
  ({ lab, cluster }: NetnsSite): Boot =>
  (scenario, { log }) =>
    furnish(lab, cluster, scenario, log)

const furnish = async (
  lab: Lab,
  cluster: Cluster,
  scenario: Scenario,
  log: (line: string) => void,
): Promise<World> => {
  const { names, host } = cluster
  const hurt = unhurt()
  const bootedMs = performance.now()
  const now = (): number => performance.now() - bootedMs
  const isWell = (name: string): boolean =>
    !hurt.off.has(name) && !hurt.frozen.has(name) && !hurt.apart.has(name)
  const reachable = (): readonly string[] => names.filter(isWell)
  /** A load balancer finds out that one answers nobody. */
  const routers = (): readonly string[] => reachable().filter((name) => !hurt.frozenRouters.has(name))
  const dynos = (): readonly Dyno[] =>
    names.flatMap((name) => {
      const machine = lab.machine(name)
      const folder = join(host(name).home, 'containers')
      return machine === undefined ? [] : dynosIn(name, `/proc/${machine.init}/root`, folder)
    })
  const dynosOn = (name: string): number => dynos().filter((dyno) => dyno.host === name).length
  /** Whatever their roles: any host answers any call. */
  const apis = (): readonly string[] => reachable().filter((name) => host(name).isUp())
  const builders = buildersOf({ lab, cluster, apis, log })
  const targets = targetsOf(lab, cluster, reachable, dynosOn, builders.last)
  const faults = faultsOf(lab, cluster, hurt, targets, now)
  const api: Reach['api'] = (name) => host(name).api()
  const get: Reach['get'] = (name, app, headers) =>
    lab.exchange(host(name).router, {
      path: '/',
      headers: { host: `${app}.localhost`, connection: 'close', ...headers },
      timeoutMs: requestMs,
    })
  const clients = {
    ...clientsOf({ api, get, dynos, reachable: apis }),
    request: clientsOf({ api, get, dynos, reachable: routers }).request,
  }
  for (const app of scenario.apps) await furnishApp(lab, cluster, app, scenario.load.linesPerSecond ?? 1)
  const { receiver } = lab
  if (receiver !== undefined)
    for (const app of tickingApps(scenario)) await addDrain(cluster, app, receiver.urlOf(app))
  const sink = openLogSink(
    tickingApps(scenario),
    {
      hosts: apis,
      api: (name) => host(name).api(logMs),
      listen: (name, path, headers) => host(name).listen(path, headers),
    },
    now,
  )
  const watching = watchLives(dynos, now, (dyno) => linesOf(scenario, dyno))
  const rollsBack = scenario.timeline.some((step) => 'do' in step && step.do === 'rollback')
  const keeping = rollsBack ? setInterval(() => faults.keepStores(now()), keepStoresMs) : undefined
  const self: World = {
    name: 'netns',
    now,
    sleep: (ms) => pause(ms),
    clients,
    builders,
    fault: (fault) => {
      if (fault.do === 'rollback') clearInterval(keeping)
      return faults.strike(fault)
    },
    heal: faults.heal,
    processes: async (): Promise<readonly LiveProcess[]> =>
      dynos().map(({ host: on, run, up }) => ({
        app: run.appName,
        dyno: run.name,
        run: run.id,
        host: on,
        up,
        reachable: isWell(on),
      })),
    routers: async () => routers(),
    holds: (condition, hosts) => holds(cluster, targets, apis, dynosOn, condition, hosts),
    observed: async () => {
      // Taken before the tickers end: that is the harness' doing.
      const lives = watching.lives()
      await stopTickers(scenario, clients)
      await sink.quiet()
      await receiver?.quiet()
      const frames = receiver === undefined ? {} : { frames: receiver.frames() }
      return { lives, log: sink.events(), said: watching.said(), ...frames }
    },
    close: async () => {
      clearInterval(keeping)
      builders.close()
      watching.close()
      sink.close()
      for (const name of names) for (const line of host(name).output().split('\n')) log(`${name} ${line}`)
    },
  }
  let why: string | undefined
  await within(readyMsMax, 'every wanted dyno', async () => {
    why = await unsettled(self, wantedOf(scenario))
    return why === undefined
  }).catch((error: unknown) => {
    for (const name of names) log(`${name} ${host(name).output()}`)
    throw new Error(`the cluster did not come up: ${why ?? ''}`, { cause: error })
  })
  log('every wanted dyno is up')
  return self
}

const holds = async (
  cluster: Cluster,
  targets: Targets,
  apis: () => readonly string[],
  dynosOn: (host: string) => number,
  condition: Condition,
  hosts: readonly string[],
): Promise<boolean> => {
  if (condition === 'emptied') return hosts.every((name) => dynosOn(name) === 0)
  if (condition === 'braked') {
    const [from] = apis()
    if (from === undefined) return false
    const found = await cluster
      .host(from)
      .api(lookMs)
      .call('cluster.info')
      .catch(() => undefined)
    return found?.braked === true
  }
  const wanted = condition === 'dead' ? ['dead', 'left'] : ['suspect', 'dead', 'left']
  const rows = await targets.hosts()
  return hosts.every((name) => wanted.includes(rows.find((row) => row.name === name)?.state ?? ''))
}

const furnishApp = async (lab: Lab, cluster: Cluster, app: AppSpec, lines: number): Promise<void> => {
  // One that joined, and that may have to pass all of it on.
  const host = cluster.host(cluster.names.at(-1) ?? '')
  await deploy(lab, host, app, lines)
  const updates = Object.entries(app.types).map(([type, { quantity, singleton }]) => {
    return { type, quantity, ...(singleton === undefined ? {} : { singleton }) }
  })
  const formation = { params: { app: app.name }, body: { updates } }
  await host.api().call('formation.batch-update', formation)
}

const addDrain = async (cluster: Cluster, app: string, url: string): Promise<void> => {
  const [first = ''] = cluster.names
  await cluster.host(first).api().call('log-drains.create', { params: { app }, body: { url } })
}

export const door: Door = { boot, whyNot: whyNoLab }
