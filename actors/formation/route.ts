/**
 * The route of an app, derived from its formation: what router shards need, and nothing else. Pure.
 *
 * The version grows with each change of content; it starts from the wall clock, so that routers take the
 * route of a record that was rolled back as well.
 */
import type { Route } from '../protocols/shapes.ts'
import { canIdle, isAsleep } from './idle.ts'
import { isHeld } from './preboot.ts'
import type { Formed, RunState, Slot } from './record.ts'

const routable = (run: RunState | null): run is RunState =>
  run !== null && run.phase === 'up' && !run.halted && run.address !== null && run.port !== null

/** The new run once it is up and is let, else the one that serves until then. */
const serving = (f: Formed, slot: Slot): RunState | undefined => {
  if (isHeld(f, slot) && routable(slot.old)) return slot.old
  return routable(slot.run) ? slot.run : routable(slot.old) ? slot.old : undefined
}
const isWeb = (slot: Slot): boolean => slot.type === 'web' && slot.oneOff === null

export const routeOf = (appId: string, f: Formed): Route => {
  const slots = f.slots.filter(isWeb)
  const targets = slots.flatMap((slot) => {
    const run = serving(f, slot)
    return run === undefined
      ? []
      : [
          {
            runId: run.id,
            dyno: slot.name,
            address: run.address!,
            port: run.port!,
            outer: run.outer,
            epoch: run.epoch,
            host: run.host!,
          },
        ]
  })
  return {
    appId,
    appName: f.appName,
    version: f.routeVersion,
    maintenance: f.maintenance,
    gone: f.destroying,
    hostnames: f.hostnames,
    features: f.features ?? [],
    ...(f.certificates && { certificates: f.certificates }),
    ...(hasAffinity(f) && f.affinityKey !== undefined && { affinityKey: f.affinityKey }),
    ...(f.release?.pages && { pages: f.release.pages }),
    ...(canIdle(f) && { idles: isAsleep(f) ? 'asleep' : 'awake' }),
    web: webOf(f),
    targets: f.destroying ? [] : targets,
  }
}

/** Its cookies are signed by a key of the app's own. */
export const hasAffinity = ({ features }: Formed): boolean =>
  features?.includes('http-session-affinity') === true

const webOf = (f: Formed): Route['web'] => {
  if (!f.types.some((type) => type.type === 'web')) return 'blank'
  let slots = 0
  let crashed = 0
  for (const slot of f.slots) {
    if (!isWeb(slot)) continue
    if (serving(f, slot) !== undefined) return 'up'
    slots += 1
    if (slot.state === 'crashed') crashed += 1
  }
  if (slots === 0) return 'none'
  return slots === crashed ? 'crashed' : 'booting'
}

/** Whether routers would act the same on both. Asked after each turn, so it makes no route for it. */
export const sameRoute = (a: Formed, b: Formed): boolean =>
  a.appName === b.appName &&
  a.maintenance === b.maintenance &&
  a.destroying === b.destroying &&
  sameNames(a.hostnames, b.hostnames) &&
  sameNames(a.features ?? [], b.features ?? []) &&
  sameCertificates(a.certificates, b.certificates) &&
  a.release?.pages?.error === b.release?.pages?.error &&
  a.release?.pages?.maintenance === b.release?.pages?.maintenance &&
  (a.destroying || sameTargets(a, b)) &&
  webOf(a) === webOf(b) &&
  canIdle(a) === canIdle(b) &&
  isAsleep(a) === isAsleep(b)

const sameCertificates = (a: Formed['certificates'] = {}, b: Formed['certificates'] = {}): boolean =>
  a === b ||
  (Object.keys(a).length === Object.keys(b).length &&
    Object.entries(a).every(([hostname, pairId]) => b[hostname] === pairId))

const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, at) => name === b[at])

const sameTargets = (a: Formed, b: Formed): boolean => {
  if (a.slots === b.slots && a.preboots === b.preboots) return true
  for (
    let i = nextServing(a, 0), j = nextServing(b, 0);
    ;
    i = nextServing(a, i + 1), j = nextServing(b, j + 1)
  ) {
    const [one, other] = [a.slots[i], b.slots[j]]
    if (one === undefined || other === undefined) return one === other
    const same = one === other && a.preboots === b.preboots
    if (!same && !sameTarget(serving(a, one)!, serving(b, other)!)) return false
  }
}

/** Where the next slot stands that has a target, from there on. */
const nextServing = (f: Formed, from: number): number => {
  const { slots } = f
  let at = from
  while (at < slots.length && !(isWeb(slots[at]!) && serving(f, slots[at]!) !== undefined)) at += 1
  return at
}

const sameTarget = (a: RunState, b: RunState): boolean =>
  a === b ||
  (a.id === b.id &&
    a.address === b.address &&
    a.port === b.port &&
    a.outer?.address === b.outer?.address &&
    a.outer?.port === b.outer?.port)
