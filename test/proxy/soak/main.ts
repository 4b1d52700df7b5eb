/**
 * `npm run soak -- [--clients N] [--gigabytes N] [--json]`: the soak of the router, with what became of its
 * memory. Exit 1 when a body was spoiled, a slow client lost, or memory grew.
 */
import { readOptions } from '../../kit/options.ts'
import { faultsOf } from './judge.ts'
import { soak } from './run.ts'

const usage = 'usage: npm run soak -- [--clients N] [--gigabytes N] [--json]'
const { values, number } = readOptions(usage, {
  clients: { type: 'string' },
  gigabytes: { type: 'string' },
  json: { type: 'boolean' },
})
const clients = Math.ceil(number('clients', values.clients ?? '1000', 10_000))
const gigabytes = number('gigabytes', values.gigabytes ?? '5', 1000)
const say = values.json === true ? () => undefined : (text: string) => console.log(text)
const soaked = await soak({ clients, bytes: Math.round(gigabytes * 1_073_741_824), say })
const faults = faultsOf(soaked)
const { samplesMb, ...told } = soaked
const summary = { ...told, memoryMb: { least: Math.min(...samplesMb), most: Math.max(...samplesMb) }, faults }
console.log(values.json === true ? JSON.stringify(summary) : summary)
process.exit(faults.length === 0 ? 0 : 1)
