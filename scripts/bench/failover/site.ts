/** The cluster of the failover bench: three machines of the netns lab and one app with a web dyno on each. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { AppSpec, HostSpec, Target } from '../../chaos/language.ts'
import { clientsOf } from '../../chaos/worlds/clients.ts'
import { dynosIn, type Dyno } from '../../chaos/worlds/dynos.ts'
import { startCluster, namesOf } from '../../chaos/worlds/netns/cluster.ts'
import { deploy } from '../../chaos/worlds/netns/deploy.ts'
import { faultsOf, unhurt, type Faults } from '../../chaos/worlds/netns/faults.ts'
import { openLab, type Lab } from '../../chaos/worlds/netns/lab.ts'
import { targetsOf } from '../../chaos/worlds/netns/targets.ts'

/** What the app answers, and how long it took from its command to listening. */
export type Said = { readonly life: string; readonly bootMs: number }

export type Site = {
  readonly strike: Faults['strike']
  /** Repairs everything, and resolves when each host has one dyno that is up, on record and alone. */
  readonly settle: () => Promise<void>
  readonly named: (target: Target) => Promise<string>
  readonly dynos: () => readonly Dyno[]
  /** One GET through the router of a host that is not hurt; undefined when it was not answered with 200. */
  readonly ask: () => Promise<Said | undefined>
  /** What the hosts said last. */
  readonly words: () => string
  readonly close: () => Promise<void>
}

const specs: readonly HostSpec[] = [{ zone: 'a' }, { zone: 'b' }, { zone: 'c' }]
const app: AppSpec = { name: 'probe', types: { web: { does: 'web', quantity: specs.length } } }
const askMsMax = 2_000
const settleMsMax = 180_000
const pollMs = 100
/** Hosts tell every control host what they have started within a second: twice that. */
const announcedMs = 2_000
const wordsMax = 4_000

export const openSite = async (log: (line: string) => void): Promise<Site> => {
  const lab = await openLab({ machines: namesOf(specs) })
  try {
    return await furnish(lab, log)
  } catch (error) {
    await lab.close()
    throw error
  }
}

const furnish = async (lab: Lab, log: (line: string) => void): Promise<Site> => {
  const cluster = await startCluster(lab, specs, log)
  const { names, host } = cluster
  const hurt = unhurt()
  const well = (): readonly string[] =>
    names.filter((name) => !hurt.off.has(name) && !hurt.frozen.has(name) && !hurt.apart.has(name))
  const dynos = (): readonly Dyno[] =>
    names.flatMap((name) => {
      const machine = lab.machine(name)
      const folder = join(host(name).home, 'containers')
      return machine === undefined ? [] : dynosIn(name, `/proc/${machine.init}/root`, folder)
    })
  const dynosOn = (name: string): number => dynos().filter((dyno) => dyno.host === name).length
  const targets = targetsOf(lab, cluster, well, dynosOn, () => undefined)
  const faults = faultsOf(lab, cluster, hurt, targets, () => performance.now())
  const get = (name: string, of: string) =>
    lab.exchange(host(name).router, {
      path: '/',
      headers: { host: `${of}.localhost`, connection: 'close' },
      timeoutMs: askMsMax,
    })
  const clients = clientsOf({
    api: (name) => host(name).api(),
    get,
    dynos,
    reachable: () => well().filter((name) => host(name).isUp()),
  })
  let turn = 0
  const ask = async (): Promise<Said | undefined> => {
    const routers = well()
    const name = routers[turn++ % routers.length]
    if (name === undefined) return undefined
    const answer = await get(name, app.name).catch(() => undefined)
    return answer?.status === 200 ? (JSON.parse(answer.body) as Said) : undefined
  }
  const why = async (count: number): Promise<string | undefined> => {
    const rows = await targets.hosts()
    const away = rows.find(({ state }) => state !== 'up')
    if (rows.length !== names.length || away !== undefined) return `${away?.name ?? 'a host'} is not up`
    const live = dynos()
    if (live.length !== count || live.some(({ up }) => !up)) return `${live.length} dynos run, not ${count}`
    const { dynos: recorded } = await clients.info(app.name)
    const isKnown = ({ run }: Dyno): boolean =>
      recorded.some((dyno) => dyno.run === run.id && dyno.state === 'up')
    return live.every(isKnown) && recorded.length === count ? undefined : 'the record differs'
  }
  const words = (): string =>
    names.map((name) => `${name}:\n${host(name).output().slice(-wordsMax)}`).join('\n')
  const settled = async (count: number): Promise<void> => {
    const deadline = performance.now() + settleMsMax
    for (;;) {
      const reason = await why(count).catch((error: unknown) => String(error))
      if (reason === undefined) return
      if (performance.now() > deadline) {
        throw new Error(`the cluster does not settle: ${reason}\n${words()}`)
      }
      await pause(pollMs)
    }
  }
  /** Again and again: the owner of the record may just have moved. */
  const scale = async (quantity: number): Promise<void> => {
    const deadline = performance.now() + settleMsMax
    for (;;) {
      try {
        await clients.scale(app.name, 'web', quantity)
        return
      } catch (error) {
        if (performance.now() > deadline) throw error
        await pause(pollMs)
      }
    }
  }
  await deploy(lab, host(names[0] ?? ''), app, 1)
  return {
    strike: faults.strike,
    named: async (target) => (await targets.named(target, []))[0] ?? '',
    dynos,
    ask,
    settle: async () => {
      await faults.heal()
      // From none to three: nothing but placement says where they go, and it spreads them.
      await scale(0)
      await settled(0)
      await scale(names.length)
      await settled(names.length)
      await pause(announcedMs)
    },
    words,
    close: lab.close,
  }
}
