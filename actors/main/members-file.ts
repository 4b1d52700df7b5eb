/**
 * What makes this machine a host of its cluster, kept in its home: `cluster.json` (who it is and where the
 * others are) and the files of `keys/` (what proves it).
 *
 * Every file is replaced whole. `cluster.json` is written last, so a home has it only when all the rest is
 * there; `keys/joining.json` says that a join has begun and is not finished.
 */
import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { certificateSum } from '../../src/certs/certificate.ts'
import { authorityName } from '../../src/certs/keep.ts'
import type { Authority } from '../../src/certs/certificate.ts'
import type { Login, Logins } from '../../src/nats/config.ts'
import { checker, is, type Static } from '../../src/runtime/schema.ts'
import { certificateKeysOf } from '../effects/perform/certificates.ts'
import { homePaths } from './paths.ts'

/** Where the cluster's bus is. */
export const busShape = is.obj({
  /** What clients connect to: `tls://10.0.0.1:5101`. */
  urls: is.arr(is.text(512), 64),
  /** Hosts that run the bus' servers, with where they listen for other hosts. Empty: an external bus. */
  servers: is.arr(is.obj({ name: is.text(63), address: is.text(255), port: is.int }), 64),
  /** Of the servers: those whose host was taken out for good, and whose place nobody has taken yet. */
  removed: is.opt(is.arr(is.text(63), 64)),
})
export type BusPlace = Static<typeof busShape>

export const clusterFileShape = is.obj({
  version: is.lit(1),
  /** Name of the cluster. */
  cluster: is.text(63),
  /** Name of this host in it: unique, and its own for ever. */
  name: is.text(63),
  /** Where other hosts reach this one, and the first of its cluster ports. */
  address: is.text(255),
  port: is.int,
  roles: is.arr(is.text(32), 16),
  /** Roles that it may ever have: it holds the keys for these. */
  granted: is.arr(is.text(32), 16),
  labels: is.map(is.text(63)),
  /** sha256 in hex of the authority's certificate: which cluster this is. */
  authority: is.text(64),
  /** Public half of its key on the bus. */
  nkey: is.text(64),
  bus: busShape,
  joinedAt: is.int,
})
export type ClusterFile = Static<typeof clusterFileShape>

/** Logins that only the bus' servers and control hosts know. */
export type ClusterLogins = Logins & { readonly routes: Login }

/** What a host of the cluster holds, by what it does. */
export type ClusterSecrets = {
  /** Signs certificates of hosts. Control hosts alone. */
  readonly authorityKey?: string
  /**
   * Keys of config vars (seal-ring.ts), the one that seals first: those who change them and those who run
   * processes with them.
   */
  readonly vaultKey?: Uint8Array
  /** Keys of apps' certificates: routers, and those who change them. */
  readonly certificateKey?: Uint8Array
  /** The owner's API token. Control hosts alone. */
  readonly ownerToken?: string
  /** Control hosts alone. */
  readonly logins?: ClusterLogins
}

/** The whole of it, as loaded. */
export type Cluster = ClusterFile & {
  readonly secrets: ClusterSecrets
  /** PEM texts, and the seed of its key on the bus (`SU…`). */
  readonly certificate: string
  readonly key: string
  readonly authorityPem: string
  readonly seed: string
  readonly files: KeyFiles
}

export class ClusterFileFailed extends Error {
  override readonly name = 'ClusterFileFailed'
  readonly code = 'cluster_file'
}

/** Paths of what is kept. */
export const keyFiles = (home: string) => {
  const { keys } = homePaths(home)
  return {
    cluster: join(home, 'cluster.json'),
    joining: join(keys, 'joining.json'),
    /** PEM: the authority, this host's certificate and its key. */
    authority: join(keys, 'ca.pem'),
    certificate: join(keys, 'host.pem'),
    key: join(keys, 'host.key'),
    seed: join(keys, 'host.nkey'),
    authorityKey: join(keys, 'ca.key'),
    vaultKey: join(keys, 'config.key'),
    /** On hosts without the vault's key, from which it is derived. */
    certificateKey: join(keys, 'certificates.key'),
    ownerToken: join(keys, 'owner.token'),
    logins: join(keys, 'logins.json'),
  }
}
export type KeyFiles = ReturnType<typeof keyFiles>

const misfit = checker(clusterFileShape)

