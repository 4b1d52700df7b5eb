/** Where things lie in MANIFOLD_HOME. */
import { join } from 'node:path'

export const homePaths = (home: string) => ({
  natsBinary: join(home, 'bin/nats-server'),
  nats: join(home, 'nats'),
  backups: join(home, 'backups'),
  /** What is being sorted; of nobody when the host starts. */
  sorting: join(home, 'run/sorting'),
  stacks: join(home, 'stacks'),
  containers: join(home, 'containers'),
  slugs: join(home, 'slugs'),
  shipping: join(home, 'shipping'),
  output: join(home, 'output'),
  run: join(home, 'run'),
  logs: join(home, 'log'),
  keys: join(home, 'keys'),
  /** Authority and certificate of `localhost`, on a host that has not the key of the cluster's. */
  localKeys: join(home, 'keys/local'),
  env: join(home, 'env'),
  /** How processes of this host reach the bus: address and login, readable by their user alone. */
  bus: join(home, 'run/bus.json'),
  buildNode: join(home, 'build-node'),
  mirrorTls: join(home, 'run/build-mirror'),
})
export type HomePaths = ReturnType<typeof homePaths>

/** What `bus` holds. */
export type BusFile = {
  readonly urls: readonly string[]
  /**
   * PEM file of the authority, and the file with the seed of this host's key; neither for an external bus.
   */
  readonly ca?: string
  readonly seed?: string
  /** The name of this host. */
  readonly host: string
}
