/** The newest sequence of a bucket: it grows with each write. */
import type { Connection } from './connection.ts'
import { inPortWords } from './failures.ts'
import { jetStream } from './jetstream.ts'

/** @throws StoreUnavailable */
export const lastSequence = async (connection: Connection, bucket: string): Promise<number> => {
  const js = jetStream(connection)
  const asked = js.call<{ state: { last_seq: number } }>(`STREAM.INFO.KV_${bucket}`, {})
  return (await inPortWords(bucket, asked)).state.last_seq
}
