/**
 * `npm run fuzz -- [--seconds N] [--seed S]`: throws messages at the router's HTTP/1.1 engine until the time
 * is over. What breaks a property is made small, printed, and to be kept in test/data/fuzz. Exit 1 then.
 */
import { readOptions } from '../../kit/options.ts'
import { fuzz } from './run.ts'

const usage = 'usage: npm run fuzz -- [--seconds N] [--seed S]'
const { values, number } = readOptions(usage, { seconds: { type: 'string' }, seed: { type: 'string' } })
const seconds = number('seconds', values.seconds ?? '60', 1_000_000)
const seed = Math.floor(
  number('seed', values.seed ?? String(1 + (Date.now() % 1_000_000_000)), 1_000_000_000),
)
console.log(`seed ${seed}, ${seconds} s`)
const found = await fuzz({ seconds, seed, say: (text) => console.log(text) })
for (const { property, why, thrown } of found) {
  console.error(`${property}: ${why}\n${JSON.stringify(thrown)}`)
}
process.exit(found.length === 0 ? 0 : 1)
