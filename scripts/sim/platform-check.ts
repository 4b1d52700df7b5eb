/**
 * What must be true of the platform when the trouble is over: each broken promise is one line of text.
 */
import { App } from '../../actors/protocols/app.ts'
import { Formation } from '../../actors/protocols/formation.ts'
import { Releases } from '../../actors/protocols/releases.ts'
import type { DynoView, ProcessType, Release } from '../../actors/protocols/shapes.ts'
import { ref } from '../../src/runtime/index.ts'
import type { Cluster } from './cluster.ts'
import { liveOf, type Process } from './engine.ts'
import { eventFaults, typeFaults } from './events-check.ts'
import type { Known } from './known.ts'
import type { Trouble } from './mix.ts'
import type { UsageCheck } from './usage-check.ts'

/**
 * Unreported launches are given up after 30 s, dynos have 30 s to end, shards hear routes every 30 s; a
 * preboot takes up to 6 minutes.
 */
const convergeMs = 420_000
const stepMs = 2_000

/**
 * @param trouble.floods mailboxes were filled on purpose: what was refused then is no bug
 * @param trouble.rollsBack the record lost its end
 */
export const check = async (
  c: Cluster,
  apps: readonly Known[],
  usage: UsageCheck,
  { floods, rollsBack }: Pick<Trouble, 'floods' | 'rollsBack'>,
): Promise<string[]> => {
  const deadline = c.world.clock.now() + convergeMs
  const violations: string[] = []
  for (const app of apps) {
    for (;;) {
      const wrong = await checkApp(c, app)
      if (wrong.length === 0) break
      if (c.world.clock.now() < deadline) {
        await c.world.run(() => false, stepMs)
        continue
      }
      violations.push(...wrong.map((text) => `${app.name} ${app.id.slice(0, 8)}: ${text}`))
      break
    }
  }
  while (usage.faults().length > 0 && c.world.clock.now() < deadline) await c.world.run(() => false, stepMs)
  violations.push(...usage.faults())
  const told = (): string[] => eventFaults(c, apps, rollsBack)
  while (told().length > 0 && c.world.clock.now() < deadline) await c.world.run(() => false, stepMs)
  violations.push(...told())
  const ids = new Set(apps.map((app) => app.id))
  for (const process of liveProcesses(c)) {
    if (!ids.has(process.run.appId)) violations.push(`a run of no app: ${process.run.id}`)
  }
  violations.push(...names(c, apps), ...deadLetters(c, floods))
  return violations
}

const liveProcesses = (c: Cluster): Process[] => [...c.machines.values()].flatMap(liveOf)

/** What an ask of the platform came to; `refused` is an answer too. */
const get = async <T>(asked: Promise<T>): Promise<T | 'refused' | 'failed'> =>
  asked.catch((error: unknown) => ((error as { kind?: string }).kind === 'refused' ? 'refused' : 'failed'))

const checkApp = async (c: Cluster, app: Known): Promise<string[]> => {
  const info = await get(c.answer(ref(App, app.id), { type: 'info' }))
  if (info === 'failed') return ['does not answer']
  if (info === 'refused') {
    const wrong = app.created && !app.destroying ? ['was created, and is not there'] : []
    return [...wrong, ...remains(c, app)]
  }
  if (app.destroyed) return ['was destroyed, and is there']
  if (info.name !== app.name) return [`is called ${info.name}`]
  const list = await get(c.answer(ref(Releases, app.id), { type: 'list' }))
  const types = await get(c.answer(ref(Formation, app.id), { type: 'types' }))
  const dynos = await get(c.answer(ref(Formation, app.id), { type: 'dynos' }))
  if (typeof list === 'string' || typeof types === 'string' || typeof dynos === 'string') {
    return ['its releases or its formation do not answer']
  }
  const current = list.releases[list.currentVersion - 1]
  if (current === undefined) return [`v${list.currentVersion} holds, and is not there`]
  return [
    ...checkReleases(app, list.releases),
    ...checkPhases(c, list.releases),
    ...checkSlots(c, app, types.types, dynos.dynos, current),
    ...typeFaults(c, app.id, types.types),
    ...checkRoute(c, app, dynos.dynos),
  ]
}

/** An app that is not there has nothing there. A shard that missed its end finds out when it asks again. */
const remains = (c: Cluster, app: Known): string[] => {
  const records = c.world.store.truth('actor/').filter((entry) => entry.key.endsWith(app.id))
  const names = c.world.store.truth('name/').filter((e) => Buffer.from(e.value).toString().includes(app.id))
  const runs = liveProcesses(c).filter((process) => process.run.appId === app.id)
  return [
    ...records.map((entry) => `left a record: ${entry.key}`),
    ...names.map((entry) => `left a name: ${entry.key}`),
    ...runs.map((process) => `left a run: ${process.run.name}`),
  ]
}

const checkReleases = (app: Known, releases: readonly Release[]): string[] => {
  const wrong = releases.flatMap((release, at) =>
    release.version === at + 1 ? [] : [`version ${release.version} in the place of ${at + 1}`],
  )
  for (const [version, { id, configId }] of app.releases) {
    const release = releases[version - 1]
    if (release === undefined) wrong.push(`lost v${version}, which was acknowledged`)
    else if (id !== undefined && release.id !== id) wrong.push(`v${version} is another release`)
    else if (configId !== undefined && release.configId !== configId) wrong.push(`v${version} has other vars`)
  }
  return wrong
}

