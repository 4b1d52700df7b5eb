/**
 * `npm run bench -- <name> [--json] [--quick] [words…]`: runs scripts/bench/<name>.ts and prints its rows.
 *
 * With --json the last line of stdout is one object (DESIGN §1); everything else goes to stderr.
 * With no name it lists the benches there are. Exit 2 on a wrong name, 1 when the bench itself fails.
 */
import { readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import type { Bench } from './report.ts'
import { formatJson, formatTable } from './report.ts'

const notBenches = new Set(['main.ts', 'report.ts'])
const names = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !notBenches.has(entry.name))
  .map((entry) => entry.name.slice(0, -'.ts'.length))

const words = process.argv.slice(2)
const flags: ReadonlySet<string> = new Set(words.filter((word) => word === '--json' || word === '--quick'))
const [name, ...args] = words.filter((word) => !flags.has(word))

if (name === undefined || !names.includes(name)) {
  process.stderr.write(`usage: npm run bench -- <${names.join('|')}> [--json] [--quick]\n`)
  process.exit(2)
}

// The import is by name because each bench brings its own peers, which need not load for another's sake.
const bench = (await import(`./${name}.ts`)) as Bench
const machine = `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'cpu'}, node ${process.version}`
process.stderr.write(`bench ${name} on ${machine}\n`)

const rows = await bench.run({
  quick: flags.has('--quick'),
  args,
  log: (line) => process.stderr.write(`${line}\n`),
})
process.stdout.write(`${formatTable(rows)}\n`)
if (flags.has('--json')) process.stdout.write(`${formatJson(name, machine, rows)}\n`)
