/**
 * Runs a scenario in a world: load, timeline, repair, and then the checker. The same for every world; knows
 * none of them.
 */
import { check, type Verdict } from './check.ts'
import { infoOf, isServing, unsettled, unsettledApp, wantedOf, type Wanted } from './conditions.ts'
import type { FinalApp, FinalBuild, History } from './history.ts'
import type { Condition, Scenario, Step } from './language.ts'
import { startLoad, type Running } from './load.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import type { Boot, World, WorldOptions } from './world.ts'

export type Ran = { readonly verdict: Verdict; readonly history: History }

const pollMs = 50
const finalMs = 60_000

export const runScenario = async (scenario: Scenario, boot: Boot, options: WorldOptions): Promise<Ran> => {
  const world = await boot(scenario, options)
  let load: Running | undefined
  try {
    const recorder = createRecorder(world)
    const wanted = wantedOf(scenario)
    const scene: Scene = { world, wanted, recorder: knowing(recorder, wanted), log: options.log }
    load = startLoad(world, scenario, scene.recorder)
    for (const step of scenario.timeline) await take(scene, step)
    await world.heal()
    await load.stopWrites()
    const { servingMs, settledMs } = scenario.bounds
    await until(scene, 'serving', servingMs)
    await until(scene, 'settled', settledMs)
    await load.stop()
    // Asked first: observing ends the tickers.
    const final = await finalAtRest(scene, scenario)
    const builds = await finalBuilds(scene, scenario)
    const history = recorder.history({ ...(await world.observed()), final, builds })
    for (const told of history.log)
      if ('lost' in told) options.log(`${told.code} tells of ${told.lost} lines`)
    return { history, verdict: check(history, scenario.bounds) }
  } finally {
    load?.abandon()
    await world.close()
  }
}

type Scene = {
  readonly world: World
  readonly wanted: Wanted
  readonly recorder: Recorder
  readonly log: (line: string) => void
}

/** The recorder, also keeping what is known to be wanted. */
const knowing = (recorder: Recorder, wanted: Wanted): Recorder => ({
  ...recorder,
  scale: async (app, type, quantity) => {
    const before = wanted.get(app)
    wanted.set(app, undefined)
    const isDone = await recorder.scale(app, type, quantity)
    if (isDone && before !== undefined) wanted.set(app, { ...before, [type]: quantity })
    return isDone
  },
})

const take = async (scene: Scene, step: Step): Promise<void> => {
  const { world, recorder } = scene
  if ('wait' in step) {
    await world.sleep(world.name === 'sim' ? (step.simulated ?? step.wait) : step.wait)
    return
  }
  if ('until' in step) {
    await until(scene, step.until, step.withinMs)
    return
  }
  if ('build' in step) {
    const host = await recorder.build(step)
    scene.log(`${Math.round(world.now())} ms: ${step.build} is being built on ${host}`)
    return
  }
  const at = world.now()
  const hosts = await world.fault(step)
  recorder.struck({ at, fault: step, hosts })
  scene.log(`${Math.round(at)} ms: ${step.do} ${hosts.join(' ')}`)
}

const until = async (scene: Scene, condition: Condition, withinMs: number): Promise<void> => {
  const { world, recorder } = scene
  const fromAt = world.now()
  let why: string | undefined
  const holds = async (): Promise<boolean> => {
    if (condition === 'serving') return isServing(world, scene.wanted)
    if (condition === 'built') return recorder.building() === 0
    if (condition !== 'settled') return world.holds(condition, recorder.faults.at(-1)?.hosts ?? [])
    why = await unsettled(world, scene.wanted)
    return why === undefined
  }
  for (;;) {
    const held = await holds()
    const now = world.now()
    if (held || now - fromAt > withinMs) {
      recorder.waited({ condition, fromAt, heldAt: held ? now : null })
      const took = Math.round(now - fromAt)
      scene.log(
        `${Math.round(now)} ms: ${condition} ${held ? 'after' : 'not within'} ${took} ms ${why ?? ''}`,
      )
      return
    }
    await world.sleep(pollMs)
  }
}

/**
 * A dyno may be moved for balance after all had settled: a look in between would see two of it. What is still
 * not at rest when the time is over is for the checker.
 */
const finalAtRest = async (scene: Scene, scenario: Scenario): Promise<readonly FinalApp[] | null> => {
  const { world } = scene
  const deadline = world.now() + scenario.bounds.settledMs
  for (;;) {
    const final = await finalOf(scene, scenario)
    const live = await world.processes()
    const isAtRest = final?.every((info) => unsettledApp(info, live) === undefined) ?? true
    if (isAtRest || world.now() > deadline) return final
    await world.sleep(pollMs)
  }
}

/** What the API says in the end; null when it did not say so in time. */
const finalOf = async (scene: Scene, scenario: Scenario): Promise<readonly FinalApp[] | null> => {
  const { world } = scene
  const deadline = world.now() + finalMs
  const apps: FinalApp[] = []
  for (const { name } of scenario.apps) {
    let info = await infoOf(world, name)
    while (info === undefined && world.now() < deadline) {
      await world.sleep(pollMs)
      info = await infoOf(world, name)
    }
    if (info === undefined) return null
    apps.push(info)
  }
  return apps
}

/** @throws OpFailed when the API does not say, which it just did */
const finalBuilds = async ({ world }: Scene, scenario: Scenario): Promise<readonly FinalBuild[]> => {
  const apps = new Set(scenario.timeline.flatMap((step) => ('build' in step ? [step.build] : [])))
  const { builders } = world
  if (builders === undefined) return []
  return (await Promise.all([...apps].map(builders.builds))).flat()
}
