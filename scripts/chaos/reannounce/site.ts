/**
 * The world of the re-announcement: one bus server with the record of many apps, real formations of those
 * that change, router shards as processes, and one dyno that all apps share.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server as Listener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Shard } from '../../../actors/protocols/shard.ts'
import type { ShardCounts } from '../../../actors/effects/routing.ts'
import { startServer, type Server } from '../../../src/nats/server.ts'
import { refAt } from '../../../src/runtime/index.ts'
import { startControl, type Control } from '../../routes/control.ts'
import { joinBus, serverOptions, startFilled, urlOf } from '../../routes/load.ts'
import { entriesOf, type Place } from '../../routes/records.ts'
import { startShards, type Shards } from '../../routes/shards.ts'

export type Site = {
  readonly control: Control
  readonly shards: Shards['all']
  readonly place: Place
  readonly counts: (shard: Shards['all'][number]) => Promise<ShardCounts>
  /** SIGKILL. Resolves when it is gone. */
  readonly killBus: () => Promise<void>
  readonly startBus: () => Promise<void>
  readonly close: () => Promise<void>
}

const host = 'h1'
const shardCount = 2
const countsMs = 10_000
/** What the dyno answers. */
export const served = 'served\n'

/** @param apps how many; all in maintenance */
export const openSite = async (apps: number): Promise<Site> => {
  const home = mkdtempSync(join(tmpdir(), 'manifold-reannounce-'))
  const closers: (() => Promise<unknown>)[] = []
  const close = async (): Promise<void> => {
    for (const one of closers.reverse()) await one()
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const dyno = await startDyno()
    closers.push(() => new Promise((resolve) => dyno.listener.close(resolve)))
    const place = { host, address: '127.0.0.1', port: dyno.port, maintenance: true }
    let { server } = await startFilled(join(home, 'nats'), recordsOf(apps, place))
    closers.push(() => server.stop())
    const connection = await joinBus(server, host)
    closers.push(() => connection.close())
    const control = await startControl(connection)
    closers.push(() => control.stop())
    const shards = await startShards(home, urlOf(server), host, shardCount)
    closers.push(() => shards.stop())
    return {
      control,
      shards: shards.all,
      place,
      counts: ({ name }) =>
        control.node.ask(refAt(Shard, 'shard', name), { type: 'stats' }, { timeoutMs: countsMs }),
      killBus: () => kill(server),
      startBus: async () => {
        server = await startServer(serverOptions(join(home, 'nats')))
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function* recordsOf(apps: number, place: Place): Generator<readonly [string, Uint8Array]> {
  for (let number = 0; number < apps; number++) yield* entriesOf(number, place)
}

const startDyno = async (): Promise<{ readonly listener: Listener; readonly port: number }> => {
  const listener = createServer((_, response) => void response.end(served)).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const bound = listener.address()
  return { listener, port: typeof bound === 'object' && bound !== null ? bound.port : 0 }
}

const kill = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.onExit(resolve)
    process.kill(server.pid, 'SIGKILL')
  })
