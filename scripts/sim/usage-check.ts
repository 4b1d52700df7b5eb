/**
 * What dynos cost in a simulated run, held against every write of a formation's record that stands: what its
 * slots were between two writes, by the calendar, is what is reported in the end; and each change was counted
 * when it happened.
 */
import { formationFormat } from '../../actors/formation/kept.ts'
import type { Formed, Slot } from '../../actors/formation/record.ts'
import { dayOf, monthOf } from '../../actors/usage/days.ts'
import type { AppUsage } from '../../actors/protocols/usage.ts'
import { monthOfAll } from '../../actors/usage/report.ts'
import { usagePrefix } from '../../actors/usage/record.ts'
import type { World } from '../../src/sim/world.ts'

type Written = { readonly revision: number; readonly f: Formed; readonly atMs: number }
export type UsageCheck = { faults(): string[] }

const prefix = 'actor/formation/'
/** Follows the record from now on. */
export const followUsage = (world: World, hosts: readonly string[]): UsageCheck => {
  const chains = new Map<string, Written[]>()
  let skewMs = 0
  const faults: string[] = []
  world.store.watch((key, entry) => {
    // A day that is handed over stands in both records for a moment, and counts once.
    const [, month] = /^usage\/([\d-]+)\//.exec(key) ?? []
    if (month !== undefined) faults.push(...wrongIn(world, chains, month))
    if (!key.startsWith(prefix) || entry === undefined) return
    for (const host of hosts) skewMs = Math.max(skewMs, Math.abs(world.skewOf(host)))
    const id = key.slice(prefix.length)
    // Revisions begin again where a store that lost its end stands.
    const chain = (chains.get(id) ?? []).filter(({ revision }) => revision < entry.revision)
    const f = formationFormat.decode(entry.value, key).state as Formed
    const written = { revision: entry.revision, f, atMs: world.clock.now() }
    const fault = lateness(chain.at(-1), written, skewMs)
    if (fault !== undefined) faults.push(`${id.slice(0, 8)}: ${fault}`)
    chains.set(id, [...chain, written])
  })
  return {
    faults: () => {
      const now = world.clock.now()
      const months = new Set([...chains.values()].flat().map(({ f }) => monthOf(dayOf(f.meter?.at ?? now))))
      return [
        ...faults,
        ...waitingIn(world),
        ...[...months].flatMap((month) => wrongIn(world, chains, month)),
      ]
    },
  }
}

/** Slots that cost something, counted by what they are: not how the platform itself counts them. */
const costly = (f: Formed | undefined): Map<string, number> => {
  const isOneOffUnderWay = ({ state, run }: Slot): boolean =>
    state !== 'complete' && run !== null && run.phase !== 'placing'
  const kinds = new Map<string, number>()
  for (const slot of f?.slots ?? []) {
    if (slot.oneOff === null ? slot.state === 'idle' : !isOneOffUnderWay(slot)) continue
    const kind = `${slot.type} ${slot.size}`
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  }
  return kinds
}

const textOf = (kinds: ReadonlyMap<string, number>): string =>
  [...kinds]
    .map(([kind, count]) => `${kind} ${count}`)
    .sort()
    .join(', ')

/** A change was decided between the write before it and its own, by a clock that may be off. */
const lateness = (before: Written | undefined, { f, atMs }: Written, skewMs: number): string | undefined => {
  const [was, is] = [textOf(costly(before?.f)), textOf(costly(f))]
  if (was === is) return undefined
  const at = f.meter?.at
  if (at === undefined) return `from ${was} to ${is}, and nothing was counted`
  const offMs = Math.max((before?.atMs ?? at) - at, at - atMs)
  return offMs > 2 * skewMs ? `from ${was} to ${is}: counted ${offMs} ms off` : undefined
}

const wrongIn = (world: World, chains: ReadonlyMap<string, readonly Written[]>, month: string): string[] => {
  const now = world.clock.now()
  const [formations, records] = [world.store.truth(prefix), world.store.truth(usagePrefix(month))]
  const told = new Map(monthOfAll(formations, records, month, now).map((app) => [app.appId, app]))
  return [...chains].flatMap(([id, chain]) => {
    const wanted = textOf(expected(chain, month, now))
    const found = textOf(reported(told.get(id)))
    return wanted === found ? [] : [`${id.slice(0, 8)} cost ${wanted} in ${month}, reported: ${found}`]
  })
}

const waitingIn = (world: World): string[] =>
  world.store.truth(prefix).flatMap(({ key, value }) => {
    const { meter } = formationFormat.decode(value, key).state as Formed
    const isWaiting = meter !== undefined && meter.over.length > 0
    return isWaiting ? [`${key}: days that are over are not on record`] : []
  })

const reported = (app: AppUsage | undefined): Map<string, number> =>
  new Map((app?.spent ?? []).map(([type, size, ms]) => [`${type} ${size}`, ms]))

const expected = (chain: readonly Written[], month: string, now: number): Map<string, number> => {
  const first = Date.parse(`${month}-01T00:00:00Z`)
  const end = new Date(first).setUTCMonth(new Date(first).getUTCMonth() + 1)
  const sum = new Map<string, number>()
  for (const [index, { f }] of chain.entries()) {
    const from = f.meter?.at ?? now
    const to = chain[index + 1]?.f.meter?.at ?? Math.max(from, now)
    const ms = Math.min(to, end) - Math.max(from, first)
    if (ms <= 0) continue
    for (const [kind, count] of costly(f)) sum.set(kind, (sum.get(kind) ?? 0) + count * ms)
  }
  return sum
}
