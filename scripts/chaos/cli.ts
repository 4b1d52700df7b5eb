/** The command line of the chaos harness, as data; and what it prints. */
import { parseArgs } from 'node:util'
import { worldNames, type WorldName } from './language.ts'

export const usage = `usage: npm run chaos -- [list | all | <scenario> …] [--world ${worldNames.join('|')}]
  [--runs N] [--seed S] [--plant NAME] [--verbose] [--json]`

export type Command = {
  /** Names, or `all`, or nothing for the list. */
  readonly scenarios: readonly string[]
  readonly world: WorldName | undefined
  readonly runs: number
  readonly seed: number
  readonly plant: string | undefined
  readonly verbose: boolean
  readonly json: boolean
}

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const options = {
  world: { type: 'string' },
  runs: { type: 'string', default: '1' },
  seed: { type: 'string', default: '1' },
  plant: { type: 'string' },
  verbose: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

const whole = (name: string, text: string): number => {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new UsageError(`--${name} ${text} is not allowed: want a whole number above 0`)
}

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'bad arguments', { cause: error })
  }
}

/** @throws UsageError */
export const readCommand = (args: readonly string[]): Command => {
  const { values, positionals } = parse(args)
  const world = worldNames.find((name) => name === values.world)
  if (values.world !== undefined && world === undefined) {
    throw new UsageError(`--world ${values.world} is not known: ${worldNames.join(', ')}`)
  }
  return {
    scenarios: positionals.filter((name) => name !== 'list'),
    world,
    runs: whole('runs', values.runs),
    seed: whole('seed', values.seed),
    plant: values.plant,
    verbose: values.verbose,
    json: values.json,
  }
}
