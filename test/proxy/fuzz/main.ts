/**
 * `npm run fuzz -- [--seconds N] [--seed S]`: throws messages at the router's HTTP/1.1 engine until the time
 * is over. What breaks a property is made small, printed, and to be kept in test/data/fuzz. Exit 1 then.
 */
import { parseArgs } from 'node:util'
import { fuzz } from './run.ts'

const usage = 'usage: npm run fuzz -- [--seconds N] [--seed S]'
const refuse = (why: string): never => {
  console.error(`${why}\n${usage}`)
  return process.exit(2)
}
const read = (): { seconds?: string; seed?: string } => {
  try {
    return parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } }).values
  } catch (error) {
    return refuse(error instanceof Error ? error.message : 'bad arguments')
  }
}
const number = (name: string, text: string): number =>
  /^\d{1,9}$/.test(text) ? Number(text) : refuse(`--${name} ${text} is not allowed: want a whole number`)

const values = read()
const seconds = number('seconds', values.seconds ?? '60')
const seed = number('seed', values.seed ?? String(Date.now() % 1_000_000_000))
console.log(`seed ${seed}, ${seconds} s`)
const found = await fuzz({ seconds, seed, say: (text) => console.log(text) })
for (const { property, why, thrown } of found) {
  console.error(`${property}: ${why}\n${JSON.stringify(thrown)}`)
}
process.exit(found.length === 0 ? 0 : 1)
