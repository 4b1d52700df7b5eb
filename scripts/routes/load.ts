/**
 * A bus server whose record already holds many apps. They are written while the server syncs to disk now and
 * then, not with each write: only how it is used afterwards is what anybody measures.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { connect, type Connection } from '../../src/nats/connection.ts'
import { subjectOf } from '../../src/nats/keys.ts'
import { startServer, type Server, type ServerOptions } from '../../src/nats/server.ts'
import { openStore } from '../../src/nats/store.ts'
import { systemRandom } from '../../src/system/random.ts'

export type Entries = Iterable<readonly [string, Uint8Array]>
export const bucket = 'manifold'

/** Writes that are not acknowledged yet. */
const windowMax = 4_000
const stallMsMax = 60_000

export const serverOptions = (home: string): ServerOptions => ({
  binary: join(process.env['MANIFOLD_HOME'] ?? join(homedir(), '.manifold'), 'bin', 'nats-server'),
  home,
  name: 'routes',
  random: systemRandom,
  operatorSubjects: [],
})

export const joinBus = ({ url, logins: { platform } }: Server, host: string): Promise<Connection> =>
  connect({ urls: [url], ...platform, host })

/** Where a router shard finds this bus: what its host process would have written down. */
export const urlOf = ({ port, logins: { platform } }: Server): string =>
  `nats://${platform.user}:${platform.password}@127.0.0.1:${port}`

/** @returns the server, started anew as the platform starts it, and how long the writing took */
export const startFilled = async (
  home: string,
  entries: Entries,
): Promise<{ readonly server: Server; readonly writeMs: number; readonly entries: number }> => {
  const options = serverOptions(home)
  const first = await startServer(options)
  const opening = await joinBus(first, 'open')
  await openStore(opening, { bucket, replicas: 1 })
  await opening.close()
  await first.stop()
  const quick = await startQuick(options, first)
  const connection = await joinBus(first, 'load')
  const beganMs = performance.now()
  const count = await writeAll(connection, entries)
  const writeMs = performance.now() - beganMs
  await connection.close()
  await quick.stop()
  return { server: await startServer(options), writeMs, entries: count }
}

/** The same server on the same store, but for the one setting. */
const startQuick = async ({ binary, home }: ServerOptions, { port }: Server) => {
  const file = join(home, 'quick.conf')
  const conf = readFileSync(join(home, 'nats.conf'), 'utf8')
  writeFileSync(file, conf.replace('sync_interval: always', 'sync_interval: "2m"'), { mode: 0o600 })
  const child = spawn(binary, ['-c', file, '-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
  const gone = once(child, 'exit')
  return {
    stop: async () => {
      child.kill('SIGTERM')
      await gone
    },
  }
}

/** Each is acknowledged; so many at a time. @returns how many */
const writeAll = async (connection: Connection, entries: Entries): Promise<number> => {
  const { client, inbox } = connection
  const reply = `${inbox}.loaded`
  let sent = 0
  let acknowledged = 0
  let refused: string | undefined
  let wake: (() => void) | undefined
  client.subscribe(reply, {
    callback(_, message) {
      acknowledged += 1
      const text = message.string()
      if (text.includes('"error"')) refused ??= text
      if (sent - acknowledged <= windowMax / 2) wake?.()
    },
  })
  const below = async (open: number): Promise<void> => {
    const deadline = performance.now() + stallMsMax
    for (;;) {
      if (sent - acknowledged <= open) return
      if (refused !== undefined) throw new Error(`a write was refused: ${refused}`)
      if (performance.now() > deadline) throw new Error(`${sent - acknowledged} writes without an answer`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 20)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
  const root = `$KV.${bucket}`
  for (const [key, value] of entries) {
    client.publish(subjectOf(root, key), value, { reply })
    sent += 1
    if (sent - acknowledged >= windowMax) await below(windowMax / 2)
  }
  await below(0)
  return sent
}
