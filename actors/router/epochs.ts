/**
 * Epochs of an app's dynos as one shard has seen them: they never go back. Pure.
 *
 * A word that is newer as a whole may still be of a decider that missed something: where it names an older
 * life of a dyno than one known here, what is known here stands; and where that has gone since, the older
 * life is not routed to.
 */
import type { Route } from '../protocols/shapes.ts'

export type Known = {
  readonly route: Route
  /** The newest epoch of dynos that are not in the route now. */
  readonly gone: ReadonlyMap<string, number>
}

/** So many dynos without a place in the route are remembered for each app. */
const goneMax = 256

const none: ReadonlyMap<string, number> = new Map()

/** Takes a newer route, but for older lives. */
export const succeed = (known: Known | undefined, route: Route): Known => {
  if (known === undefined) return { route, gone: none }
  const before = new Map(known.route.targets.map((target) => [target.dyno, target]))
  let isWhole = true
  const targets = route.targets.flatMap((target) => {
    const last = before.get(target.dyno)
    if (target.epoch >= (last?.epoch ?? known.gone.get(target.dyno) ?? 0)) return [target]
    isWhole = false
    return last === undefined ? [] : [last]
  })
  return { route: isWhole ? route : { ...route, targets }, gone: goneSince(known, targets) }
}

const goneSince = (known: Known, targets: Route['targets']): ReadonlyMap<string, number> => {
  const here = new Set(targets.map(({ dyno }) => dyno))
  const left = known.route.targets.filter(({ dyno }) => !here.has(dyno))
  if (left.length === 0 && known.gone.size === 0) return none
  const gone = new Map([...known.gone].filter(([dyno]) => !here.has(dyno)))
  for (const { dyno, epoch } of left) gone.set(dyno, epoch)
  for (const dyno of gone.keys()) {
    if (gone.size <= goneMax) break
    gone.delete(dyno)
  }
  return gone
}
