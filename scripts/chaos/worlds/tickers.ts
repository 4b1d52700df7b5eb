/** The processes of a scenario that say numbered lines, in worlds of real hosts. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Scenario } from '../language.ts'
import type { Clients } from '../world.ts'
import { saidFile } from './app.ts'
import { whileThere, type Dyno } from './dynos.ts'

type Ticker = { readonly app: string; readonly type: string }

const tickersOf = ({ apps }: Scenario): readonly Ticker[] =>
  apps.flatMap(({ name, types }) =>
    Object.entries(types).flatMap(([type, { does }]) => (does === 'ticker' ? [{ app: name, type }] : [])),
  )

/** Names of the apps that have one. */
export const tickingApps = (scenario: Scenario): readonly string[] => [
  ...new Set(tickersOf(scenario).map(({ app }) => app)),
]

/** What a ticker wrote down of its own lines, it may have said one more; undefined: it is none. */
export const linesOf = (scenario: Scenario, { run, root }: Dyno): number | undefined => {
  if (!tickersOf(scenario).some(({ app, type }) => app === run.appName && type === run.type)) return undefined
  const text = whileThere(() => readFileSync(join(root, saidFile), 'utf8'))
  return text === undefined ? undefined : Number(text)
}

/** @throws OpFailed */
export const stopTickers = async (scenario: Scenario, clients: Clients): Promise<void> => {
  for (const { app, type } of tickersOf(scenario)) await clients.scale(app, type, 0)
}
