/**
 * The hosts' own records, `host/<name>`: what an operator decided of a host. Each host follows its own, told of
 * a change at once by a topic and looking by itself now and then, because a topic may be missed.
 */
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import { StoreConflict, type Entry, type Store } from '../../src/ports/store.ts'
import type { Transport } from '../../src/ports/transport.ts'

/** What of it is read here; who joins a cluster writes more, which is kept as it is. */
export type HostRecord = Readonly<Record<string, unknown>> & { readonly draining?: boolean }

/** Says that a host's record changed; its body is the host's name. */
export const hostsTopic = 'hosts'

const lookMs = 10_000
const triesMax = 5

export const hostKey = (name: string): string => `host/${name}`

const read = ({ value }: Entry): HostRecord => JSON.parse(Buffer.from(value).toString('utf8')) as HostRecord

/** Every host that ever joined and was not removed. */
export const hostRecords = async (store: Store): Promise<ReadonlyMap<string, HostRecord>> =>
  new Map((await store.list(hostKey(''))).map((entry) => [entry.key.slice(hostKey('').length), read(entry)]))

/** Changes a part of it by compare-and-set. @returns false when there is no such host */
export const changeHostRecord = async (
  store: Store,
  name: string,
  change: Partial<HostRecord>,
): Promise<boolean> => {
  for (let tries = 1; ; tries += 1) {
    const entry = await store.get(hostKey(name))
    if (entry === undefined) return false
    try {
      const next = Buffer.from(JSON.stringify({ ...read(entry), ...change }))
      await store.update(entry.key, next, entry.revision)
      return true
    } catch (error) {
      if (!(error instanceof StoreConflict) || tries >= triesMax) throw error
    }
  }
}

export type FollowDeps = {
  readonly self: string
  readonly store: Store
  readonly transport: Pick<Transport, 'subscribe'>
  readonly clock: Clock
  readonly log: Log
  /** Its own record, as it is found; undefined: an operator took this host out. */
  readonly own: (record: HostRecord | undefined) => void
  /** A record of some host may have changed. */
  readonly changed: () => void
}

export const followHosts = (deps: FollowDeps): { readonly close: () => void } => {
  const { self, store, clock } = deps
  let closed = false
  let timer: Timer | undefined
  const look = async (): Promise<void> => {
    timer?.cancel()
    try {
      const entry = await store.get(hostKey(self))
      if (!closed) deps.own(entry && read(entry))
    } catch (error) {
      deps.log({ at: 'host-record-unread', reason: error instanceof Error ? error.message : 'unknown' })
    }
    timer?.cancel()
    if (!closed) timer = clock.after(lookMs, () => void look())
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
