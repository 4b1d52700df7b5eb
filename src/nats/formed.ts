/**
 * Waiting for what several servers must agree on, asked of the servers themselves: a stream's leader may call
 * a copy current that is still being made.
 */
import { setTimeout as pause } from 'node:timers/promises'
import {
  jetStream,
  JetStreamRefused,
  mayPass,
  refusal,
  type JetStream,
  type StreamConfig,
  type StreamState,
} from './jetstream.ts'
import type { Connection } from './connection.ts'
import { ServerFailed, type Server } from './server.ts'
import { openSystem, type System } from './system.ts'

const pollMs = 50

/** A system connection to this machine's server, for as long as `work` takes. */
export const withSystem = async <T>(
  server: Server,
  name: string,
  work: (system: System) => Promise<T>,
): Promise<T> => {
  const system = await openSystem({ url: server.url, login: server.logins.system, name })
  try {
    return await work(system)
  } finally {
    await system.close()
  }
}

/** Waits until the servers have a leader that sees all of these. @throws ServerFailed `nats_server_slow` */
export const formed = (system: System, names: readonly string[], withinMs: number): Promise<void> =>
  poll(withinMs, async () => {
    const peers = (await system.peers()) ?? []
    const missing = names.filter((name) => !peers.some((peer) => peer.name === name && peer.isCurrent))
    return missing.length === 0 ? undefined : `no word from ${missing.join(', ')}`
  })

/**
 * Takes a server out, once no other change of the servers is under way.
 * @throws ServerFailed, JetStreamRefused
 */
export const removed = (system: System, name: string, withinMs: number): Promise<void> =>
  poll(withinMs, async () => {
    try {
      await system.removeServer(name)
      return undefined
    } catch (error) {
      if (!(error instanceof JetStreamRefused) || error.serverCode !== refusal.membersChange) throw error
      return `the servers are changing, ${name} cannot be removed`
    }
  })

/**
 * Has a stream kept on so many servers, once as many are heard of: one that is slow counts as gone for a
 * moment, right after all of them were there.
 * @throws ServerFailed `nats_server_slow`, JetStreamRefused
 */
export const raised = (
  js: Pick<JetStream, 'call'>,
  stream: string,
  replicas: number,
  withinMs: number,
): Promise<void> =>
  poll(withinMs, async () => {
    try {
      const { config } = await js.call<{ config: StreamConfig }>(`STREAM.INFO.${stream}`, {})
      await js.call(`STREAM.UPDATE.${stream}`, { ...config, num_replicas: replicas })
      return undefined
    } catch (error) {
      if (!(error instanceof JetStreamRefused) || error.serverCode !== refusal.noPeers) throw error
      return `${stream} cannot be on ${replicas} servers: ${error.message}`
    }
  })

/**
 * Waits until each of these servers holds the whole of a stream.
 * @param source connection to the server that has the original
 * @throws ServerFailed `nats_server_slow`
 */
export const copied = (
  source: Connection,
  system: System,
  stream: string,
  names: readonly string[],
  withinMs: number,
): Promise<void> =>
  poll(withinMs, async () => {
    const { state } = await jetStream(source).call<{ state: StreamState }>(`STREAM.INFO.${stream}`, {})
    for (const name of names) {
      const held = (await system.holds(name))?.get(stream)
      if (held === undefined || !alike(held, state)) return `${stream} is not whole at ${name}`
    }
    return undefined
  })

/**
 * Waits until a server holds, of every stream, what was written by now. The cluster goes on being written to.
 * @throws ServerFailed `nats_server_slow`
 */
export const heldBy = async (
  connection: Connection,
  system: System,
  name: string,
  withinMs: number,
): Promise<void> => {
  const js = jetStream(connection)
  const wanted = new Map<string, number>()
  await poll(withinMs, async () => {
    for (const stream of await streamsOf(connection)) {
      if (wanted.has(stream)) continue
      const { state } = await js.call<{ state: StreamState }>(`STREAM.INFO.${stream}`, {})
      wanted.set(stream, state.last_seq)
    }
    return undefined
  })
  await poll(withinMs, async () => {
    const held = await system.holds(name)
    for (const [stream, sequence] of wanted) {
      if ((held?.get(stream)?.last_seq ?? -1) < sequence) return `${stream} is not whole at ${name}`
    }
    return undefined
  })
}

/** Names of all streams. Few: the record, the objects, histories. */
export const streamsOf = async (connection: Connection): Promise<readonly string[]> => {
  const { streams } = await jetStream(connection).call<{ streams: readonly string[] | null }>(
    'STREAM.NAMES',
    {},
  )
  return streams ?? []
}

/** Both sides forget what is too old, each in its own time. */
const alike = (a: StreamState, b: StreamState): boolean =>
  a.messages === b.messages &&
  a.last_seq === b.last_seq &&
  // Of an empty one it is 0 or one past the last, as the server pleases.
  (a.messages === 0 || a.first_seq === b.first_seq)

/**
 * A server that does not answer yet is no failure: each stream has a leader of its own, and who led one is
 * followed by another within seconds, while other streams are well.
 * @param look what is missing; undefined: nothing is
 */
const poll = async (withinMs: number, look: () => Promise<string | undefined>): Promise<void> => {
  const deadline = performance.now() + withinMs
  for (;;) {
    const missing = await look().catch(passing)
    if (missing === undefined) return
    if (performance.now() > deadline) throw new ServerFailed('nats_server_slow', missing)
    await pause(pollMs)
  }
}

const passing = (error: unknown): string => {
  if (mayPass(error)) return (error as Error).message
  throw error
}
