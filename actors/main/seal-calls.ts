/**
 * What hosts ask of each other about keys: a control host, which ones another has (who is asked reads the
 * record first, and has what it says from then on); any host, for the keys that its roles need.
 */
import { PeerFailed, PeerRefusal, type Peer } from '../../src/peers/contract.ts'
import type { Peers } from '../../src/peers/client.ts'
import { checker, is, type Static } from '../../src/runtime/schema.ts'
import type { HostRecord } from './host-record.ts'
import { secretsFor, secretsNow } from './join.ts'
import type { Cluster } from './members-file.ts'
import type { GivenKeys, Ring } from './seal-ring.ts'

const lookPath = '/keys/look'
const getPath = '/keys/get'
const keyIds = is.arr(is.text(32), 256)
/** Keys that a host has; seals with at this moment; and that its backups need. */
const looksShape = is.obj({ has: keyIds, seals: keyIds, backups: keyIds })
export type HostKeys = Static<typeof looksShape>
const givenShape = is.obj({ vaultKey: is.opt(is.text(4_096)), certificateKey: is.opt(is.text(4_096)) })
const misfit = { looks: checker(looksShape), given: checker(givenShape) }

export const lookHere = async (ring: Ring, backups: () => Promise<readonly string[]>): Promise<HostKeys> => {
  await ring.refresh()
  const { has, seals } = ring.state()
  return { has: [...has], seals: [...seals], backups: [...(await backups())] }
}

export const serveKeys = (deps: {
  readonly cluster: Cluster
  readonly ring: Ring
  readonly hosts: () => readonly HostRecord[]
  readonly backups: () => Promise<readonly string[]>
}): Readonly<Record<string, (body: unknown, peer: Peer) => Promise<unknown>>> => {
  const recordOf = (peer: Peer): HostRecord => {
    const record = deps.hosts().find((host) => host.name === peer.name && host.tlsKey === peer.key)
    if (record === undefined) throw new PeerRefusal('not_admitted', `${peer.name} is not known here yet`)
    return record
  }
  return {
    [lookPath]: async (_body, peer) => {
      if (!recordOf(peer).roles.includes('control'))
        throw new PeerRefusal('forbidden', `${peer.name} is no control host`)
      return lookHere(deps.ring, deps.backups)
    },
    [getPath]: async (_body, peer) => {
      const { vaultKey, certificateKey } = secretsFor(recordOf(peer).granted, secretsNow(deps.cluster))
      return {
        ...(vaultKey !== undefined && { vaultKey }),
        ...(certificateKey !== undefined && { certificateKey }),
      }
    },
  }
}

/** @throws PeerFailed */
export const lookAt = async (call: Peers['call'], host: string): Promise<HostKeys> => {
  const said = await call(host, lookPath, {})
  if (misfit.looks(said) !== undefined)
    throw new PeerFailed('peer_broken', `${host} told nothing of its keys`)
  return said as HostKeys
}

/** Asks one control host after the other until what they gave suffices; who does not answer is let be. */
export const fetchKeys =
  (controls: () => readonly string[], call: Peers['call']) =>
  async (suffices: (given: GivenKeys) => boolean): Promise<void> => {
    for (const control of controls()) {
      const said = await call(control, getPath, {}).catch(() => undefined)
      if (said === undefined || misfit.given(said) !== undefined) continue
      const { vaultKey, certificateKey } = said as Static<typeof givenShape>
      const given = {
        ...(vaultKey !== undefined && { vault: Buffer.from(vaultKey, 'base64') }),
        ...(certificateKey !== undefined && { certificates: Buffer.from(certificateKey, 'base64') }),
      }
      if (suffices(given)) return
    }
  }
