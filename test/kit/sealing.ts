/**
 * Hosts of a cluster as far as their keys go: a folder and a ring each, one record, and a leader that dies
 * where it is told to.
 */
import { join } from 'node:path'
import type { Test } from 'tap'
import {
  certificateKeysOf,
  certificatesPrefix,
  createCertificates,
} from '../../actors/effects/perform/certificates.ts'
import { keyIdOf } from '../../actors/effects/perform/seal.ts'
import { configPrefix, createVault } from '../../actors/effects/perform/vault.ts'
import { hostKey, type HostRecord } from '../../actors/main/host-record.ts'
import { secretsFor } from '../../actors/main/join.ts'
import { keyFiles, readSealKeys, writeWhole } from '../../actors/main/members-file.ts'
import { lookHere, type HostKeys } from '../../actors/main/seal-calls.ts'
import { openSealOperator } from '../../actors/main/seal-operator.ts'
import { decodeSeal, sealRecordKey } from '../../actors/main/seal-record.ts'
import { openRing, type Ring } from '../../actors/main/seal-ring.ts'
import { openSteps, type Step } from '../../actors/main/seal-rotation.ts'
import type { Store } from '../../src/ports/store.ts'
import { systemClock } from '../../src/system/clock.ts'
import { scratch } from './files.ts'
import { memoryFeed } from './memory-feed.ts'
import { memoryStore } from './memory-store.ts'

export const first = Buffer.alloc(32, 1)
const roles = { h1: ['control', 'dyno'], h2: ['control'], h3: ['dyno'], h4: ['router'], h5: ['logplex'] }
type Name = keyof typeof roles
export const names = Object.keys(roles) as Name[]
class Crashed extends Error {
  override readonly name = 'Crashed'
}

export const openCluster = async (t: Test) => {
  const folder = await scratch(t)
  const store = memoryStore()
  const away = new Set<string>()
  const backups = new Map<string, string[]>()
  const state = { nowMs: 1_000 }
  const filesOf = (name: string) => keyFiles(join(folder, name))
  const grantsOf = (name: string): readonly string[] => roles[name as Name]
  const rings = new Map<string, Ring>()
  for (const name of names) {
    const granted = [...grantsOf(name)]
    const own = { name, nkey: `U${name}`, tlsKey: 'ab'.repeat(32), roles: granted, granted }
    const host: HostRecord = {
      ...own,
      address: '10.0.0.1',
      port: 5100,
      labels: {},
      draining: false,
      server: false,
      joinedAt: 1,
    }
    await store.create(hostKey(name), Buffer.from(JSON.stringify(host)))
    if (granted.includes('control') || granted.includes('dyno')) writeWhole(filesOf(name).vaultKey, first)
    else if (granted.includes('router')) writeWhole(filesOf(name).certificateKey, certificateKeysOf(first))
  }
  const controls = (): readonly string[] =>
    names.filter((name) => grantsOf(name).includes('control') && !away.has(name))
  /** A process of that host, with what its disk has. */
  const boot = (name: string): Ring => {
    const ring = openRing({
      files: filesOf(name),
      store,
      fetch: async (suffices) => {
        for (const control of controls().filter((one) => one !== name)) {
          const { vaultKey, certificateKey } = secretsFor(grantsOf(name), readSealKeys(filesOf(control)))
          const given = {
            ...(vaultKey !== undefined && { vault: Buffer.from(vaultKey, 'base64') }),
            ...(certificateKey !== undefined && { certificates: Buffer.from(certificateKey, 'base64') }),
          }
          if (suffices(given)) return
        }
      },
      log: () => undefined,
    })
    rings.set(name, ring)
    return ring
  }
  for (const name of names) boot(name)
  const ringOf = (name: string): Ring => rings.get(name) ?? boot(name)
  const look = async (name: string): Promise<HostKeys> => {
    if (away.has(name)) throw new Error(`${name} is away`)
    return lookHere(ringOf(name), async () => backups.get(name) ?? [])
  }
  /** The steps of a host that leads, which dies before or after its `dieAt`th doing. */
  const leader = (name: string, dieAt = Infinity) => {
    let doings = 0
    const doing = async <T>(work: () => Promise<T>): Promise<T> => {
      if (doings >= dieAt) throw new Crashed()
      doings += 1
      const done = await work()
      if (doings >= dieAt) throw new Crashed()
      doings += 1
      return done
    }
    const own: Store = {
      ...store,
      get: (key) => doing(() => store.get(key)),
      create: (key, value) => doing(() => store.create(key, value)),
      update: (key, value, revision) => doing(() => store.update(key, value, revision)),
    }
    const steps = openSteps({
      store: own,
      feed: memoryFeed({ list: (prefix) => doing(() => store.list(prefix)) }),
      ring: ringOf(name),
      clock: { ...systemClock, now: () => state.nowMs },
      log: () => undefined,
      hosts: async () =>
        (await store.list('host/')).map(
          ({ value }) => JSON.parse(Buffer.from(value).toString()) as HostRecord,
        ),
      stateOf: (host) => (away.has(host) ? 'dead' : 'up'),
      look: (host) => doing(() => look(host)),
      changed: () => undefined,
    })
    return { ...steps, doings: () => doings }
  }
  const run = async (steps: { readonly step: () => Promise<Step> }, stepsMax = 20): Promise<Step> => {
    let last: Step = 'on'
    for (let count = 0; count < stepsMax && last === 'on'; count += 1) last = await steps.step()
    return last
  }
  const operator = (name: string) =>
    openSealOperator({ store, ring: ringOf(name), now: () => state.nowMs, changed: () => undefined })
  const record = async () => decodeSeal((await store.get(sealRecordKey))!.value)
  return { store, away, backups, state, boot, ringOf, filesOf, look, leader, run, operator, record }
}
type Cluster = Awaited<ReturnType<typeof openCluster>>

