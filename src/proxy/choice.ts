/**
 * Which target a request goes to: the less loaded of two random ones, the first of them near. Two random
 * looks avoid the pile-ups of plain random choice (the Rap Genius case) and the herding of always taking the
 * least loaded; a far target is taken when it has less to do, so that no small zone is overrun.
 */
import type { Route, Upstream } from './contract.ts'
import type { AppLoad, IdleLink } from './load.ts'

type Choosing = Pick<Route, 'targets' | 'near'>

/**
 * The target for the next attempt; null: all of them were tried, or are left alone for now.
 * `random` gives numbers in [0, 1); `tried` are loads of `app`, `preferred` ids,
 * best first.
 */
export function chooseTarget(
  route: Choosing,
  app: AppLoad<IdleLink>,
  nowMs: number,
  random: () => number,
  tried: ReadonlySet<unknown> | null,
  preferred: readonly string[] = [],
): Upstream | null {
  const { targets, near = 0 } = route
  if (tried === null && preferred.length === 0 && nowMs >= app.troubledUntilMs)
    return ofTwo(targets, near, app, random)
  const isOpen = (target: Upstream) => {
    const known = app.known(target)
    return known === undefined || (tried?.has(known) !== true && nowMs >= known.shutUntilMs)
  }
  const isTrusted = (target: Upstream) => nowMs >= (app.known(target)?.doubtedUntilMs ?? 0)
  const open = targets.filter(isOpen)
  for (const id of preferred) {
    const target = open.find((other) => other.id === id)
    if (target !== undefined) return target
  }
  const trusted = open.filter(isTrusted)
  const left = trusted.length > 0 ? trusted : open
  const first = new Set(targets.slice(0, near))
  return ofTwo(left, left.filter((target) => first.has(target)).length, app, random)
}

function ofTwo(
  targets: readonly Upstream[],
  near: number,
  app: AppLoad<IdleLink>,
  random: () => number,
): Upstream | null {
  const count = targets.length
  if (count <= 1) return targets[0] ?? null
  const first = Math.floor(random() * (near > 0 ? near : count))
  const second = (first + 1 + Math.floor(random() * (count - 1))) % count
  const one = targets[first] as Upstream
  const other = targets[second] as Upstream
  const load = (target: Upstream) => app.targets.get(target.id)?.inFlight ?? 0
  return load(other) < load(one) ? other : one
}
