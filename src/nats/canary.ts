/**
 * One write that must be acknowledged, and read back through the leader: the only proof that the bus stores
 * anything. Servers have been seen to call themselves well while every write hung (nats-server#8519).
 */
import { StoreUnavailable } from '../ports/store.ts'
import type { Connection } from './connection.ts'
import { inPortWords } from './failures.ts'
import { jetStream } from './jetstream.ts'
import { subjectOf } from './keys.ts'

const timeoutMs = 5_000

/** @returns ms until it was acknowledged. @throws StoreUnavailable */
export const acknowledgedWrite = async (connection: Connection, bucket = 'manifold'): Promise<number> => {
  const js = jetStream(connection, timeoutMs)
  const beganMs = performance.now()
  const subject = subjectOf(`$KV.${bucket}`, `canary/${connection.host}`)
  const sequence = await inPortWords('canary', js.append(subject, Buffer.from(String(Date.now()))))
  const tookMs = performance.now() - beganMs
  const found = await inPortWords('canary', js.last(`KV_${bucket}`, subject))
  if (found === undefined || found.sequence < sequence) {
    throw new StoreUnavailable('canary: what was acknowledged is not there', 'unknown')
  }
  return tookMs
}
