/**
 * How a machine becomes a host of a cluster: what is said, and the side of the host that is asked
 * (joiner.ts has the other).
 *
 * The joiner makes its own keys and sends their public halves; it is sent a name, a certificate and what
 * its roles need.
 */
import { createHash, verify } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { issueHost, keySum, publicKeyOf } from '../../src/certs/certificate.ts'
import { serverDays } from '../../src/certs/keep.ts'
import { isPublicNkey } from '../../src/nats/nkeys.ts'
import { PeerRefusal } from '../../src/peers/contract.ts'
import type { Store } from '../../src/ports/store.ts'
import { checker, is, type Static } from '../../src/runtime/schema.ts'
import { addHost, refuseForNow, type HostRecord } from './host-record.ts'
import { useInvite } from './invite.ts'
import {
  authorityOf,
  busShape,
  type BusPlace,
  type Cluster,
  type ClusterSecrets,
  namesOf,
  readSealKeys,
} from './members-file.ts'

/** Of this conversation; another number is told to use the same version. */
export const joinProtocol = 1

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
export type JoinRequest = Static<typeof requestShape>
const requestMisfit = checker(requestShape)

const loginShape = is.obj({ user: is.text(128), password: is.text(128) })
const grantShape = is.obj({
  cluster: is.text(63),
  name: is.text(63),
  certificate: is.text(16_384),
  authority: is.text(16_384),
  address: is.text(64),
  roles: is.arr(is.text(32), 16),
  bus: busShape,
  joinedAt: is.int,
  secrets: is.obj({
    authorityKey: is.opt(is.text(4_096)),
    /** Base64. */
    vaultKey: is.opt(is.text(4_096)),
    certificateKey: is.opt(is.text(4_096)),
    ownerToken: is.opt(is.text(256)),
    logins: is.opt(
      is.obj({ platform: loginShape, operator: loginShape, system: loginShape, routes: loginShape }),
    ),
  }),
})
export type Grant = Static<typeof grantShape>
export const grantMisfit = checker(grantShape)

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
 * @throws PeerRefusal `bad_request`, `wrong_version`, `invite_unknown`, `invite_used`, `invite_expired`,
 *   `busy`: the joiner may ask again
 */
export const acceptJoin = async (
  store: Store,
  cluster: Cluster,
  { token, body, nowMs, bus }: JoinAsked,
): Promise<{ readonly grant: Grant; readonly host: HostRecord }> => {
  const asked = readRequest(body, token)
  const authority = authorityOf(cluster)
  if (authority === undefined) throw new PeerRefusal('not_control', 'ask a host with the control role')
  const host = await admit(store, token, asked, nowMs).catch(refuseForNow)
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
    address: host.address,
    roles: host.granted,
    bus,
    joinedAt: host.joinedAt,
    secrets: secretsFor(host.granted, secretsNow(cluster)),
  }
  return { grant, host }
}

/** In this order: a token that was used for nothing is no harm, a host that nobody invited is. */
const admit = async (store: Store, token: string, asked: JoinRequest, nowMs: number): Promise<HostRecord> => {
  const tlsKey = keySum(publicKeyOf(asked.publicKey))
  await useInvite(store, token, createHash('sha256').update(`${asked.nkey} ${tlsKey}`).digest('hex'), nowMs)
  const { name, nkey, address, port, labels, roles } = asked
  return addHost(store, {
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
}

export const secretsNow = ({ secrets, files }: Cluster): ClusterSecrets => ({
  ...secrets,
  ...readSealKeys(files),
})

/** Each host holds what its roles need and nothing more. */
export const secretsFor = (roles: readonly string[], held: ClusterSecrets): Grant['secrets'] => {
  const isControl = roles.includes('control')
  const vaultKey = isControl || roles.includes('dyno') ? held.vaultKey : undefined
  const certificateKey = vaultKey === undefined && roles.includes('router') ? held.certificateKey : undefined
  const { authorityKey, ownerToken, logins } = isControl ? held : {}
  return {
    ...(authorityKey !== undefined && { authorityKey }),
    ...(vaultKey !== undefined && { vaultKey: Buffer.from(vaultKey).toString('base64') }),
    ...(certificateKey !== undefined && { certificateKey: Buffer.from(certificateKey).toString('base64') }),
    ...(ownerToken !== undefined && { ownerToken }),
    ...(logins !== undefined && { logins }),
  }
}

const readRequest = (body: unknown, token: string): JoinRequest => {
  const version = (body as { readonly protocol?: unknown } | undefined)?.protocol
  if (typeof version === 'number' && version !== joinProtocol)
    throw new PeerRefusal(
      'wrong_version',
      `this cluster speaks version ${joinProtocol} of joining: use the same software`,
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
