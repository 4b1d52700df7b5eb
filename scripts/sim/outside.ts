/**
 * What the platform's actors need of the outside besides machines and the record: sealed config, routes,
 * histories.
 *
 * One of each for the whole world, outliving every host, as their real counterparts do.
 */
import { EffectFailed, type Effects } from '../../src/ports/effects.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { SeededRandom } from '../../src/sim/random.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import type { Route } from '../../actors/protocols/shapes.ts'

export type Vars = Readonly<Record<string, string>>
export type Outside = {
  readonly vars: ReadonlyMap<string, Vars>
  /** As a router shard would have it: the newest version it heard of each app. */
  readonly routes: ReadonlyMap<string, Route>
  /** Every line said, as `heroku[web.1]: text`, by app; the newest thousand. */
  readonly lines: ReadonlyMap<string, readonly string[]>
  /** @param routes performs the announcement to real route tables too */
  performers(clock: Clock, faults: () => OutsideFaults, routes: Effects): Effects
}
/** Probabilities in [0, 1]. */
export type OutsideFaults = { readonly fail: number; readonly lost: number; readonly latencyMsMax: number }
export const calmOutside: OutsideFaults = { fail: 0, lost: 0, latencyMsMax: 5 }

const linesMax = 1_000
const pages = { error: '', maintenance: '' }
const decoder = new TextDecoder()

/** Equal vars have equal names, as with the real vault's keyed hash. */
const nameOf = (appId: string, vars: Vars): string =>
  `${appId}:${JSON.stringify(Object.entries(vars).sort(([a], [b]) => (a < b ? -1 : 1)))}`

export const simOutside = (random: SeededRandom): Outside => {
  const sealedVars = new Map<string, Vars>()
  const routes = new Map<string, Route>()
  const lines = new Map<string, string[]>()
  let seq = 0
  return {
    vars: sealedVars,
    routes,
    lines,
    performers: (clock, faults, announcing) => {
      const soon = async (): Promise<void> => {
        const { fail, latencyMsMax } = faults()
        await new Promise<void>((resolve) => clock.after(random.next() * latencyMsMax, resolve))
        if (random.chance(fail)) throw new EffectFailed('unavailable', 'away')
      }
      return {
        'vault.seal': async (m: { appId: string; baseId: string; patch: Record<string, string | null> }) => {
          await soon()
          const vars: Record<string, string> = { ...sealedVars.get(m.baseId) }
          const set: string[] = []
          const removed: string[] = []
          for (const [key, value] of Object.entries(m.patch)) {
            if (value === null && key in vars) removed.push(key)
            if (value !== null && vars[key] !== value) set.push(key)
            if (value === null) delete vars[key]
            else vars[key] = value
          }
          const configId = nameOf(m.appId, vars)
          sealedVars.set(configId, vars)
          return { configId, changed: set.length + removed.length > 0, set, removed, pages }
        },
        'vault.drop': soon,
        'certificates.drop': soon,
        'builder.drop': soon,
        'builder.bury': soon,
        'history.drop': async ({ appId }: { appId: string }) => {
          await soon()
          lines.delete(appId)
        },
        'history.append': async ({ appId, lines: batch }: { appId: string; lines: readonly Line[] }) => {
          await soon()
          const said = batch.map((line) => `${line.source}[${line.process}]: ${decoder.decode(line.text)}`)
          lines.set(appId, [...(lines.get(appId) ?? []), ...said].slice(-linesMax))
          const sequence = ++seq
          return { sequence, after: sequence - 1, first: 0, count: batch.length, bytes: new Uint8Array() }
        },
        'routes.announce': async ({ route }: { route: Route }, cancelled: AbortSignal) => {
          await soon()
          const known = routes.get(route.appId)
          if (random.chance(faults().lost)) return
          await announcing['routes.announce']?.({ route } as never, cancelled)
          if (known === undefined || known.version < route.version) routes.set(route.appId, route)
        },
      }
    },
  }
}
