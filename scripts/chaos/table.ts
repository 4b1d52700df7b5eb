/** Results as a table for people and as one JSON line for machines. */
import type { Verdict } from './check.ts'
import type { WorldName } from './language.ts'

export type Row = {
  readonly scenario: string
  readonly world: WorldName
  /** `skip`: cannot run on this machine; says why in `why`. `error`: the world itself failed. */
  readonly verdict: 'pass' | 'fail' | 'skip' | 'error'
  /** Median over the runs; null: nothing to recover from, or never recovered. */
  readonly recoverMs: number | null
  /** Sums over the runs. */
  readonly requestsFailed: number
  readonly linesLost: number
  readonly acksLost: number
  readonly requests: number
  readonly linesCounted: number
  readonly linesInFlight: number
  readonly linesTwice: number
  readonly runs: number
  readonly recoverMsMax: number | null
  /** Broken promises, or why it could not run. */
  readonly why: readonly string[]
}

const none = {
  recoverMs: null,
  recoverMsMax: null,
  requestsFailed: 0,
  linesLost: 0,
  acksLost: 0,
  requests: 0,
  linesCounted: 0,
  linesInFlight: 0,
  linesTwice: 0,
}

export const skipped = (scenario: string, world: WorldName, why: string): Row => ({
  scenario,
  world,
  verdict: 'skip',
  ...none,
  runs: 0,
  why: [why],
})

export const failedRow = (scenario: string, world: WorldName, runs: number, why: string): Row => ({
  ...skipped(scenario, world, why),
  verdict: 'error',
  runs,
})

/** @param verdicts of each run, one at least */
export const rowOf = (scenario: string, world: WorldName, verdicts: readonly Verdict[]): Row => {
  const recovered = verdicts.flatMap(({ recoverMs }) => recoverMs ?? []).sort((a, b) => a - b)
  const sum = (of: (verdict: Verdict) => number): number => verdicts.reduce((all, one) => all + of(one), 0)
  const why = verdicts.flatMap(({ violations }) => violations.map(({ rule, text }) => `${rule}: ${text}`))
  return {
    scenario,
    world,
    verdict: why.length === 0 ? 'pass' : 'fail',
    recoverMs: recovered[Math.floor((recovered.length - 1) / 2)] ?? null,
    recoverMsMax: recovered.at(-1) ?? null,
    requestsFailed: sum((one) => one.requestsFailed),
    linesLost: sum((one) => one.linesLost),
    acksLost: sum((one) => one.acksLost),
    requests: sum((one) => one.requests),
    linesCounted: sum((one) => one.linesCounted),
    linesInFlight: sum((one) => one.linesInFlight),
    linesTwice: sum((one) => one.linesTwice),
    runs: verdicts.length,
    why,
  }
}

const columns: readonly (readonly [string, (row: Row) => string])[] = [
  ['scenario', (row) => row.scenario],
  ['world', (row) => row.world],
  ['verdict', (row) => row.verdict],
  ['runs', (row) => String(row.runs)],
  ['recover ms', (row) => String(row.recoverMs ?? '-')],
  ['worst ms', (row) => String(row.recoverMsMax ?? '-')],
  ['requests', (row) => String(row.requests)],
  ['failed', (row) => String(row.requestsFailed)],
  ['lines lost', (row) => String(row.linesLost)],
  ['counted', (row) => String(row.linesCounted)],
  ['in flight', (row) => String(row.linesInFlight)],
  ['twice', (row) => String(row.linesTwice)],
  ['acks lost', (row) => String(row.acksLost)],
]

export const tableText = (rows: readonly Row[]): string => {
  const cells = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, of]) => of(row)))]
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)))
  const text = (line: readonly string[]) =>
    line
      .map((cell, at) => (at < 3 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd()
  return cells.map(text).join('\n')
}
