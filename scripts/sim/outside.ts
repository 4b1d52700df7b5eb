/**
 * What the platform's actors need of the outside besides machines and the record: sealed config, routes,
 * histories.
 *
 * One of each for the whole world, outliving every host, as their real counterparts do.
 */
import { EffectFailed, type Effects } from '../../src/ports/effects.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { SeededRandom } from '../../src/sim/random.ts'
import { simReceiver, type Receiver } from './receiver.ts'
import { simEvents, type SimEvents } from '../../src/sim/events.ts'
import { simStream, type SimStream } from '../../src/sim/stream.ts'
import { eventRenderer } from '../../actors/api/shapes/event.ts'
import { performEvents } from '../../actors/effects/perform/events.ts'
import { performHooks } from '../../actors/effects/perform/webhooks.ts'
import { performHistory } from '../../actors/effects/perform/history.ts'
import { unpackBatch } from '../../actors/logplex/packed.ts'
import type { Route } from '../../actors/protocols/shapes.ts'

/** There are no teams here, and no certificates. */
const none = { open: () => Promise.resolve(undefined), view: () => Promise.resolve(undefined) }
const noSources = { certificates: none, teams: none }

export type Vars = Readonly<Record<string, string>>
export type Outside = {
  readonly vars: ReadonlyMap<string, Vars>
  /** As a router shard would have it: the newest version it heard of each app. */
  readonly routes: ReadonlyMap<string, Route>
  /** Every line ever kept of an app, as `heroku[web.1]: text`. */
  lines(appId: string): readonly string[]
  /** Histories of apps. */
  readonly stream: SimStream
  readonly events: SimEvents
  /** What webhooks' receivers were sent, in order. */
  readonly posted: readonly string[]
  /** Where drains lead. */
  readonly receiver: Receiver
  /**
   * @param routes performs the announcement to real route tables too
   * @param published tells who follows an app's events that there are new ones
   */
  performers(
    clock: Clock,
    faults: () => OutsideFaults,
    routes: Effects,
    published: (appId: string) => Promise<unknown>,
  ): Effects
}
/** Probabilities in [0, 1]. */
export type OutsideFaults = { readonly fail: number; readonly lost: number; readonly latencyMsMax: number }
export const calmOutside: OutsideFaults = { fail: 0, lost: 0, latencyMsMax: 5 }

const addresses = {
  apiUrl: 'http://api.test',
  secureHost: 'api.test',
  appDomain: 'apps.test',
  routerPort: 80,
}
const pages = { error: '', maintenance: '' }
const decoder = new TextDecoder()

/** Equal vars have equal names, as with the real vault's keyed hash. */
const nameOf = (appId: string, vars: Vars): string =>
  `${appId}:${JSON.stringify(Object.entries(vars).sort(([a], [b]) => (a < b ? -1 : 1)))}`

export const simOutside = (random: SeededRandom, nowMs: () => number): Outside => {
  const sealedVars = new Map<string, Vars>()
  const routes = new Map<string, Route>()
  const stream = simStream(random.fork('history'), nowMs)
  const events = simEvents(random.fork('events'), nowMs)
  const receiver = simReceiver(random.fork('receiver'))
  const posted: string[] = []
  return {
    vars: sealedVars,
    routes,
    lines: (appId) =>
      stream
        .truth(appId)
        .flatMap(({ bytes }) => unpackBatch(bytes).lines)
        .map(({ source, process, text }) => `${source}[${process}]: ${decoder.decode(text)}`),
    stream,
    events,
    posted,
    receiver,
    performers: (clock, faults, announcing, published) => {
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
        ...performEvents({
          log: events.attach(clock, () => ({ ...faults(), unknown: faults().fail })),
          render: eventRenderer(addresses, noSources),
          published,
        }),
        ...performHooks({
          log: events.attach(clock, () => ({ ...faults(), unknown: 0 })),
          open: () => Promise.resolve({ secret: 'signs' }),
          post: async (_address, _headersOf, body) => {
            const isLost = random.chance(faults().fail)
            if (isLost) return { kind: 'failed', reason: 'away', connected: true }
            posted.push(decoder.decode(body))
            await soon()
            return { kind: 'answered', status: random.chance(faults().fail) ? 503 : 200 }
          },
        }),
        ...performHistory(stream.attach(clock, () => ({ ...faults(), unknown: faults().fail }))),
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
