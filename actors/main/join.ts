/**
 * How a machine becomes a host of a cluster: the joiner's side and the side of the host that it asks.
 *
 * The joiner makes its own keys and sends their public halves; it is sent a name, a certificate and what its roles
 * need. Everything may be cut off at any point and done again: the keys are made first and kept, so the second
 * time it is the same joiner.
 */
import { createHash, sign, verify, X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import {
  certificateSum,
  issueHost,
  keySum,
  makeKey,
  publicHalf,
  publicKeyOf,
} from '../../src/certs/certificate.ts'
import { serverDays } from '../../src/certs/keep.ts'
import { createSeed, isPublicNkey, publicOfSeed } from '../../src/nats/nkeys.ts'
import { askToJoin, pinAuthority } from '../../src/peers/join-call.ts'
import { PeerFailed, PeerRefusal } from '../../src/peers/contract.ts'
import { checker, is, type Static } from '../../src/runtime/schema.ts'
import type { Store } from '../../src/ports/store.ts'
import { addHost, type HostRecord } from './host-record.ts'
import { useInvite } from './invite.ts'
import {
  authorityOf,
  busShape,
  type BusPlace,
  type Cluster,
  type ClusterFile,
  type ClusterSecrets,
  keyFiles,
  loadCluster,
  namesOf,
  readText,
  removeFile,
  saveCluster,
  saveKeys,
  writeWhole,
} from './members-file.ts'

/** What a machine wants to be. */
export type HostWish = {
  /** Its host name, say: another host of that name makes it `<name>-2`. */
  readonly name: string
  /** Where others reach it, IPv4. Undefined: the address from which it reaches the cluster. */
  readonly address: string | undefined
  readonly port: number
  readonly roles: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/** One line for the user that says why this machine is no host of that cluster. */
export class JoinFailed extends Error {
  override readonly name = 'JoinFailed'
  /** `join_url`, `other_cluster`, `home_in_use`, `join_answer`; a peer's code, or the reason of its refusal. */
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(`MANIFOLD_JOIN: ${message}`, options)
    this.code = code
  }
}

/** Of this conversation; another number is told to use the same version. */
const protocol = 1

const requestShape = is.obj({
  protocol: is.int,
  name: is.text(255),
  address: is.text(64),
  port: is.int,
  roles: is.arr(is.oneOf('control', 'dyno', 'router', 'logplex'), 4),
  labels: is.map(is.text(63)),
  nkey: is.text(64),
  publicKey: is.text(1_024),
  /** The token, signed with the TLS key. */
  proof: is.text(256),
})
type JoinRequest = Static<typeof requestShape>
const requestMisfit = checker(requestShape)

const loginShape = is.obj({ user: is.text(128), password: is.text(128) })
const grantShape = is.obj({
  cluster: is.text(63),
  name: is.text(63),
  certificate: is.text(16_384),
  authority: is.text(16_384),
  address: is.text(64),
  bus: busShape,
  joinedAt: is.int,
  secrets: is.obj({
    authorityKey: is.opt(is.text(4_096)),
    /** Base64. */
    vaultKey: is.opt(is.text(256)),
    ownerToken: is.opt(is.text(256)),
    logins: is.opt(
      is.obj({ platform: loginShape, operator: loginShape, system: loginShape, routes: loginShape }),
    ),
  }),
})
export type Grant = Static<typeof grantShape>
const grantMisfit = checker(grantShape)

export type JoinAsked = {
  /** Of the join URL. */
  readonly token: string
  /** What the joiner sent, unread. */
  readonly body: unknown
  readonly nowMs: number
  /** Where the bus is now. */
  readonly bus: BusPlace
}

/**
 * Lets a joiner in: its invite is used up, its host is on record, its certificate is signed.
 * @param cluster of this host, a control host
 * @returns what to send, and the new host: the bus must know its key before it is told
 * @throws PeerRefusal `bad_request`, `wrong_version`, `invite_unknown`, `invite_used`, `invite_expired`;
 *   StoreUnavailable: the joiner may ask again
 */
export const acceptJoin = async (
  store: Store,
  cluster: Cluster,
  { token, body, nowMs, bus }: JoinAsked,
): Promise<{ readonly grant: Grant; readonly host: HostRecord }> => {
  const asked = readRequest(body, token)
  const authority = authorityOf(cluster)
  if (authority === undefined) throw new PeerRefusal('not_control', 'ask a host with the control role')
  const tlsKey = keySum(publicKeyOf(asked.publicKey))
  await useInvite(store, token, createHash('sha256').update(`${asked.nkey} ${tlsKey}`).digest('hex'), nowMs)
  const { name, nkey, address, port, labels, roles } = asked
  const host = await addHost(store, {
    name,
    nkey,
    tlsKey,
    roles,
    granted: roles,
    address,
    port,
    labels,
    draining: false,
    server: false,
    joinedAt: nowMs,
  })
  const certificate = issueHost(authority, {
    commonName: host.name,
    publicKey: asked.publicKey,
    names: namesOf(host),
    nowMs,
    days: serverDays,
  })
  const grant = {
    cluster: cluster.cluster,
    name: host.name,
    certificate,
    authority: cluster.authorityPem,
    address,
    bus,
    joinedAt: host.joinedAt,
    secrets: secretsFor(host.granted, cluster.secrets),
  }
  return { grant, host }
}

/** Each host holds what its roles need and nothing more. */
const secretsFor = (roles: readonly string[], held: ClusterSecrets): Grant['secrets'] => {
  const isControl = roles.includes('control')
  const vaultKey = isControl || roles.includes('dyno') ? held.vaultKey : undefined
  const { authorityKey, ownerToken, logins } = isControl ? held : {}
  return {
    ...(authorityKey !== undefined && { authorityKey }),
    ...(vaultKey !== undefined && { vaultKey: Buffer.from(vaultKey).toString('base64') }),
    ...(ownerToken !== undefined && { ownerToken }),
    ...(logins !== undefined && { logins }),
  }
}

const readRequest = (body: unknown, token: string): JoinRequest => {
  const version = (body as { readonly protocol?: unknown } | undefined)?.protocol
  if (typeof version === 'number' && version !== protocol)
    throw new PeerRefusal(
      'wrong_version',
      `this cluster speaks version ${protocol} of joining: use the same software`,
    )
  const wrong = requestMisfit(body)
  if (wrong !== undefined) throw new PeerRefusal('bad_request', `${wrong.path} ${wrong.want}`)
  const asked = body as JoinRequest
  if (!isIPv4(asked.address)) throw new PeerRefusal('bad_request', `no IPv4 address: ${asked.address}`)
  if (asked.roles.length === 0) throw new PeerRefusal('bad_request', 'a host has a role at least')
  if (!isPublicNkey(asked.nkey)) throw new PeerRefusal('bad_request', '/nkey is no public key')
  // Without the proof whoever saw the public halves could be sent what is meant for their owner.
  if (!proves(asked, token)) throw new PeerRefusal('bad_request', '/proof is not of /publicKey')
  return asked
}

const proves = ({ publicKey, proof }: JoinRequest, token: string): boolean => {
  try {
    return verify('sha256', Buffer.from(token), publicKeyOf(publicKey), Buffer.from(proof, 'base64'))
  } catch {
    // No key at all.
    return false
  }
}

const urlPattern = /^https:\/\/([^\s/:]+):(\d{1,5})\/join\/([A-Za-z0-9_-]{16,128})\?ca=([0-9a-f]{64})$/

/**
 * Makes this home a host of the cluster that the join URL is of; one that is already says so without asking.
 * @throws JoinFailed with one line
 */
export const joinCluster = async (url: string, wish: HostWish, home: string): Promise<Cluster> => {
  const [, host = '', port, token = '', sum = ''] = urlPattern.exec(url) ?? []
  if (port === undefined) throw new JoinFailed('join_url', 'this is no join URL')
  const known = loadCluster(home)
  if (known !== undefined) return stillOf(known, sum, home)
  const keys = beginJoin(home, sum)
  try {
    const { authority, localAddress } = await pinAuthority(host, Number(port), sum)
    const request: JoinRequest = {
      protocol,
      name: wish.name.slice(0, 255),
      address: wish.address ?? localAddress,
      port: wish.port,
      roles: wish.roles as JoinRequest['roles'],
      labels: { ...wish.labels },
      nkey: publicOfSeed(keys.seed),
      publicKey: publicHalf(keys.key),
      proof: sign('sha256', Buffer.from(token), keys.key).toString('base64'),
    }
    const said = await askToJoin(host, Number(port), `/join/${token}`, authority, request)
    const grant = readGrant(said, keys.key, sum)
    return finishJoin(home, grant, request, sum)
  } catch (error) {
    throw error instanceof PeerFailed ? asJoinFailure(error) : error
  }
}

const stillOf = (known: Cluster, sum: string, home: string): Cluster => {
  if (known.authority === sum) return known
  const held = `MANIFOLD_HOME=${JSON.stringify(home)} is host ${known.name} of another cluster`
  throw new JoinFailed('other_cluster', `${held}: unset MANIFOLD_JOIN or use an empty home`)
}

/** The joiner's own keys: made before the first question and kept, so that it is the same one ever after. */
const beginJoin = (home: string, sum: string): { readonly key: string; readonly seed: string } => {
  const files = keyFiles(home)
  if (existsSync(files.authority) && !existsSync(files.joining)) {
    const held = `MANIFOLD_HOME=${JSON.stringify(home)} holds a platform of its own`
    throw new JoinFailed('home_in_use', `${held}: use an empty home`)
  }
  writeWhole(files.joining, JSON.stringify({ authority: sum }))
  return keepOwnKeys(home)
}

/** This host's TLS key (PEM) and its seed for the bus: made once. */
export const keepOwnKeys = (home: string): { readonly key: string; readonly seed: string } => {
  const files = keyFiles(home)
  const keep = (path: string, make: () => string): string => {
    const found = readText(path)
    if (found !== undefined) return found
    const made = make()
    writeWhole(path, made)
    return made
  }
  return { key: keep(files.key, makeKey), seed: keep(files.seed, createSeed) }
}

const readGrant = (said: unknown, key: string, sum: string): Grant => {
  const wrong = grantMisfit(said)
  if (wrong !== undefined)
    throw new JoinFailed('join_answer', `the answer makes no sense (${wrong.path} ${wrong.want})`)
  const grant = said as Grant
  const certificate = new X509Certificate(grant.certificate)
  const isOurs = keySum(certificate.publicKey) === keySum(publicKeyOf(publicHalf(key)))
  const isTheirs = certificate.verify(new X509Certificate(grant.authority).publicKey)
  if (!isOurs || !isTheirs || certificateSum(grant.authority) !== sum)
    throw new JoinFailed('join_answer', 'the certificate in the answer is not for this host')
  return grant
}

const finishJoin = (home: string, grant: Grant, request: JoinRequest, sum: string): Cluster => {
  const { vaultKey, ...secrets } = grant.secrets
  saveKeys(home, {
    ...secrets,
    ...(vaultKey !== undefined && { vaultKey: Buffer.from(vaultKey, 'base64') }),
    certificate: grant.certificate,
    authorityPem: grant.authority,
  })
  const file: ClusterFile = {
    version: 1,
    cluster: grant.cluster,
    name: grant.name,
    address: grant.address,
    port: request.port,
    roles: request.roles,
    granted: request.roles,
    labels: request.labels,
    authority: sum,
    nkey: request.nkey,
    bus: grant.bus,
    joinedAt: grant.joinedAt,
  }
  saveCluster(home, file)
  removeFile(keyFiles(home).joining)
  return loaded(home)
}

/** What was just saved. */
export const loaded = (home: string): Cluster => {
  const cluster = loadCluster(home)
  if (cluster === undefined) throw new Error(`${keyFiles(home).cluster} is gone`)
  return cluster
}

const asJoinFailure = (failure: PeerFailed): JoinFailed => {
  const { code, reason, message } = failure
  return new JoinFailed(reason ?? code, message, { cause: failure })
}
