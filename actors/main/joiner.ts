/**
 * A machine that becomes a host of a cluster: its side of the join.
 *
 * It may be cut off at any point and begin again: its keys are made first and kept, so the second time it
 * is the same joiner; `cluster.json` is written last.
 */
import { sign, X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { certificateSum, keySum, makeKey, publicHalf, publicKeyOf } from '../../src/certs/certificate.ts'
import { createSeed, publicOfSeed } from '../../src/nats/nkeys.ts'
import { PeerFailed } from '../../src/peers/contract.ts'
import { askToJoin, pinAuthority } from '../../src/peers/join-call.ts'
import { grantMisfit, joinProtocol, type Grant, type JoinRequest } from './join.ts'
import {
  type Cluster,
  type ClusterFile,
  keyFiles,
  loadCluster,
  loadedCluster,
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
  /**
   * `join_url`, `other_cluster`, `home_in_use`, `join_answer`; a peer's code, or the reason of its refusal.
   */
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(`MANIFOLD_JOIN: ${message}`, options)
    this.code = code
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
      protocol: joinProtocol,
      name: wish.name.slice(0, 255),
      address: wish.address ?? localAddress,
      port: wish.port,
      roles: wish.roles as JoinRequest['roles'],
      labels: { ...wish.labels },
      nkey: publicOfSeed(keys.seed),
      publicKey: publicHalf(keys.key),
      proof: sign('sha256', Buffer.from(token), keys.key).toString('base64'),
    }
    const said = await askPatiently(() => askToJoin(host, Number(port), `/join/${token}`, authority, request))
    const grant = readGrant(said, keys.key, sum)
    return finishJoin(home, grant, request, sum)
  } catch (error) {
    throw error instanceof PeerFailed ? asJoinFailure(error) : error
  }
}

const againMs = 1_000
const triesMax = 30

/**
 * A cluster whose record is away for some seconds (a new leader, one server becoming three) is waited for.
 */
const askPatiently = async (ask: () => Promise<unknown>): Promise<unknown> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof PeerFailed) || error.reason !== 'busy' || tries >= triesMax) throw error
    }
    await pause(againMs)
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
  const { vaultKey, certificateKey, ...secrets } = grant.secrets
  saveKeys(home, {
    ...secrets,
    ...(vaultKey !== undefined && { vaultKey: Buffer.from(vaultKey, 'base64') }),
    ...(certificateKey !== undefined && { certificateKey: Buffer.from(certificateKey, 'base64') }),
    certificate: grant.certificate,
    authorityPem: grant.authority,
  })
  const file: ClusterFile = {
    version: 1,
    cluster: grant.cluster,
    name: grant.name,
    address: grant.address,
    port: request.port,
    roles: grant.roles,
    granted: grant.roles,
    labels: request.labels,
    authority: sum,
    nkey: request.nkey,
    bus: grant.bus,
    joinedAt: grant.joinedAt,
  }
  saveCluster(home, file)
  removeFile(keyFiles(home).joining)
  return loadedCluster(home)
}

const asJoinFailure = (failure: PeerFailed): JoinFailed => {
  const { code, reason, message } = failure
  return new JoinFailed(reason ?? code, message, { cause: failure })
}
