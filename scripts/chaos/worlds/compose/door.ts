/**
 * The compose world: config/compose.yaml on a Docker engine, three bus servers and three hosts in containers,
 * with the dynos in containers of theirs.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { unsettled, wantedOf } from '../../conditions.ts'
import type { AppSpec, Condition, Scenario } from '../../language.ts'
import type { Boot, Door, LiveProcess, World } from '../../world.ts'
import { filesOf } from '../app.ts'
import { clientsOf } from '../clients.ts'
import { watchLives } from '../lives.ts'
import { openLogSink } from '../log-sink.ts'
import { linesOf, stopTickers, tickingApps } from '../tickers.ts'
import { whyNoEngine } from './docker.ts'
import { faultsOf, type Faults } from './faults.ts'
import type { Keeper } from './keep.ts'
import { openSite, type Site } from './site.ts'

const hostsWanted = 3
const readyMsMax = 180_000
const pollMs = 200

const boot: Boot = async (scenario, { log }) => {
  if (scenario.hosts.length !== hostsWanted) throw new RangeError('the compose world has three hosts')
  const site = openSite(['h1', 'h2', 'h3'])
  const keeper = await site.keep()
  try {
    return await furnish(site, keeper, scenario, log)
  } catch (error) {
    await keeper.close()
    throw error
  }
}

const furnish = async (
  site: Site,
  keeper: Keeper,
  scenario: Scenario,
  log: (line: string) => void,
): Promise<World> => {
  await site.build(log)
  log('starting the containers')
  await site.compose(['up', '--detach'], { timeoutMs: readyMsMax })
  await site.look()
  const faults = faultsOf(site)
  await within('three hosts', async () => (await faults.hosts()).filter(isUp).length === hostsWanted)
  log('three hosts are up')
  for (const app of scenario.apps) await deploy(site, app, scenario.load.linesPerSecond ?? 1)
  const bootedMs = performance.now()
  const now = (): number => performance.now() - bootedMs
  const processes = async (): Promise<readonly LiveProcess[]> => {
    const reachable = faults.reachable()
    return site.dynos().map(({ host, run, up }) => {
      const { appName: app, name: dyno, id } = run
      return { app, dyno, run: id, host, up, reachable: reachable.includes(host) }
    })
  }
  const clients = {
    ...clientsOf({ ...site, reachable: faults.answering }),
    request: clientsOf({ ...site, reachable: faults.reachable }).request,
  }
  const sink = openLogSink(
    tickingApps(scenario),
    {
      hosts: faults.answering,
      api: site.api,
      listen: (host, path, headers) => site.listen(host, path, headers),
    },
    now,
  )
  const watching = watchLives(site.dynos, now, (dyno) => linesOf(scenario, dyno))
  const self: World = {
    name: 'compose',
    now,
    sleep: (ms) => pause(ms),
    clients,
    fault: (fault) => faults.strike(fault),
    heal: () => faults.heal(),
    processes,
    routers: async () => faults.reachable(),
    holds: (condition, hosts) => holds(site, faults, condition, hosts),
    observed: async () => {
      // Taken before the tickers end: that is the harness' doing.
      const lives = watching.lives()
      await stopTickers(scenario, clients)
      await sink.quiet()
      return { lives, log: sink.events(), said: watching.said() }
    },
    async close() {
      watching.close()
      sink.close()
      await keeper.close()
    },
  }
  await within('every wanted dyno', async () => (await unsettled(self, wantedOf(scenario))) === undefined)
  log('every wanted dyno is up')
  return self
}

const isUp = ({ state }: { readonly state: string }): boolean => state === 'up'

const within = async (what: string, holdsNow: () => Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + readyMsMax
  while (!(await holdsNow())) {
    if (performance.now() > deadline) throw new Error(`waited ${readyMsMax} ms in vain for ${what}`)
    await pause(pollMs)
  }
}

const holds = async (
  site: Site,
  faults: Faults,
  condition: Condition,
  hosts: readonly string[],
): Promise<boolean> => {
  if (condition === 'emptied') return !site.dynos().some(({ host }) => hosts.includes(host))
  if (condition === 'braked') {
    const [from = 'h1'] = faults.answering()
    const found = await site
      .api(from)
      .call('cluster.info')
      .catch(() => undefined)
    return found?.braked === true
  }
  const wanted = condition === 'dead' ? ['dead', 'left'] : ['suspect', 'dead', 'left']
  const rows = await faults.hosts()
  return hosts.every((name) => wanted.includes(rows.find((row) => row.name === name)?.state ?? ''))
}

/** As its user would, by git, from the first host. */
const deploy = async (site: Site, app: AppSpec, linesPerSecond: number): Promise<void> => {
  const api = site.api('h1')
  await api.call('apps.create', { body: { name: app.name } })
  const folder = `/tmp/chaos/${app.name}`
  await site.exec('h1', `mkdir -p ${folder}`)
  for (const [file, text] of Object.entries(filesOf(app, linesPerSecond)))
    await site.exec('h1', `cat >${folder}/${file}`, text)
  const script = [
    `. $MANIFOLD_HOME/env && cd ${folder} && git init -q -b main && git add --all`,
    'git -c user.name=Chaos -c user.email=chaos@manifold.local commit -qm app',
    `git push https://localhost:5000/${app.name}.git main`,
  ]
  await site.exec('h1', script.join(' && '))
  const updates = Object.entries(app.types).map(([type, { quantity, singleton }]) => {
    return { type, quantity, ...(singleton === undefined ? {} : { singleton }) }
  })
  await api.call('formation.batch-update', { params: { app: app.name }, body: { updates } })
}

export const door: Door = { boot, whyNot: whyNoEngine }