/** Of each release command there was one life at most, and what became of its release is what it came to. */
const checkPhases = (c: Cluster, releases: readonly Release[]): string[] =>
  releases.flatMap((release) => {
    if (release.hasPhase !== true) return []
    const { version, status, slug } = release
    if (status === 'pending') return [`the command of v${version} has not ended`]
    const lives = [...c.machines.values()]
      .flatMap((machine) => machine.lives)
      .filter(({ run }) => run.isPhase === true && run.releaseId === release.id)
    const exits = lives.map(({ exited }) => exited?.code)
    const wrong = lives.length > 1 ? [`the command of v${version} ran ${lives.length} times`] : []
    const isEarned = exits.includes(0) && slug?.processTypes['release'] === 'exit 0'
    return status === 'succeeded' && !isEarned ? [...wrong, `v${version} holds, its command did not`] : wrong
  })

const checkSlots = (
  c: Cluster,
  app: Known,
  types: readonly ProcessType[],
  dynos: readonly DynoView[],
  current: Release,
): string[] => {
  const wrong: string[] = []
  for (const [type, quantity] of app.scale ?? []) {
    const found = types.find((one) => one.type === type)?.quantity
    if (found !== quantity) wrong.push(`${type} was scaled to ${quantity}, stands at ${found}`)
  }
  const wanted = types.flatMap(({ type, quantity }) =>
    Array.from({ length: quantity }, (_, at) => `${type}.${at + 1}`),
  )
  const formed = dynos.filter((dyno) => wanted.includes(dyno.name))
  const missing = wanted.filter((name) => !dynos.some((dyno) => dyno.name === name))
  const surplus = dynos.filter(({ name, type }) => !wanted.includes(name) && !oneOffs.has(type))
  wrong.push(
    ...missing.map((name) => `${name} is missing`),
    ...surplus.map((dyno) => `${dyno.name} is too many`),
  )
  const live = liveProcesses(c).filter((process) => process.run.appId === app.id)
  for (const dyno of formed) {
    const runs = live.filter((process) => process.run.name === dyno.name)
    const versions = runs.map((process) => process.run.releaseVersion)
    // A process that crashed twice cools off, an Eco app may sleep: that is as it should be.
    if (dyno.state === 'crashed' || dyno.state === 'idle') {
      if (runs.length > 0) wrong.push(`${dyno.name} is ${dyno.state}, and runs`)
    } else if (dyno.state !== 'up') wrong.push(`${dyno.name} is ${dyno.state}`)
    else if (runs.length !== 1) wrong.push(`${dyno.name} has ${runs.length} runs`)
    else if (versions[0] !== current.version)
      wrong.push(`${dyno.name} runs v${versions[0]} of ${current.version}`)
    else if (runs[0]?.run.id !== dyno.id) wrong.push(`${dyno.name} is another run`)
  }
  for (const { run } of live) if (!wanted.includes(run.name)) wrong.push(`${run.name} runs unasked`)
  return wrong
}

const oneOffs = new Set(['run', 'release'])

const checkRoute = (c: Cluster, app: Known, dynos: readonly DynoView[]): string[] => {
  const route = c.outside.routes.get(app.id)
  const up = dynos.filter((dyno) => dyno.type === 'web' && dyno.state === 'up')
  if (route === undefined) return up.length === 0 ? [] : ['no route was published']
  const wrong = route.gone || route.appName !== app.name ? ['its route is not its own'] : []
  const truth = liveProcesses(c)
    .filter((process) => process.run.appId === app.id && process.run.type === 'web' && process.bound)
    .map((process) => `${process.run.id} ${process.address}:${process.port}`)
    .sort()
  const said = route.targets.map((target) => `${target.runId} ${target.address}:${target.port}`).sort()
  return said.join() === truth.join()
    ? wrong
    : [...wrong, `its route says ${said.length} of ${truth.length} targets`]
}

/** A name leads to one app, and that one has it. */
const names = (c: Cluster, apps: readonly Known[]): string[] => {
  const holders = new Map(
    c.world.store.truth('name/app/').map((entry) => {
      const { appId } = JSON.parse(Buffer.from(entry.value).toString()) as { appId: string }
      return [entry.key.slice('name/app/'.length), appId]
    }),
  )
  return apps
    .filter((app) => app.created && !app.destroying && holders.get(app.name) !== app.id)
    .map((app) => `the name ${app.name} does not lead to ${app.id}`)
}

/** Every reason for which a message may go nowhere while hosts come and go; any other one is a bug. */
const explained = new Set([
  'noproc',
  'stopped',
  'expired',
  'unreachable',
  'no_owner',
  'too_many_hops',
  'late_reply',
  'late_answer',
  'late_result',
])

const deadLetters = (c: Cluster, flooded: boolean): string[] =>
  c.world.alive().flatMap((host) =>
    Object.entries(c.world.node(host).report().deadLetters)
      .filter(
        ([reason, count]) => count > 0 && !explained.has(reason) && !(flooded && reason === 'mailbox_full'),
      )
      .map(([reason, count]) => `${count} dead letters on ${host}: ${reason}`),
  )
