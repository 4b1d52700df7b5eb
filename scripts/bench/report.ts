/**
 * What every bench returns and how it is printed: one row a measurement, our figure beside its peers'
 * from the same run, the ratio, and the goal of DESIGN §9 with whether it was met.
 *
 * Text for people (`formatTable`), one JSON object for machines (`formatJson`). Pure.
 */
import assert from 'node:assert/strict'

/** One measurement. `ours` and `peers` share `unit`; a peer that is not installed or failed is null. */
export type Row = {
  readonly what: string
  /** Unit last, as in `cpu_us/request`, `msg/s`, `ms`. */
  readonly unit: string
  /** Null when our side could not be measured here; then `met` is false. */
  readonly ours: number | null
  readonly peers: Readonly<Record<string, number | null>>
  /** ours divided by the peer named in the goal; null when there is none to divide by. */
  readonly ratio: number | null
  /** `<=0.9` or `>=1`, about the ratio, or about `ours` when the row has no peers. Empty: no goal. */
  readonly goal: string
  readonly met: boolean | null
}

/** What a bench is given by the dispatcher. */
export type BenchOptions = {
  /** Shorter rounds, for a look; figures are noisier. */
  readonly quick: boolean
  /** Words after the bench's name that are not the dispatcher's own. */
  readonly args: readonly string[]
  /** Progress for people; goes to stderr so that stdout keeps its last line for JSON. */
  readonly log: (line: string) => void
}

/** What each `scripts/bench/<name>.ts` exports. */
export type Bench = { readonly run: (options: BenchOptions) => Promise<readonly Row[]> }

type RowInput = {
  what: string
  unit: string
  ours: number | null
  peers?: Record<string, number | null>
  /** The peer the goal speaks of; the best measured one when left out. */
  against?: string
  goal?: string
  /** Which direction is better decides the best peer. */
  better?: 'lower' | 'higher'
}

/** Builds a row, computing ratio and met. Goals: `<=n`, `<n`, `>=n`, `>n`. */
export function row(input: RowInput): Row {
  const peers = input.peers ?? {}
  const goal = input.goal ?? ''
  const base = input.against === undefined ? best(peers, input.better ?? 'lower') : peers[input.against]
  const ratio = input.ours === null || base === undefined || base === null ? null : round(input.ours / base)
  const judged = Object.keys(peers).length === 0 ? input.ours : ratio
  return {
    what: input.what,
    unit: input.unit,
    ours: input.ours === null ? null : round(input.ours),
    peers: Object.fromEntries(Object.entries(peers).map(([name, v]) => [name, v === null ? null : round(v)])),
    ratio,
    goal,
    met: goal === '' ? null : judged !== null && meets(judged, goal),
  }
}

/** The last line of `--json`: one object, the format of DESIGN §1. */
export function formatJson(bench: string, machine: string, rows: readonly Row[]): string {
  return JSON.stringify({ bench, machine, rows })
}

/** A table for people, one line a row. */
export function formatTable(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap((r) => Object.keys(r.peers)))]
  const head = ['what', 'unit', 'ours', ...names, 'ratio', 'goal', 'met']
  const lines = rows.map((r) => [
    r.what,
    r.unit,
    cell(r.ours),
    ...names.map((name) => (name in r.peers ? cell(r.peers[name] ?? null) : '')),
    r.ratio === null ? '' : String(r.ratio),
    r.goal,
    r.met === null ? '' : r.met ? 'yes' : 'no',
  ])
  const widths = head.map((h, i) => Math.max(h.length, ...lines.map((l) => (l[i] ?? '').length)))
  return [head, ...lines]
    .map((l) => l.map((text, i) => pad(text, widths[i] ?? 0, i > 1)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n')
}

function best(peers: Readonly<Record<string, number | null>>, better: 'lower' | 'higher'): number | null {
  const values = Object.values(peers).filter((v) => v !== null)
  if (values.length === 0) return null
  return better === 'lower' ? Math.min(...values) : Math.max(...values)
}

function meets(value: number, goal: string): boolean {
  const match = /^(<=|>=|<|>)\s*([\d.]+)$/.exec(goal)
  assert(match?.[1] !== undefined && match[2] !== undefined, `goal must read like <=0.9, not ${goal}`)
  const bound = Number(match[2])
  if (match[1] === '<=') return value <= bound
  if (match[1] === '>=') return value >= bound
  return match[1] === '<' ? value < bound : value > bound
}

function cell(value: number | null): string {
  return value === null ? 'not installed' : String(value)
}

function pad(text: string, width: number, right: boolean): string {
  return right ? text.padStart(width) : text.padEnd(width)
}

/** Three significant digits below 100, whole numbers above: more would be noise. */
function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}
