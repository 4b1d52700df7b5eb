/**
 * Whether the record takes writes: one that is acknowledged, and read back through the leader. Nothing else
 * tells: a stream may call itself healthy and be wedged (nats-server#8519).
 */
import type { Connection } from './connection.ts'
import { StoreUnavailable } from '../ports/store.ts'
import { inPortWords } from './failures.ts'
import { jetStream } from './jetstream.ts'
import { subjectOf } from './keys.ts'

export type Canary = {
  /** From asking to the acknowledgement. */
  readonly writeMs: number
  readonly readMs: number
}

const timeoutMs = 10_000

/**
 * Writes to the record's bucket under `canary/<host>`, over whatever stands there.
 * @throws StoreUnavailable when it is not acknowledged in 10 s, or not read back
 */
export const acknowledgedWrite = async (connection: Connection, bucket: string): Promise<Canary> => {
  const subject = subjectOf(`$KV.${bucket}`, `canary/${connection.host}`)
  const js = jetStream(connection, timeoutMs)
  const startMs = performance.now()
  const sequence = await inPortWords('canary', js.append(subject, Buffer.from(new Date().toISOString())))
  const writtenMs = performance.now()
  const found = await inPortWords('canary', js.last(`KV_${bucket}`, subject))
  if (found === undefined || found.sequence < sequence) {
    throw new StoreUnavailable('canary: an acknowledged write is not there', 'unknown')
  }
  return { writeMs: writtenMs - startMs, readMs: performance.now() - writtenMs }
}
