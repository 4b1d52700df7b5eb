/**
 * The route of an app, derived from its formation: what router shards need, and nothing else. Pure.
 *
 * The version grows with each change of content; it starts from the wall clock, so that routers take the
 * route of a record that was rolled back as well.
 */
import type { Route } from '../protocols/shapes.ts'
import type { Formed, RunState, Slot } from './record.ts'

const routable = (run: RunState | null): run is RunState =>
  run !== null && run.phase === 'up' && !run.halted && run.address !== null && run.port !== null

/** The new run once it is up, else the one that serves until then. */
const serving = (slot: Slot): RunState | undefined =>
  routable(slot.run) ? slot.run : routable(slot.old) ? slot.old : undefined

export const routeOf = (appId: string, f: Formed): Route => {
  const slots = f.slots.filter((slot) => slot.type === 'web' && slot.oneOff === null)
  const targets = slots.flatMap((slot) => {
    const run = serving(slot)
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
    web: webOf(f, slots, targets.length),
    targets: f.destroying ? [] : targets,
  }
}

const webOf = (f: Formed, slots: readonly Slot[], targets: number): Route['web'] => {
  if (!f.types.some((type) => type.type === 'web')) return 'blank'
  if (slots.length === 0) return 'none'
  if (targets > 0) return 'up'
  return slots.every((slot) => slot.state === 'crashed') ? 'crashed' : 'booting'
}

/** Whether routers would act differently. */
export const sameRoute = (a: Route, b: Route): boolean =>
  a.web === b.web &&
  a.appName === b.appName &&
  a.maintenance === b.maintenance &&
  a.gone === b.gone &&
  sameNames(a.hostnames, b.hostnames) &&
  sameNames(a.features ?? [], b.features ?? []) &&
  a.targets.length === b.targets.length &&
  a.targets.every((target, at) => {
    const other = b.targets[at]!
    return (
      target.runId === other.runId &&
      target.address === other.address &&
      target.port === other.port &&
      target.outer?.address === other.outer?.address &&
      target.outer?.port === other.outer?.port
    )
  })

const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, at) => name === b[at])
