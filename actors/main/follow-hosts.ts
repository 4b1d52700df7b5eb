/**
 * Each host follows its own record (`host/<name>`): told of a change at once by a topic, and looking by
 * itself now and then, because a topic may be missed.
 */
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Store } from '../../src/ports/store.ts'
import type { Transport } from '../../src/ports/transport.ts'
import { decodeHost, hostKey, isRemoved, type HostRecord } from './host-record.ts'

/** Says that a host's record changed; its body is the host's name. */
export const hostsTopic = 'hosts'

const lookMs = 10_000

export type FollowDeps = {
  /** Name of this host. */
  readonly self: string
  readonly store: Pick<Store, 'get'>
  readonly transport: Pick<Transport, 'subscribe'>
  readonly clock: Clock
  readonly log: Log
  /** Public half of this host's key. */
  readonly nkey: string
  /** Its own record as it is now. */
  readonly own: (record: HostRecord) => void
  /** An operator took this host out. */
  readonly removed: () => void
  /** The record was lost, with others perhaps: the store is older than this host. */
  readonly lost: () => Promise<void>
  /** The record of some host changed, or there is one more or less. */
  readonly changed: () => void
}

export const followHosts = (deps: FollowDeps): { readonly close: () => void } => {
  const { self, store, clock } = deps
  let closed = false
  let timer: Timer | undefined
  let looking = false
  let again = false
  const look = async (): Promise<void> => {
    again = looking
    if (looking || closed) return
    looking = true
    timer?.cancel()
    try {
      const entry = await store.get(hostKey(self))
      const record = entry && decodeHost(entry.value)
      if (closed) return
      if (record?.nkey === deps.nkey) deps.own(record)
      else if (record !== undefined || (await isRemoved(store, self, deps.nkey))) deps.removed()
      else await deps.lost()
    } catch (error) {
      deps.log({ at: 'host-record-unread', reason: error instanceof Error ? error.message : 'unknown' })
    }
    looking = false
    if (!closed) timer = clock.after(again ? 0 : lookMs, () => void look())
  }
  const subscription = deps.transport.subscribe(hostsTopic, (body) => {
    deps.changed()
    if (Buffer.from(body).toString('utf8') === self) void look()
  })
  void look()
  return {
    close() {
      closed = true
      timer?.cancel()
      subscription.close()
    },
  }
}
