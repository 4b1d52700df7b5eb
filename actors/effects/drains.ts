/** Sending an app's lines to where one of its drains leads. */
import { effect } from '../../src/runtime/index.ts'
import type { DrainTarget } from '../protocols/drain.ts'
import type { StoredBatch } from '../protocols/log-batch.ts'

export type Shipment = {
  /** The drain's id: its connection is kept under it. */
  readonly id: string
  readonly to: DrainTarget
  /** Oldest first. */
  readonly batches: readonly StoredBatch[]
  /** So many lines of the first batch are there already. */
  readonly skip: number
  /** Exactly so many lines: a frame that is sent again is the same. Null: as many as a frame takes. */
  readonly count: number | null
  /** Said before them: lines that are lost. */
  readonly loss: { readonly count: number; readonly sinceUs: number } | null
}

/** The first `count` lines, when the first and when the last of them was written. */
type Part = { readonly count: number; readonly sinceUs: number; readonly untilUs: number }

/** What became of them. */
export type Shipped =
  | (Part & {
      readonly kind: 'delivered'
      /** So many of them it took, and dropped. */
      readonly rejected?: { readonly count: number; readonly reason: string }
    })
  /** The receiver does not want them, now or ever. */
  | (Part & { readonly kind: 'refused'; readonly reason: string })
  /** They may be wanted later. */
  | {
      readonly kind: 'failed'
      readonly count: number
      readonly reason: string
      /** Where it leads, fit to be shown, when the receiver is not who it says it is. */
      readonly certificate: string | null
      readonly retryAfterMs: number | null
      /** Bytes that this drain may keep in memory until it is tried again. */
      readonly room: number
    }

export const Drains = {
  send: effect<Shipment, Shipped>('drains.send'),
  /** Ends its connection. */
  close: effect<{ id: string }, void>('drains.close'),
}
