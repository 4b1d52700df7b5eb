/**
 * Brings a rotation of the keys to its end: the control host that leads takes one step after the other, each
 * on record (seal-record.ts) before the next, so that whoever leads after it goes on from there.
 */
import type { MemberState } from '../../src/membership/contract.ts'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import { StoreConflict, type Store } from '../../src/ports/store.ts'
import { changeSeal } from './seal-change.ts'
import type { HostRecord } from './host-record.ts'
import type { HostKeys } from './seal-calls.ts'
import { resealAll, type PassDeps } from './seal-pass.ts'
import * as seals from './seal-record.ts'
import type { KeyName, SealRecord } from './seal-record.ts'
import type { Ring } from './seal-ring.ts'

export type RotationDeps = {
  readonly store: Store
  readonly feed: PassDeps['feed']
  readonly ring: Ring
  readonly clock: Clock
  readonly log: Log
  /** Hosts on record, read anew. */
  readonly hosts: () => Promise<readonly HostRecord[]>
  readonly stateOf: (host: string) => MemberState | undefined
  /** This host's own keys, or another's. */
  readonly look: (host: string) => Promise<HostKeys>
  /** The record changed: everybody looks. */
  readonly changed: () => void
}

/** `on`: a step was taken; `waiting`: for hosts, or for time; `idle`: there is nothing to do. */
export type Step = 'on' | 'waiting' | 'idle'

const progressMs = 1_000

export const openSteps = (deps: RotationDeps): { readonly step: () => Promise<Step> } => {
  const { store, feed, ring, clock, log } = deps
  /** A whole pass is not made again and again for what it can't bring to an end. */
  let passed = ''

  const change = async (to: (record: SealRecord) => SealRecord | undefined): Promise<void> => {
    if (await changeSeal(store, to)) deps.changed()
  }
  const looks = async (): Promise<readonly Looked[]> =>
    Promise.all(
      (await deps.hosts()).map(async (host) => {
        const keys = await deps.look(host.name).catch(() => undefined)
        return { host, keys }
      }),
    )
  const isThere = ({ host }: Looked): boolean => {
    const state = deps.stateOf(host.name)
    return state !== undefined && state !== 'dead' && state !== 'left'
  }
  const waitFor = async (late: readonly Looked[]): Promise<Step> => {
    const names = late.map(({ host }) => host.name)
    await changeSeal(store, (record) =>
      record.waitingFor.join() === names.join() ? undefined : seals.waiting(record, names),
    )
    return 'waiting'
  }

  const give = async (next: KeyName): Promise<Step> => {
    // All who answer were asked for it.
    if (!ring.state().has.includes(next.id)) {
      const other = ring.make()
      log({ at: 'key-made-anew', key: other.id, instead: next.id })
      await change((now) => (now.next?.id === next.id ? seals.asked(now, other, clock.now()) : undefined))
      return 'on'
    }
    const late = (await looks()).filter((one) => isThere(one) && !holds(one, next))
    if (late.length > 0) return waitFor(late)
    log({ at: 'key-given', key: next.id })
    await change((now) => (now.next?.id === next.id ? seals.given(now) : undefined))
    return 'on'
  }

  const pass = async (sealing: KeyName) => {
    let toldMs = clock.monotonicMs()
    return resealAll({
      store,
      feed,
      ring,
      progress: async (done, total) => {
        if (done < total && clock.monotonicMs() - toldMs < progressMs) return
        toldMs = clock.monotonicMs()
        const isOn = await changeSeal(store, (now) =>
          now.sealing.id === sealing.id ? { ...now, done, total } : undefined,
        )
        if (!isOn) throw new StoreConflict(seals.sealRecordKey)
      },
    })
  }

  const reseal = async ({ sealing, round, waitingFor }: SealRecord): Promise<Step> => {
    const controls = (await looks()).filter(({ host }) => host.granted.includes('control'))
    const others = controls.filter((one) => !sealsOnly(one, sealing))
    const late = others.filter(isThere)
    if (late.length > 0) return waitFor(late)
    const { has, seals: own } = ring.state()
    if (own[0] !== sealing.id) return 'waiting'
    // Whoever is away may be in the middle of sealing with the key of before.
    const now = [round, ...others.map(({ host }) => host.name), ...has].join()
    if (passed === now) return waitFor(others)
    if (waitingFor.length > 0) await waitFor([])
    const { resealed, unreadable, left } = await pass(sealing)
    passed = now
    log({ at: 'resealed', key: sealing.id, records: resealed, unreadable })
    const whole = others.length === 0
    await change((found) => {
      if (found.sealing.id !== sealing.id || found.round !== round) return undefined
      return { ...(whole ? seals.resealed(found, left, clock.now()) : found), unreadable }
    })
    return whole && left.size === 0 ? 'on' : waitFor(others)
  }

  const forget = async (record: SealRecord): Promise<Step> => {
    const over = seals.forgettable(record, clock.now())
    if (over.length === 0) return 'idle'
    const controls = (await looks()).filter(({ host }) => host.granted.includes('control'))
    const kept = new Set(controls.flatMap(({ keys }) => keys?.backups ?? []))
    if (controls.some(({ keys }) => keys === undefined)) return 'idle'
    const gone = over.filter(({ id }) => !kept.has(id))
    if (gone.length === 0) return 'idle'
    // What a write that was under way for long has brought since.
    const { resealed, left } = await pass(record.sealing)
    const isClean = resealed === 0 && !gone.some((name) => seals.isOf(name, left))
    log({ at: isClean ? 'keys-dropped' : 'keys-still-needed', keys: gone.map(({ id }) => id).join() })
    await change((now) => {
      if (now.sealing.id !== record.sealing.id) return undefined
      return isClean ? seals.forgotten(now, gone) : seals.found(now, gone)
    })
    return 'on'
  }

  return {
    async step() {
      const entry = await store.get(seals.sealRecordKey)
      if (entry === undefined) return 'idle'
      const record = seals.decodeSeal(entry.value)
      await ring.refresh()
      if (record.next !== null) return give(record.next)
      return seals.isResealed(record) ? forget(record) : reseal(record)
    },
  }
}

