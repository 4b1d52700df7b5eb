/**
 * A host that may not write the record tells a control host where it is now and what it does, and is sent a
 * certificate for that, and the key of apps' certificates if it routes: who joined before there was one has
 * none. At each start.
 */
import { isIPv4 } from 'node:net'
import { issueHost, keySum, publicHalf, publicKeyOf } from '../../src/certs/certificate.ts'
import { serverDays } from '../../src/certs/keep.ts'
import { PeerFailed, PeerRefusal, type Peer } from '../../src/peers/contract.ts'
import type { Peers } from '../../src/peers/client.ts'
import { checker, is, type Static } from '../../src/runtime/schema.ts'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Store } from '../../src/ports/store.ts'
import { refreshed } from './cluster.ts'
import { secretsFor, secretsNow } from './join.ts'
import { changeHost, refuseForNow, type HostRecord } from './host-record.ts'
import {
  authorityOf,
  busShape,
  loadedCluster,
  namesOf,
  readKeyFile,
  saveCluster,
  saveKeys,
  type BusPlace,
  type Cluster,
} from './members-file.ts'

/** Path of the call. */
export const renewPath = '/hosts/renew'

const requestShape = is.obj({
  address: is.text(64),
  port: is.int,
  roles: is.arr(is.text(32), 16),
  labels: is.map(is.text(63)),
  publicKey: is.text(1_024),
})
type RenewRequest = Static<typeof requestShape>
const requestMisfit = checker(requestShape)

const renewedShape = is.obj({
  certificate: is.text(16_384),
  bus: busShape,
  /** Base64. */
  certificateKey: is.opt(is.text(4_096)),
})
type Renewed = Static<typeof renewedShape>
const renewedMisfit = checker(renewedShape)

export type RenewAsked = {
  readonly peer: Peer
  readonly body: unknown
  readonly nowMs: number
  readonly bus: BusPlace
}

/**
 * The control host's side.
 * @throws PeerRefusal `bad_request`, `not_control`, `not_admitted`, `roles`, `busy`
 */
export const acceptRenewal = async (
  store: Store,
  cluster: Cluster,
  { peer, body, nowMs, bus }: RenewAsked,
): Promise<{ readonly renewed: Renewed; readonly host: HostRecord }> => {
  const wrong = requestMisfit(body)
  if (wrong !== undefined) throw new PeerRefusal('bad_request', `${wrong.path} ${wrong.want}`)
  const asked = body as RenewRequest
  const authority = authorityOf(cluster)
  if (authority === undefined) throw new PeerRefusal('not_control', 'ask a host with the control role')
  if (!isIPv4(asked.address)) throw new PeerRefusal('bad_request', `no IPv4 address: ${asked.address}`)
  if (keyOf(asked.publicKey) !== peer.key)
    throw new PeerRefusal('bad_request', "/publicKey is not the asker's")
  const change = changeHost(store, peer.name, (record) => {
    if (record.tlsKey !== peer.key) throw notAdmitted(peer)
    const more = asked.roles.filter((role) => !record.granted.includes(role))
    if (more.length > 0) throw new PeerRefusal('roles', `${peer.name} joined without ${more.join(',')}`)
    return refreshed(record, { ...asked, nkey: record.nkey })
  })
  const host = await change.catch(refuseForNow)
  if (host === undefined) throw notAdmitted(peer)
  const certificate = issueHost(authority, {
    commonName: host.name,
    publicKey: asked.publicKey,
    names: namesOf(host),
    nowMs,
    days: serverDays,
  })
  const { certificateKey } = secretsFor(host.granted, secretsNow(cluster))
  return { renewed: { certificate, bus, ...(certificateKey !== undefined && { certificateKey }) }, host }
}

const notAdmitted = ({ name }: Peer): PeerRefusal =>
  new PeerRefusal('not_admitted', `${name} was removed from this cluster`)

const keyOf = (pem: string): string | undefined => {
  try {
    return keySum(publicKeyOf(pem))
  } catch {
    // No key at all.
    return undefined
  }
}

/**
 * The host's side: asks one of `controls` after the other.
 * @returns the cluster as saved. @throws PeerFailed of the last one asked
 */
export const renewCluster = async (
  home: string,
  cluster: Cluster,
  controls: readonly string[],
  call: Peers['call'],
): Promise<Cluster> => {
  const { address, port, roles, labels } = cluster
  const request: RenewRequest = { address, port, roles, labels, publicKey: publicHalf(cluster.key) }
  let failure: unknown = new PeerFailed('peer_unknown', 'no control host is known')
  for (const control of controls) {
    try {
      const said = await call(control, renewPath, request)
      if (renewedMisfit(said) !== undefined) continue
      const { certificate, bus, certificateKey } = said as Renewed
      // Whoever has some has them from then on as the record says (seal-ring.ts).
      const isKeyless = readKeyFile(cluster.files.certificateKey) === undefined
      saveKeys(home, {
        certificate,
        ...(certificateKey !== undefined &&
          isKeyless && { certificateKey: Buffer.from(certificateKey, 'base64') }),
      })
      saveCluster(home, { ...loadedCluster(home), bus })
      return loadedCluster(home)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

const againMsMin = 1_000
const againMsMax = 60_000

/** Asks until one of the control hosts has answered. */
export const renewAtStart = (deps: {
  readonly home: string
  readonly cluster: Cluster
  /** The control hosts that are known now. */
  readonly controls: () => readonly string[]
  readonly call: Peers['call']
  readonly clock: Clock
  readonly log: Log
}): { readonly close: () => void } => {
  const { home, cluster, controls, call, clock, log } = deps
  let timer: Timer | undefined
  let isOpen = true
  const ask = (againMs: number): void => {
    renewCluster(home, cluster, controls(), call).then(
      () => log({ at: 'renewed' }),
      (error: unknown) => {
        if (!isOpen) return
        log({ at: 'not-renewed', reason: error instanceof Error ? error.message : 'unknown' })
        timer = clock.after(againMs, () => ask(Math.min(againMsMax, 2 * againMs)))
      },
    )
  }
  ask(againMsMin)
  return {
    close: () => {
      isOpen = false
      timer?.cancel()
    },
  }
}
