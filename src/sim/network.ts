/**
 * The simulated network: each batch may be lost, late, doubled or overtaken; links can be cut, one way or
 * both. Everything that crosses it goes into the trace, so that two runs can be compared byte by byte.
 */
import type { Transport } from '../ports/transport.ts'
import type { VirtualClock } from './clock.ts'
import { createGate, type Gate } from './gate.ts'
import type { SeededRandom } from './random.ts'
import { sumOf, type Trace } from './trace.ts'

export type NetworkFaults = {
  /** Probabilities in [0, 1]. */
  readonly loss: number
  readonly duplicate: number
  readonly delayMsMin: number
  readonly delayMsMax: number
  /** Everything comes once more, that much later. */
  readonly replayMs?: number
}
export const calmNetwork: NetworkFaults = { loss: 0, duplicate: 0, delayMsMin: 0.1, delayMsMax: 1 }

export type Network = {
  /** A transport for one life of a host: after `cut off` nothing of it sends or hears. */
  attach(host: string, gate?: Gate): Transport & { end(): void }
  faults(faults: NetworkFaults): void
  /** What comes from and goes to a host fares worse than the rest; undefined: no more. */
  worsen(host: string, faults: NetworkFaults | undefined): void
  /**
   * Everything goes over these hosts: what lies between two others on the bus, in order; undefined: there is
   * no way. A cut anywhere on it is a cut.
   */
  route(way: (from: string, to: string) => readonly string[] | undefined): void
  /** Messages from `from` to `to` vanish until healed. */
  cut(from: string, to: string): void
  heal(): void
  /** The host has no connection to the bus, and knows it: nothing it sends leaves, nothing reaches it. */
  disconnect(host: string): void
  reconnect(host: string): void
  readonly lost: () => number
}

const batchBytesMax = 512 * 1024

export const simNetwork = (clock: VirtualClock, random: SeededRandom, trace: Trace): Network => {
  type Life = {
    readonly host: string
    readonly gate: Gate
    alive: boolean
    readonly onConnection: ((connected: boolean) => void)[]
    onBatch?: (batch: Uint8Array, from: string) => void
  }
  const lives = new Map<string, Life>()
  const topics = new Map<
    string,
    Set<{ readonly life: Life; readonly onBody: (body: Uint8Array, from: string) => void }>
  >()
  const cuts = new Set<string>()
  const offline = new Set<string>()
  const worse = new Map<string, NetworkFaults>()
  let faults = calmNetwork
  let lost = 0

  let way: ((from: string, to: string) => readonly string[] | undefined) | undefined
  const isSevered = (from: string, to: string): boolean => {
    if (cuts.size === 0) return false
    if (cuts.has(`${from}>${to}`)) return true
    const hops = way?.(from, to)
    if (hops === undefined) return way !== undefined
    return hops.some((hop, at) => at > 0 && cuts.has(`${hops[at - 1]}>${hop}`))
  }
  const isCut = (from: string, to: string): boolean =>
    isSevered(from, to) || (offline.size > 0 && (offline.has(from) || offline.has(to)))
  const tell = (host: string, connected: boolean): void => {
    const life = lives.get(host)
    for (const changed of life?.onConnection ?? []) life?.gate.pass(() => changed(connected))
  }
  /** Delivers once or twice, or never, each at its own time. */
  const carry = (
    from: Life,
    host: string,
    to: () => Life | undefined,
    arrive: (life: Life) => void,
  ): void => {
    const { loss, duplicate, delayMsMin, delayMsMax } =
      worse.size === 0 ? faults : (worse.get(from.host) ?? worse.get(host) ?? faults)
    const replayMs = worse.get(host)?.replayMs
    const copies = random.chance(duplicate) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const drop = from.alive && random.chance(loss)
      const delayMs = delayMsMin + random.next() * (delayMsMax - delayMsMin)
      if (drop) {
        lost++
        continue
      }
      const deliver = (): void => {
        const life = to()
        if (life === undefined || !life.alive || isCut(from.host, life.host)) lost++
        else life.gate.pass(() => arrive(life))
      }
      clock.after(delayMs, deliver)
      if (replayMs !== undefined) clock.after(delayMs + replayMs, deliver)
    }
  }

  return {
    faults: (next) => {
      faults = next
    },
    worsen: (host, next) => {
      if (next === undefined) worse.delete(host)
      else worse.set(host, next)
    },
    route: (next) => {
      way = next
    },
    cut: (from, to) => void cuts.add(`${from}>${to}`),
    heal: () => cuts.clear(),
    disconnect: (host) => {
      if (offline.has(host)) return
      offline.add(host)
      tell(host, false)
    },
    reconnect: (host) => {
      if (offline.delete(host)) tell(host, true)
    },
    lost: () => lost,
    attach: (host, gate = createGate()) => {
      const life: Life = { host, gate, alive: true, onConnection: [] }
      lives.set(host, life)
      return {
        batchBytesMax,
        send: (to, batch, unreachable) => {
          if (!life.alive) return
          const copy = batch.slice()
          const sum = sumOf(copy)
          const target = lives.get(to)
          // Like a broker's "no responders": known only when nobody listens and the sender is not itself cut
          // off.
          const isDeaf =
            target === undefined || !target.alive || target.onBatch === undefined || offline.has(to)
          if (isDeaf && !offline.has(host) && !isSevered(host, to)) {
            if (unreachable !== undefined) {
              clock.after(faults.delayMsMin, () => life.gate.pass(() => life.alive && unreachable()))
            }
            return
          }
          carry(
            life,
            to,
            () => lives.get(to),
            (there) => {
              trace.add(clock.monotonicMs(), `${host}>${to}`, sum)
              there.onBatch?.(copy, host)
            },
          )
        },
        listen: (_, onBatch) => {
          life.onBatch = onBatch
        },
        publish: (topic, body) => {
          if (!life.alive) return
          const copy = body.slice()
          const sum = sumOf(copy)
          const what = `${host}>>${topic}`
          for (const subscriber of topics.get(topic) ?? [])
            carry(
              life,
              subscriber.life.host,
              () => subscriber.life,
              () => {
                trace.add(clock.monotonicMs(), what, sum)
                subscriber.onBody(copy, host)
              },
            )
        },
        subscribe: (topic, onBody) => {
          const subscriber = { life, onBody }
          const all = topics.get(topic) ?? new Set()
          topics.set(topic, all.add(subscriber))
          return { close: () => void all.delete(subscriber) }
        },
        connected: () => life.alive && !offline.has(host),
        onConnection: (changed) => void life.onConnection.push(changed),
        close: async () => {
          life.alive = false
        },
        end: () => {
          life.alive = false
          for (const all of topics.values()) {
            for (const subscriber of all) if (subscriber.life === life) all.delete(subscriber)
          }
          if (lives.get(host) === life) lives.delete(host)
        },
      }
    },
  }
}