type Looked = { readonly host: HostRecord; readonly keys: HostKeys | undefined }

const holds = ({ host: { granted }, keys }: Looked, name: KeyName): boolean => {
  if (granted.includes('control') || granted.includes('dyno')) return keys?.has.includes(name.id) === true
  return !granted.includes('router') || keys?.has.includes(name.certificates) === true
}

const sealsOnly = ({ keys }: Looked, { id, certificates }: KeyName): boolean =>
  keys !== undefined &&
  keys.seals.includes(id) &&
  keys.seals.every((one) => one === id || one === certificates)

const onMs = 20
const waitingMs = 2_000
const idleMs = 60_000

/** @param leads whether this host is the one that takes the steps now */
export const openRotation = (
  deps: RotationDeps & { readonly leads: () => boolean },
): { readonly nudge: () => void; readonly close: () => Promise<void> } => {
  const { clock, log } = deps
  const { step } = openSteps(deps)
  let closed = false
  let nudged = false
  let working: Promise<void> | undefined
  let timer: Timer = clock.after(waitingMs, tick)

  function tick(): void {
    if (working !== undefined || closed) return
    nudged = false
    working = run().then((ms) => {
      working = undefined
      if (!closed) timer = clock.after(nudged ? onMs : ms, tick)
    })
  }
  const run = async (): Promise<number> => {
    if (!deps.leads()) return idleMs
    try {
      const taken = await step()
      return taken === 'on' ? onMs : taken === 'waiting' ? waitingMs : idleMs
    } catch (error) {
      log({ at: 'rotation-failed', reason: error instanceof Error ? error.message : 'unknown' })
      return waitingMs
    }
  }
  return {
    nudge: () => {
      nudged = true
      timer.cancel()
      tick()
    },
    close: async () => {
      closed = true
      timer.cancel()
      await working
    },
  }
}