/** Undefined: this home is no host of a cluster yet. @throws ClusterFileFailed when something is missing */
export const loadCluster = (home: string): Cluster | undefined => {
  const files = keyFiles(home)
  const text = readText(files.cluster)
  if (text === undefined) return undefined
  const file = parse(files.cluster, text)
  const need = (path: string): string => {
    const found = readText(path)
    if (found === undefined) throw new ClusterFileFailed(`${path} is missing: restore it, or join again`)
    return found
  }
  const authorityPem = need(files.authority)
  if (certificateSum(authorityPem) !== file.authority)
    throw new ClusterFileFailed(`${files.authority} is not the authority of ${files.cluster}`)
  return {
    ...file,
    files,
    authorityPem,
    certificate: need(files.certificate),
    key: need(files.key),
    seed: need(files.seed).trim(),
    secrets: loadSecrets(files),
  }
}

/** The same where it must be: it was just saved. */
export const loadedCluster = (home: string): Cluster => {
  const cluster = loadCluster(home)
  if (cluster === undefined) throw new ClusterFileFailed(`${keyFiles(home).cluster} is gone`)
  return cluster
}

const parse = (path: string, text: string): ClusterFile => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ClusterFileFailed(`${path} is no JSON`, { cause: error })
  }
  const wrong = misfit(value)
  if (wrong !== undefined) throw new ClusterFileFailed(`${path}: ${wrong.path} ${wrong.want}`)
  return value as ClusterFile
}

const loadSecrets = (files: KeyFiles): ClusterSecrets => {
  const authorityKey = readText(files.authorityKey)
  const ownerToken = readText(files.ownerToken)?.trim()
  const logins = readText(files.logins)
  return {
    ...(authorityKey !== undefined && { authorityKey }),
    ...readSealKeys(files),
    ...(ownerToken !== undefined && { ownerToken }),
    ...(logins !== undefined && { logins: JSON.parse(logins) as ClusterLogins }),
  }
}

/** As they are on disk now: they change while a host runs. */
export const readSealKeys = (files: KeyFiles): Pick<ClusterSecrets, 'vaultKey' | 'certificateKey'> => {
  const vaultKey = readKeyFile(files.vaultKey)
  const certificateKey = readCertificateKey(files)
  return {
    ...(vaultKey !== undefined && { vaultKey }),
    ...(certificateKey !== undefined && { certificateKey }),
  }
}

/** Undefined: this host neither routes nor changes certificates. */
export const readCertificateKey = (files: KeyFiles): Uint8Array | undefined => {
  const vaultKey = readKeyFile(files.vaultKey)
  return vaultKey === undefined ? readKeyFile(files.certificateKey) : certificateKeysOf(vaultKey)
}

export const readKeyFile = (path: string): Uint8Array | undefined => {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Keeps keys, whoever made them; each file readable by its owner alone. */
export const saveKeys = (
  home: string,
  keys: ClusterSecrets & { readonly certificate?: string; readonly authorityPem?: string },
): void => {
  const files = keyFiles(home)
  const save = (path: string, value: string | Uint8Array | undefined): void => {
    if (value !== undefined) writeWhole(path, value)
  }
  save(files.authorityKey, keys.authorityKey)
  save(files.vaultKey, keys.vaultKey)
  save(files.certificateKey, keys.certificateKey)
  save(files.ownerToken, keys.ownerToken && `${keys.ownerToken}\n`)
  save(files.logins, keys.logins && JSON.stringify(keys.logins))
  save(files.authority, keys.authorityPem)
  save(files.certificate, keys.certificate)
}

/** The file's own fields of `cluster`, and nothing secret. */
export const saveCluster = (home: string, cluster: ClusterFile): void => {
  const { version, name, address, port, roles, granted, labels, authority, nkey, bus, joinedAt } = cluster
  const file: ClusterFile = {
    version,
    cluster: cluster.cluster,
    name,
    address,
    port,
    roles,
    granted,
    labels,
    authority,
    nkey,
    bus,
    joinedAt,
  }
  writeWhole(keyFiles(home).cluster, `${JSON.stringify(file, undefined, 2)}\n`)
}

/** Undefined: this host may not sign. */
export const authorityOf = ({ authorityPem, secrets }: Cluster): Authority | undefined =>
  secrets.authorityKey === undefined
    ? undefined
    : { certificate: authorityPem, key: secrets.authorityKey, commonName: authorityName }

/**
 * At what a host's certificate is good: other hosts go by its name, clients of its bus server by its
 * address.
 */
export const namesOf = (host: { readonly name: string; readonly address: string }): readonly string[] => [
  ...new Set([host.name, host.address, 'localhost', '127.0.0.1']),
]

export const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** On disk when it returns; a reader sees the old or the new. */
export const writeWhole = (path: string, contents: string | Uint8Array): void => {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(`${path}.new`, contents, { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
  const handle = openSync(folder, 'r')
  fsyncSync(handle)
  closeSync(handle)
}

export const removeFile = (path: string): void => rmSync(path, { force: true })
