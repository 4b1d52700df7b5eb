/**
 * The Rap Genius case: an app whose dynos serve one request at a time behind routers that know nothing of
 * each other. How long requests wait in the dynos' own backlogs, by how a dyno is chosen.
 *
 * The load is the one that was published: 150 requests/s on 75 dynos, median 46 ms, mean 306 ms. Simulated
 * in virtual time with the router's own choice; seeded, so that all ways meet the very same requests.
 */
import { chooseTarget } from '../../../src/proxy/choice.ts'
import type { Upstream } from '../../../src/proxy/contract.ts'
import { LoadTable } from '../../../src/proxy/load.ts'
import { seededRandom } from '../../../src/sim/random.ts'
import { row, type Row } from '../report.ts'

type Way = 'two choices' | 'random' | 'round robin' | 'one queue'
type Case = {
  readonly dynos: number
  readonly shards: number
  readonly requests: number
  readonly perSecond: number
  readonly medianMs: number
  readonly meanMs: number
}

const serviceMsMax = 30_000
const seed = 1
export const rapGenius: Case = {
  dynos: 75,
  shards: 4,
  requests: 400_000,
  perSecond: 150,
  medianMs: 46,
  meanMs: 306,
}

/** Queue times in ms, sorted. */
export function queueTimes(of: Case, way: Way): Float64Array {
  const random = seededRandom(seed)
  const choosing = seededRandom(seed + 1)
  const gap = () => (-Math.log(1 - random.next()) * 1000) / of.perSecond
  // Log-normal: its median and mean give both its numbers.
  const spread = Math.sqrt(2 * Math.log(of.meanMs / of.medianMs))
  const serviceMs = () => Math.min(serviceMsMax, of.medianMs * Math.exp(spread * gauss(() => random.next())))
  const freeAtMs = new Float64Array(of.dynos)
  const choose = chooserOf(of, way, () => choosing.next(), freeAtMs)
  const queued = new Float64Array(of.requests)
  let now = 0
  for (let request = 0; request < of.requests; request += 1) {
    now += gap()
    const service = serviceMs()
    const { dyno, until } = choose(now, Math.floor(random.next() * of.shards))
    const begins = Math.max(now, freeAtMs[dyno] as number)
    freeAtMs[dyno] = begins + service
    queued[request] = begins - now
    until?.(begins + service)
  }
  return queued.sort()
}

type Choose = (nowMs: number, shard: number) => { dyno: number; until?: (endMs: number) => void }

function chooserOf(of: Case, way: Way, random: () => number, freeAtMs: Float64Array): Choose {
  if (way === 'random') return () => ({ dyno: Math.floor(random() * of.dynos) })
  if (way === 'one queue') return () => ({ dyno: freeAtMs.indexOf(Math.min(...freeAtMs)) })
  if (way === 'round robin') {
    const next = Array.from({ length: of.shards }, () => Math.floor(random() * of.dynos))
    return (_, shard) => ({ dyno: (next[shard] = ((next[shard] as number) + 1) % of.dynos) })
  }
  const targets: readonly Upstream[] = Array.from({ length: of.dynos }, (_, dyno) => ({
    id: String(dyno),
    address: '',
    port: 0,
    epoch: 1,
  }))
  let nowMs = 0
  const shards = Array.from({ length: of.shards }, () => {
    const table = new LoadTable(() => nowMs)
    return { table, app: table.enter('app'), ends: new Ends() }
  })
  return (now, shard) => {
    nowMs = now
    const { table, app, ends } = shards[shard] as (typeof shards)[number]
    for (const dyno of ends.before(now)) table.target(app, targets[dyno] as Upstream).inFlight -= 1
    const chosen = chooseTarget({ targets }, app, now, random, null) as Upstream
    const dyno = Number(chosen.id)
    table.target(app, chosen).inFlight += 1
    return { dyno, until: (endMs) => ends.add(endMs, dyno) }
  }
}

/** Requests under way by when they end, a binary heap. */
class Ends {
  readonly #heap: { endMs: number; dyno: number }[] = []

  add(endMs: number, dyno: number): void {
    const heap = this.#heap
    heap.push({ endMs, dyno })
    for (let at = heap.length - 1; at > 0;) {
      const up = (at - 1) >> 1
      if (this.#endsBefore(up, at)) return
      this.#swap(at, up)
      at = up
    }
  }

  /** Takes those that are over. */
  *before(nowMs: number): Generator<number> {
    const heap = this.#heap
    while (heap.length > 0 && (heap[0]?.endMs ?? 0) <= nowMs) {
      yield heap[0]?.dyno as number
      const last = heap.pop()
      if (heap.length > 0 && last !== undefined) {
        heap[0] = last
        this.#sink()
      }
    }
  }

  #sink(): void {
    for (let at = 0; ;) {
      let least = at
      for (const below of [2 * at + 1, 2 * at + 2])
        if (below < this.#heap.length && this.#endsBefore(below, least)) least = below
      if (least === at) return
      this.#swap(at, least)
      at = least
    }
  }

  #endsBefore(a: number, b: number): boolean {
    return (this.#heap[a]?.endMs ?? 0) < (this.#heap[b]?.endMs ?? 0)
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap
    const kept = heap[a]
    heap[a] = heap[b] as (typeof heap)[number]
    heap[b] = kept as (typeof heap)[number]
  }
}

/** One number of the normal distribution (Box and Muller). */
function gauss(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}

export const quantile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** Queue time at p50 and p99 by the way a dyno is chosen, for one router and for several. */
export function twoChoicesRows(quick: boolean): readonly Row[] {
  return [1, rapGenius.shards].flatMap((shards) => {
    const of = { ...rapGenius, shards, requests: quick ? rapGenius.requests / 10 : rapGenius.requests }
    const times = (way: Way) => queueTimes(of, way)
    const [ours, random, robin, one] = [
      times('two choices'),
      times('random'),
      times('round robin'),
      times('one queue'),
    ]
    const at = (name: string, share: number) =>
      row({
        what: `Rap Genius, ${shards} router${shards === 1 ? '' : 's'}: queue at the dyno, ${name}`,
        unit: 'ms',
        ours: quantile(ours, share),
        peers: {
          random: quantile(random, share),
          'round robin': quantile(robin, share),
          'one queue': quantile(one, share),
        },
        against: 'random',
        goal: name === 'p99' ? '<=0.6' : '',
      })
    return [at('p90', 0.9), at('p99', 0.99)]
  })
}
