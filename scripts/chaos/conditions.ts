/** What the runner waits for, read from what the machines tell, from what the API says, and by asking. */
import type { FinalApp } from './history.ts'
import type { Scenario } from './language.ts'
import { OpFailed, type LiveProcess, type World } from './world.ts'

/** What an app is known to want; undefined: unknown since a scale was not answered. */
export type Wanted = Map<string, Readonly<Record<string, number>> | undefined>

export const wantedOf = (scenario: Scenario): Wanted =>
  new Map(
    scenario.apps.map((app) => [
      app.name,
      Object.fromEntries(Object.entries(app.types).map(([type, { quantity }]) => [type, quantity])),
    ]),
  )

export const slotsOf = (quantities: Readonly<Record<string, number>>): string[] =>
  Object.entries(quantities).flatMap(([type, quantity]) =>
    Array.from({ length: quantity }, (_, at) => `${type}.${at + 1}`),
  )

/** Undefined when the API does not answer now. */
export const infoOf = async (world: World, app: string): Promise<FinalApp | undefined> => {
  try {
    return await world.clients.info(app)
  } catch (error) {
    if (error instanceof OpFailed) return undefined
    throw error
  }
}

/** Each app's quantities, asked for where they are not known. */
const quantities = async (
  world: World,
  wanted: Wanted,
): Promise<Map<string, readonly string[]> | undefined> => {
  const slots = new Map<string, readonly string[]>()
  for (const [app, known] of wanted) {
    const found = known ?? (await infoOf(world, app))?.quantities
    if (found === undefined) return undefined
    wanted.set(app, found)
    slots.set(app, slotsOf(found))
  }
  return slots
}

export const isServing = async (world: World, wanted: Wanted): Promise<boolean> => {
  const slots = await quantities(world, wanted)
  if (slots === undefined) return false
  const live = await world.processes()
  for (const [app, names] of slots) {
    const up = live.filter((process) => process.app === app && process.up && process.reachable)
    if (!names.every((name) => up.some((process) => process.dyno === name))) return false
  }
  for (const [app, names] of slots) {
    if (names.some((name) => name.startsWith('web.')) && !(await answers(world, app))) return false
  }
  return true
}

const answers = async (world: World, app: string): Promise<boolean> => {
  try {
    return (await world.clients.request(app)).status === 200
  } catch (error) {
    if (error instanceof OpFailed) return false
    throw error
  }
}

/** Why it is not settled; undefined: it is. */
export const unsettled = async (world: World, wanted: Wanted): Promise<string | undefined> => {
  const live = await world.processes()
  for (const [app, known] of wanted) {
    const info = await infoOf(world, app)
    if (info === undefined) return `the API does not answer for ${app}`
    if (known === undefined) wanted.set(app, info.quantities)
    const wrong = unsettledApp(info, live)
    if (wrong !== undefined) return `${app} ${wrong}`
  }
  return (await isServing(world, wanted)) ? undefined : 'not serving'
}

/** Why an app is not what it wants to be, by the API and by what runs; undefined: it is. */
export const unsettledApp = (info: FinalApp, all: readonly LiveProcess[]): string | undefined => {
  const live = all.filter((process) => process.app === info.app)
  const newest = Math.max(...info.releases.map((release) => release.version))
  const slots = slotsOf(info.quantities)
  for (const name of slots) {
    const dyno = info.dynos.find((one) => one.name === name)
    const runs = live.filter((process) => process.dyno === name)
    if (dyno?.state !== 'up') return `${name} is ${dyno?.state ?? 'missing'}`
    if (dyno.releaseVersion !== newest) return `${name} is of v${dyno.releaseVersion}, not v${newest}`
    if (runs.length !== 1) return `${name} has ${runs.length} processes`
    if (runs[0]?.run !== dyno.run) return `${name} is another process than the one on record`
  }
  const surplus = live.find((process) => !slots.includes(process.dyno))
  return surplus === undefined ? undefined : `${surplus.dyno} runs unasked on ${surplus.host}`
}
