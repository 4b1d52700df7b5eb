/**
 * Hosts on record: `host/<name>` says who may be a host of this cluster, by which keys, and what it does.
 * Who is alive is the membership's matter.
 */
import { checker, is, type Static } from '../../src/runtime/schema.ts'
import { PeerRefusal } from '../../src/peers/contract.ts'
import { StoreConflict, StoreUnavailable, type Store } from '../../src/ports/store.ts'

export const hostShape = is.obj({
  name: is.text(63),
  /** Public half of its key on the bus. */
  nkey: is.text(64),
  /** sha256 in hex of its TLS key: which host a certificate is of, when a name has been given again. */
  tlsKey: is.text(64),
  /** What it does, and what it may ever do. */
  roles: is.arr(is.text(32), 16),
  granted: is.arr(is.text(32), 16),
  /** Where other hosts reach it, and the first of its cluster ports. */
  address: is.text(255),
  port: is.int,
  labels: is.map(is.text(63)),
  /** The operator wants it emptied. */
  draining: is.bool,
  /** It runs one of the bus' servers. */
  server: is.bool,
  joinedAt: is.int,
})
export type HostRecord = Static<typeof hostShape>

export const hostKey = (name: string): string => `host/${name}`

const misfit = checker(hostShape)
const triesMax = 16
const nameMax = 40

/** Undefined: not a host's record. */
export const decodeHost = (bytes: Uint8Array): HostRecord | undefined => {
  const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
  return misfit(value) === undefined ? (value as HostRecord) : undefined
}
const encode = (record: HostRecord): Uint8Array => Buffer.from(JSON.stringify(record))

/** All hosts on record, by name. */
export const listHosts = async (store: Store): Promise<readonly HostRecord[]> =>
  (await store.list('host/'))
    .flatMap(({ value }) => decodeHost(value) ?? [])
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))

/**
 * Puts a host on record under the name it wishes or the next free one (`node`, `node-2`, …). The same keys
 * get the same name again.
 * @throws StoreConflict when others were always first
 */
export const addHost = async (store: Store, wish: HostRecord): Promise<HostRecord> => {
  const name = fitName(wish.name)
  for (let tries = 0; tries < triesMax; tries += 1) {
    const known = await listHosts(store)
    const same = known.find(({ nkey, tlsKey }) => nkey === wish.nkey && tlsKey === wish.tlsKey)
    if (same !== undefined) return same
    const record = { ...wish, name: freeName(name, new Set(known.map((host) => host.name))) }
    try {
      await store.create(hostKey(record.name), encode(record))
      return record
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
  }
  throw new StoreConflict(hostKey(name))
}

/**
 * Changes a host's record by compare-and-set.
 * @param change undefined: it is as it should be
 * @returns the record as it is then; undefined when there is none
 */
export const changeHost = async (
  store: Store,
  name: string,
  change: (record: HostRecord) => HostRecord | undefined,
): Promise<HostRecord | undefined> => {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const entry = await store.get(hostKey(name))
    const record = entry && decodeHost(entry.value)
    if (entry === undefined || record === undefined) return undefined
    const changed = change(record)
    if (changed === undefined) return record
    try {
      await store.update(entry.key, encode(changed), entry.revision)
      return changed
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
  }
  throw new StoreConflict(hostKey(name))
}

/**
 * A name that is a DNS label and that no other host's router processes (`<host>-router-<n>`) have on the bus.
 */
export const fitName = (wish: string): string => {
  const label = wish
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, nameMax)
  return label.replace(/(?:-router-\d+)+$/, '').replaceAll(/^-+|-+$/g, '') || 'host'
}

const freeName = (wish: string, taken: ReadonlySet<string>): string => {
  if (!taken.has(wish)) return wish
  let count = 2
  while (taken.has(`${wish}-${count}`)) count += 1
  return `${wish}-${count}`
}

/**
 * For another host that asked for a change: it may ask again. @throws PeerRefusal `busy`, or `error` itself
 */
export const refuseForNow = (error: unknown): never => {
  if (error instanceof StoreUnavailable)
    throw new PeerRefusal('busy', 'the record of this cluster is away for now', { cause: error })
  throw error
}

/**
 * That an operator took a host out is on record by itself: a record that is merely lost (a store that was
 * rolled back) must not look like it. By name and key: the name may be another's later.
 */
const removedKey = (name: string, nkey: string): string => `removed/${name}/${nkey}`

export const markRemoved = async (store: Store, name: string, nkey: string, nowMs: number): Promise<void> => {
  try {
    await store.create(removedKey(name, nkey), Buffer.from(JSON.stringify({ at: nowMs })))
  } catch (error) {
    if (!(error instanceof StoreConflict)) throw error
  }
}

export const isRemoved = async (store: Pick<Store, 'get'>, name: string, nkey: string): Promise<boolean> =>
  (await store.get(removedKey(name, nkey))) !== undefined
