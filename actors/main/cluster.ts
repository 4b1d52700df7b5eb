/**
 * Which cluster this home is of: the one it is a host of already, the one of the join URL, or one that it
 * begins itself.
 */
import { createPublicKey, randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { certificateSum, issueHost, keySum, publicHalf } from '../../src/certs/certificate.ts'
import { isGoodFor, keepAuthority, serverDays } from '../../src/certs/keep.ts'
import type { Logins } from '../../src/nats/config.ts'
import { publicOfSeed } from '../../src/nats/nkeys.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Store } from '../../src/ports/store.ts'
import { ownAddress } from '../../src/system/address.ts'
import { addHost, changeHost, fitName, type HostRecord } from './host-record.ts'
import { joinCluster, keepOwnKeys, type HostWish } from './joiner.ts'
import {
  authorityOf,
  type Cluster,
  type ClusterLogins,
  ClusterFileFailed,
  keyFiles,
  loadCluster,
  loadedCluster,
  namesOf,
  readText,
  saveCluster,
  saveKeys,
} from './members-file.ts'
import { homePaths } from './paths.ts'

export type FoundOptions = { readonly nowMs: number; readonly random: Random }

export const allRoles = ['control', 'dyno', 'router', 'logplex'] as const
const nameLength = 8
const tokenLength = 40
const vaultKeyBytes = 32

/**
 * The cluster of this home, as it is to start: with the address, port, roles and labels of `wish`.
 * @param joinUrl undefined: none is given
 * @throws JoinFailed, ClusterFileFailed: one line each
 */
export const openCluster = async (
  home: string,
  joinUrl: string | undefined,
  wish: HostWish,
  options: FoundOptions,
): Promise<Cluster> => {
  const known = loadCluster(home)
  if (known === undefined)
    return joinUrl === undefined ? foundCluster(home, wish, options) : joinCluster(joinUrl, wish, home)
  const same = joinUrl === undefined ? known : await joinCluster(joinUrl, wish, home)
  return startAs(home, same, wish, options.nowMs)
}

/**
 * Begins a cluster with this host as its first. What a home of one host already holds (authority, vault key,
 * token, logins) stays.
 * @throws ClusterFileFailed
 */
export const foundCluster = async (
  home: string,
  wish: HostWish,
  { nowMs, random }: FoundOptions,
): Promise<Cluster> => {
  const files = keyFiles(home)
  if (readText(files.joining) !== undefined)
    throw new ClusterFileFailed(
      `MANIFOLD_HOME=${JSON.stringify(home)} began to join: set MANIFOLD_JOIN again or use an empty home`,
    )
  if (!wish.roles.includes('control'))
    throw new ClusterFileFailed(
      'the first host of a cluster has the control role; set MANIFOLD_JOIN for others',
    )
  const authority = await keepAuthority(homePaths(home).keys, nowMs)
  const keys = keepOwnKeys(home)
  const address = wish.address ?? ownAddress()
  const name = fitName(wish.name)
  saveKeys(home, foundingSecrets(home, random))
  const certificate = issueHost(authority, {
    commonName: name,
    publicKey: publicHalf(keys.key),
    names: namesOf({ name, address }),
    nowMs,
    days: serverDays,
  })
  saveKeys(home, { certificate })
  saveCluster(home, {
    version: 1,
    cluster: `manifold-${random.token(nameLength).toLowerCase()}`,
    name,
    address,
    port: wish.port,
    roles: [...wish.roles],
    granted: [...allRoles],
    labels: { ...wish.labels },
    authority: certificateSum(authority.certificate),
    nkey: publicOfSeed(keys.seed),
    bus: { urls: [], servers: [] },
    joinedAt: nowMs,
  })
  return loadedCluster(home)
}

/** What there is not yet; a home of an earlier version has some of it. */
const foundingSecrets = (home: string, random: Random) => {
  const files = keyFiles(home)
  const login = (user: string) => ({ user, password: random.token(tokenLength) })
  const earlier = readText(join(homePaths(home).nats, 'logins.json'))
  const logins = (): ClusterLogins => ({
    platform: login('platform'),
    operator: login('operator'),
    system: login('system'),
    ...(earlier !== undefined && (JSON.parse(earlier) as Logins)),
    routes: login('routes'),
  })
  const has = (path: string): boolean => readText(path) !== undefined
  return {
    ...(!has(files.vaultKey) && { vaultKey: randomBytes(vaultKeyBytes) }),
    ...(!has(files.ownerToken) && { ownerToken: `HRKU-${random.token(tokenLength)}` }),
    ...(!has(files.logins) && { logins: logins() }),
  }
}

/** Where and what it is may differ from the last start; who it is may not. */
const startAs = (home: string, cluster: Cluster, wish: HostWish, nowMs: number): Cluster => {
  const refused = wish.roles.filter((role) => !cluster.granted.includes(role))
  if (refused.length > 0)
    throw new ClusterFileFailed(
      `MANIFOLD_ROLES: this host joined without ${refused.join(',')}: join again with an empty home`,
    )
  const address = wish.address ?? stillHere(cluster.address) ?? ownAddress()
  const file = { ...cluster, address, port: wish.port, roles: [...wish.roles], labels: { ...wish.labels } }
  const authority = authorityOf(cluster)
  const names = namesOf(file)
  // Hosts that cannot sign are sent a certificate when they tell the others where they are (renew.ts).
  if (authority !== undefined && !isGoodFor(cluster.certificate, names, nowMs)) {
    const publicKey = publicHalf(cluster.key)
    const certificate = issueHost(authority, {
      commonName: cluster.name,
      publicKey,
      names,
      nowMs,
      days: serverDays,
    })
    saveKeys(home, { certificate })
  }
  saveCluster(home, file)
  return loadedCluster(home)
}

const stillHere = (address: string): string | undefined => {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  return own.some((each) => each.address === address) ? address : undefined
}

/**
 * Puts this control host on record as it is now: the first one, or one whose record was lost or is behind.
 * @throws ClusterFileFailed when the name is another's by now
 */
export const registerHost = async (store: Store, cluster: Cluster): Promise<HostRecord> => {
  const own = ownRecord(cluster)
  const found = await changeHost(store, cluster.name, (record) => refreshed(record, own))
  const record = found ?? (await addHost(store, own))
  if (record.name !== cluster.name || record.nkey !== cluster.nkey)
    throw new ClusterFileFailed(
      `host ${cluster.name} was removed from its cluster, and another has its name: use an empty home`,
    )
  return record
}

/** Undefined: as it should be, or not ours. */
export const refreshed = (record: HostRecord, own: Placed & { readonly nkey: string }) => {
  const { address, port, roles, labels } = own
  const fresh = { ...record, address, port, roles, labels }
  if (record.nkey !== own.nkey || JSON.stringify(fresh) === JSON.stringify(record)) return undefined
  return fresh
}
export type Placed = Pick<HostRecord, 'address' | 'port' | 'roles' | 'labels'>

const ownRecord = (cluster: Cluster): HostRecord => {
  const { name, nkey, address, port, roles, granted, labels, joinedAt } = cluster
  const tlsKey = keySum(createPublicKey(cluster.key))
  return {
    name,
    nkey,
    tlsKey,
    roles,
    granted,
    address,
    port,
    labels,
    draining: false,
    server: false,
    joinedAt,
  }
}
