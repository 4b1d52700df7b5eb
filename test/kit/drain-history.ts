/** A drain without receivers: a history in memory, and what may become of a shipment. */
import type { Shipment } from '../../actors/effects/drains.ts'
import type { StoredBatch } from '../../actors/protocols/log-batch.ts'

export const opening = {
  type: 'open',
  to: { appId: 'a1', url: 'https://logs.example.com/in', token: 'd.2f1a', telemetry: null, decidedAt: 5 },
} as const
export const startUs = 1_800_000_000_000_000

/** Batches of one app, with numbers for lines; of each only its place matters here. */
export const history = () => {
  let sequence = 10
  let line = 100
  const kept: StoredBatch[] = []
  return {
    kept,
    end: () => ({ sequence, line }),
    append(count: number): StoredBatch {
      const batch = {
        sequence: sequence + 3,
        after: sequence,
        first: line,
        count,
        bytes: new Uint8Array(10 * count),
      }
      sequence = batch.sequence
      line += count
      kept.push(batch)
      return batch
    },
    after: (from: number): StoredBatch[] => kept.filter((batch) => batch.sequence > from),
  }
}

/** The numbers of the lines that a shipment may take. */
export const linesOf = ({ batches, skip }: Shipment): number[] =>
  batches.flatMap(({ first, count }) => Array.from({ length: count }, (_, at) => first + at)).slice(skip)

export const shipmentOf = (ran: { readonly args: unknown } | undefined): Shipment => ran?.args as Shipment
export const delivered = (count: number) => ({
  kind: 'delivered',
  count,
  sinceUs: startUs,
  untilUs: startUs + count,
})
export const refused = (count: number) => ({
  ...delivered(count),
  kind: 'refused',
  reason: 'the receiver answered 404',
})
export const failed = (count: number, more = {}) => ({
  kind: 'failed',
  count,
  reason: 'connect ECONNREFUSED',
  certificate: null,
  retryAfterMs: null,
  room: 1_048_576,
  ...more,
})
