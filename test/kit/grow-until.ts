/**
 * A process that grows a cluster and kills itself with SIGKILL at one step: `grow-until.ts <plan.json> <step>
 * <before|after>`. All hosts' keepers live in it, so every host loses its host process at once; the servers
 * live on.
 */
import { grow } from '../../src/nats/grow.ts'
import type { Keeper } from '../../src/nats/keeper.ts'
import { performStep, type ServerStep } from '../../src/nats/steps.ts'
import { systemRandom } from '../../src/system/random.ts'
import { accessOf, keeperOf, placeOf, readPlan } from './servers.ts'

const [file = '', at = '', when = ''] = process.argv.slice(2)
const { hosts } = readPlan(file)
const die = (): void => void process.kill(process.pid, 'SIGKILL')

const dying = (name: string, keeper: Keeper): Keeper =>
  new Proxy(keeper, {
    get(target, property, receiver) {
      const value: unknown = Reflect.get(target, property, receiver)
      if (`${name}.${String(property)}` !== at || typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (when === 'before') die()
        const result: unknown = Reflect.apply(value, target, args)
        if (result instanceof Promise) return result.then((done: unknown) => (die(), done))
        die()
        return result
      }
    },
  })

const keepers = new Map(hosts.map((host) => [host.name, dying(host.name, keeperOf(host))]))
const [first, ...others] = hosts
if (first === undefined) throw new Error('an empty plan')
const access = accessOf(hosts)
await keepers.get(first.name)?.start(access)
for (const { name } of others) await keepers.get(name)?.start()
const call = (host: string, step: ServerStep): Promise<void> => performStep(keepers.get(host)!, step)
await grow({
  keeper: keepers.get(first.name)!,
  name: first.name,
  cluster: 'm',
  servers: hosts.map(placeOf),
  access,
  call,
  random: systemRandom,
  progress: () => undefined,
})
