/**
 * Placement: where a run goes. Spread over hosts first, then where most memory is free.
 *
 * It holds no truth: what it knows are the hosts' own announcements and what it promised since. Losing it
 * costs a few seconds in which nothing new is placed.
 */
import { actor } from '../src/runtime/index.ts'
import { Placement } from './protocols/placement.ts'

type Promised = { readonly host: string; readonly bytes: number; readonly at: number }
type HostState = { readonly freeBytes: number; readonly at: number }
type State = {
  readonly hosts: ReadonlyMap<string, HostState>
  /** By run id: what was answered lately, so that a repeated question has the same answer. */
  readonly promised: ReadonlyMap<string, Promised>
}

/** A host that has been silent for this long gets nothing new. */
export const hostFreshMs = 30_000
const promisedKeptMs = 10_000

export const placement = actor(Placement, {
  mailbox: { capacity: 10_000, overflow: 'reject' },
  init: (): State => ({ hosts: new Map(), promised: new Map() }),
  receive: {
    place(s, { runId, memoryBytes, avoid }, ctx) {
      const known = s.promised.get(runId)
      if (known !== undefined) {
        ctx.reply({ host: known.host })
        return s
      }
      const fresh = [...s.hosts].filter(([, host]) => ctx.now - host.at < hostFreshMs)
      const host = choose(fresh, s.promised, memoryBytes, avoid)
      if (host === undefined) {
        if (fresh.length === 0) ctx.refuseCaller('no_host', 'No host has announced itself yet')
        else
          ctx.refuseCaller('no_room', `No host has ${Math.ceil(memoryBytes / 2 ** 20)} MB of memory to spare`)
        return s
      }
      ctx.reply({ host })
      const promised = new Map([...s.promised].filter(([, one]) => ctx.now - one.at < promisedKeptMs))
      return { ...s, promised: promised.set(runId, { host, bytes: memoryBytes, at: ctx.now }) }
    },
    announced(s, { host, memoryBytes, reservedBytes }, ctx) {
      // What was promised before has arrived by now, or is counted twice for no longer than it is kept.
      const freeBytes = memoryBytes - reservedBytes
      return { ...s, hosts: new Map(s.hosts).set(host, { freeBytes, at: ctx.now }) }
    },
  },
})

/**
 * Fewest runs of the same kind, then most free memory, then by name so that equals are chosen alike
 * everywhere.
 */
export const choose = (
  hosts: readonly (readonly [string, HostState])[],
  promised: ReadonlyMap<string, Promised>,
  memoryBytes: number,
  avoid: readonly string[],
): string | undefined => {
  const count = new Map<string, number>()
  for (const host of avoid) count.set(host, (count.get(host) ?? 0) + 1)
  const owed = new Map<string, number>()
  for (const { host, bytes } of promised.values()) owed.set(host, (owed.get(host) ?? 0) + bytes)
  let best: { readonly host: string; readonly same: number; readonly free: number } | undefined
  for (const [host, { freeBytes }] of hosts) {
    const free = freeBytes - (owed.get(host) ?? 0)
    if (free < memoryBytes) continue
    const same = count.get(host) ?? 0
    const better =
      best === undefined ||
      same < best.same ||
      (same === best.same && (free > best.free || (free === best.free && host < best.host)))
    if (better) best = { host, same, free }
  }
  return best?.host
}