const pair = { certificate: 'c', key: 'k' } as never
let filled = 0
/** Something sealed of each kind, by ids of what was sealed. */
export const fill = async ({ store, ringOf }: Cluster, host: string, count: number) => {
  filled += 1
  const vault = createVault(store, ringOf(host).vault)
  const made = []
  for (let at = 0; at < count; at += 1) {
    const appId = `${host}-${filled}-${at}`
    made.push({ appId, configId: await vault.seal(appId, { WHO: appId }) })
    await createCertificates(store, ringOf(host).certificates).keep(appId, 'p1', pair)
  }
  return made
}
type Made = Awaited<ReturnType<typeof fill>>

export const opensAll = async (t: Test, cluster: Cluster, made: Made): Promise<void> => {
  for (const host of names.filter((name) => !cluster.away.has(name))) {
    const vault = createVault(cluster.store, cluster.ringOf(host).vault)
    const certificates = createCertificates(cluster.store, cluster.ringOf(host).certificates)
    for (const { appId, configId } of made) {
      if (host !== 'h4' && host !== 'h5')
        t.strictSame(await vault.open(appId, configId), { WHO: appId }, `${host} opens ${appId}`)
      if (host !== 'h5') t.ok(await certificates.open(appId, 'p1'), `${host} opens certificates of ${appId}`)
    }
  }
}
export const idsOf = async ({ store }: Cluster, prefix: string): Promise<readonly (string | undefined)[]> => [
  ...new Set((await store.list(prefix)).map(({ value }) => keyIdOf(value))),
]
export const sealedWith = async (t: Test, cluster: Cluster): Promise<void> => {
  const { sealing } = await cluster.record()
  t.strictSame(await idsOf(cluster, configPrefix), [sealing.id], 'config vars')
  t.strictSame(await idsOf(cluster, certificatesPrefix), [sealing.certificates], 'certificates')
}
