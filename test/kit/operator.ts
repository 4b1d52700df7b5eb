/** A cluster for the operator's tests: what hosts, the view and placement would say is what the test says. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openClusterOperator, type OperatorDeps } from '../../actors/main/cluster-operator.ts'
import type { Fleet } from '../../actors/main/findings.ts'
import { hostKey, type HostRecord } from '../../actors/main/host-record.ts'
import type { HostFacts } from '../../actors/main/host-facts.ts'
import type { Member, MemberState } from '../../src/membership/contract.ts'
import { keyFiles, writeWhole } from '../../actors/main/members-file.ts'
import { openSealOperator } from '../../actors/main/seal-operator.ts'
import { openRing } from '../../actors/main/seal-ring.ts'
import { systemClock } from '../../src/system/clock.ts'
import { memoryFeed } from './memory-feed.ts'
import { memoryStore } from './memory-store.ts'

const gb = 1024 ** 3

export const memberOf = (name: string, state: MemberState = 'up'): Member => ({
  name,
  state,
  since: 1_700_000_000_000,
  incarnation: 1,
  roles: ['control', 'dyno', 'router', 'logplex'],
  address: '10.0.0.1',
  labels: { zone: 'a' },
  version: '0.1.0',
  protocol: 1,
  draining: state === 'draining',
  server: `nats-${name}`,
})

export const factsOf = (name: string): HostFacts => ({
  name,
  nowMs: Date.now(),
  version: '0.1.0',
  disks: [{ what: 'home', freeBytes: 40 * gb, totalBytes: 100 * gb }],
  dynos: [],
  newestBackupAt: Date.now() - 60_000,
})

const recordOf = (name: string): HostRecord => ({
  name,
  nkey: `U${name}`,
  tlsKey: 'ab'.repeat(32),
  roles: ['control', 'dyno'],
  granted: ['control', 'dyno'],
  address: '10.0.0.1',
  port: 5100,
  labels: {},
  draining: false,
  server: true,
  joinedAt: 1,
})

/** Three hosts, h1 to h3; the one that is asked is h1, which leads. */
export const openOperator = async (t: Test, key: Uint8Array = Buffer.alloc(32, 7)) => {
  const folder = mkdtempSync(join(tmpdir(), 'manifold-operator-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const store = memoryStore()
  const said = {
    view: {
      number: 7,
      leader: 'h1',
      braked: false,
      members: ['h1', 'h2', 'h3'].map((name) => memberOf(name)),
    },
    fleet: { hosts: [], waiting: [], moving: 0 } as Fleet,
    facts: new Map<string, HostFacts>(['h1', 'h2', 'h3'].map((name) => [name, factsOf(name)])),
    /** How far a host's clock is ahead. */
    aheadMs: new Map<string, number>(),
    canaryWrite: async () => 3,
    removed: [] as string[],
    changed: [] as string[],
    restored: 0,
    keysChanged: 0,
    /** Whether somebody takes the place of a removed host's bus server; and places that are empty. */
    filled: true,
    emptyPlaces: [] as string[],
  }
  for (const name of ['h1', 'h2', 'h3'])
    await store.create(hostKey(name), Buffer.from(JSON.stringify(recordOf(name))))
  writeWhole(keyFiles(folder).vaultKey, key)
  const log = () => undefined
  const ring = openRing({ files: keyFiles(folder), store, fetch: async () => undefined, log })
  const deps: OperatorDeps = {
    self: 'h1',
    cluster: 'test',
    store,
    clock: systemClock,
    log: () => undefined,
    members: { view: () => said.view, remove: (host) => void said.removed.push(host) },
    fleet: async () => said.fleet,
    async facts(host) {
      const facts = said.facts.get(host)
      if (facts === undefined) throw new Error('connect ECONNREFUSED')
      return { ...facts, nowMs: Date.now() + (said.aheadMs.get(host) ?? 0) }
    },
    canaryWrite: () => said.canaryWrite(),
    invite: async () => 'https://10.0.0.1:5100/join/abc?ca=def',
    hostChanged: (host) => void said.changed.push(host),
    releaseServer: async () => said.filled,
    emptyPlaces: () => said.emptyPlaces,
    feed: memoryFeed(store),
    sorting: join(folder, 'run/sorting'),
    spool: join(folder, 'run/restore.jsonl'),
    keys: openSealOperator({ store, ring, now: () => Date.now(), changed: () => (said.keysChanged += 1) }),
    restored: () => void (said.restored += 1),
  }
  return { operator: openClusterOperator(deps), deps, store, said, folder, ring }
}

export const dynosOn = (name: string, dynos: number): Fleet['hosts'][number] => ({
  name,
  dynos,
  memoryBytes: 8 * gb,
  reservedBytes: dynos * gb,
  load: 0.5,
  announcedAt: 1,
})
