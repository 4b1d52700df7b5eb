/**
 * A fresh server in the place of one that never comes back: on an operator's word alone, for a server that is
 * only cut off may hold what nobody else has (removing peers under a partition has lost acknowledged data in
 * every test of it: spec of NATS 2.12, Jepsen).
 *
 * The fresh one joins empty; the dead one is taken out; what it held is copied to the fresh one; then it
 * takes clients. The cluster serves all the while. Each step may be done again.
 */
import type { Random } from '../ports/random.ts'
import type { Login } from './config.ts'
import type { Connection } from './connection.ts'
import { formed, heldBy, removed, withSystem } from './formed.ts'
import type { GrowOptions } from './grow.ts'
import { KeeperRefused } from './keeper.ts'
import type { Generation, ServerPlace } from './mode.ts'

export type ReplaceOptions = Pick<GrowOptions, 'keeper' | 'name' | 'call' | 'progress'> & {
  /** To the bus, of this host, which runs one of the servers that are well. */
  readonly connection: Connection
  /** The host whose server is gone. */
  readonly dead: string
  /** A control host that has no server yet. */
  readonly fresh: ServerPlace
  readonly random: Random
}

const passwordLength = 40
const formMsMax = 60_000
const copyMsMax = 10 * 60_000

/** @throws KeeperRefused, ServerFailed, JetStreamRefused, and what `call` throws */
export const replaceServer = async (options: ReplaceOptions): Promise<void> => {
  const { keeper, dead, fresh, call, progress } = options
  const mode = keeper.mode()
  const server = keeper.server()
  if (mode.kind !== 'clustered' || server === undefined) throw new KeeperRefused('there is no cluster here')
  const servers = mode.generation.servers.filter(({ name }) => name !== dead && name !== fresh.name)
  const generation: Generation = { ...mode.generation, servers: [...servers, fresh] }
  const grower: Login = { user: 'grower', password: options.random.token(passwordLength) }
  const names = generation.servers.map(({ name }) => name)
  progress(`${fresh.name} gets a server in place of ${dead}`)
  await call(fresh.name, { step: 'prepare', generation, grower })
  for (const { name } of servers) {
    if (name === options.name) await keeper.route(generation)
    else await call(name, { step: 'route', generation })
  }
  await withSystem(server, options.name, async (system) => {
    await formed(system, names, formMsMax)
    await removed(system, dead, formMsMax)
    await heldBy(options.connection, system, fresh.name, copyMsMax)
  })
  await call(fresh.name, { step: 'open', access: mode.access })
}
