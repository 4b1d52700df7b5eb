/**
 * `npm run soak -- [--clients N] [--gigabytes N] [--json]`: the soak of the router, with what became of its
 * memory. Exit 1 when a body was spoiled, a slow client lost, or memory grew.
 */
import { parseArgs } from 'node:util'
import { faultsOf } from './judge.ts'
import { soak } from './run.ts'

const usage = 'usage: npm run soak -- [--clients N] [--gigabytes N] [--json]'
const refuse = (why: string): never => {
  console.error(`${why}\n${usage}`)
  return process.exit(2)
}
const options = {
  clients: { type: 'string' },
  gigabytes: { type: 'string' },
  json: { type: 'boolean' },
} as const
const read = () => {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return refuse(error instanceof Error ? error.message : 'bad arguments')
  }
}
const number = (name: string, text: string, most: number): number => {
  const value = /^\d{1,5}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN
  if (value > 0 && value <= most) return value
  return refuse(`--${name} ${text} is not allowed: want a number above 0, at most ${most}`)
}

const values = read()
const clients = Math.floor(number('clients', values.clients ?? '1000', 10_000))
const gigabytes = number('gigabytes', values.gigabytes ?? '5', 1000)
const say = values.json === true ? () => undefined : (text: string) => console.log(text)
const soaked = await soak({ clients, bytes: Math.round(gigabytes * 1_073_741_824), say })
const faults = faultsOf(soaked)
const { samplesMb, ...told } = soaked
const summary = { ...told, memoryMb: { least: Math.min(...samplesMb), most: Math.max(...samplesMb) }, faults }
console.log(values.json === true ? JSON.stringify(summary) : summary)
process.exit(faults.length === 0 ? 0 : 1)
