/**
 * Real router shards: how long a change takes to reach each of them, and how many requests they answer when
 * these are for millions of hosts. The apps are in maintenance, so that what is measured is the router.
 */
import { Formation } from '../../../actors/protocols/formation.ts'
import { Shard } from '../../../actors/protocols/shard.ts'
import { ref, refAt } from '../../../src/runtime/index.ts'
import { askAll, type Answered } from '../../routes/asker.ts'
import type { Control } from '../../routes/control.ts'
import { appIdOf, appNameOf } from '../../routes/records.ts'
import type { ShardProcess } from '../../routes/shards.ts'
import { row, type Row } from '../report.ts'
import { quantiles, zipf } from './zipf.ts'

const changes = 300
const requests = 100_000
const seenMsMax = 10_000
const askMs = 30_000
const mega = 2 ** 20

export type ShardsBench = {
  readonly apps: number
  readonly control: Control
  readonly shards: readonly ShardProcess[]
  readonly log: (line: string) => void
}

export const benchShards = async (bench: ShardsBench): Promise<readonly Row[]> => [
  ...(await benchChanges(bench)),
  ...(await benchRequests(bench)),
]

const hostOf = (number: number): string => `${appNameOf(number)}.localhost`

/** Whether the shard lets a request for an app through to its dyno: not while it is in maintenance. */
const isOpenAt = async ({ port }: ShardProcess, number: number): Promise<boolean> => {
  let isOpen = false
  const answered = (_: string, { status }: Answered): void => {
    isOpen = status === 200
  }
  await askAll(port, [hostOf(number)].values(), answered, 1)
  return isOpen
}

/** From the request to the app's formation to the first answer by it, at each shard; the write included. */
const benchChanges = async ({ apps, control, shards, log }: ShardsBench): Promise<readonly Row[]> => {
  const times = new Float64Array(changes * shards.length)
  // The least asked for.
  const first = apps - changes
  for (const shard of shards) for (let number = first; number < apps; number++) await isOpenAt(shard, number)
  for (let number = first; number < apps; number++) {
    const began = performance.now()
    const changed = control.node.ask(
      ref(Formation, appIdOf(number)),
      {
        type: 'appChanged',
        appName: appNameOf(number),
        hostnames: [`www.changed-${number}.example`],
        maintenance: false,
        at: Date.now(),
      },
      { timeoutMs: askMs },
    )
    const seen = shards.map(async (shard, at) => {
      while (!(await isOpenAt(shard, number))) {
        if (performance.now() - began > seenMsMax) throw new Error(`${hostOf(number)} did not change`)
      }
      times[(number - first) * shards.length + at] = performance.now() - began
    })
    await Promise.all([changed, ...seen])
  }
  const { p50, p99 } = quantiles(times)
  log(`changes seen: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`)
  return [
    row({ what: 'a change, from the request to every shard, p99', unit: 'ms', ours: p99, goal: '<100' }),
    row({
      what: 'the same, p50',
      unit: 'ms',
      ours: p50,
      peers: { 'Corrosion worldwide p99 (published)': 1_000 },
    }),
  ]
}

const benchRequests = async ({ apps, control, shards, log }: ShardsBench): Promise<readonly Row[]> => {
  const [shard] = shards
  if (shard === undefined) return []
  const pick = zipf(apps)
  const counts = () =>
    control.node.ask(refAt(Shard, 'shard', shard.name), { type: 'stats' }, { timeoutMs: askMs })
  function* mixed(): Generator<string> {
    for (let at = 0; at < requests; at++) yield hostOf(pick(Math.random()))
  }
  function* same(): Generator<string> {
    for (let at = 0; at < requests; at++) yield hostOf(0)
  }
  const perSecond = async (hosts: Iterator<string>): Promise<number> => {
    const began = performance.now()
    await askAll(shard.port, hosts, () => undefined)
    return (requests * 1_000) / (performance.now() - began)
  }
  const oneHost = await perSecond(same())
  const emptyBytes = shard.residentBytes()
  const before = await counts()
  const cold = await perSecond(mixed())
  const between = await counts()
  const warm = await perSecond(mixed())
  const after = await counts()
  const missed = (one: typeof before, next: typeof before): number =>
    (100 * (next.misses - one.misses)) / requests
  log(`misses: ${missed(before, between).toFixed(1)} % cold, ${missed(between, after).toFixed(1)} % then`)
  const peers = { 'one host': oneHost }
  const better = 'higher' as const
  return [
    row({ what: `requests, Zipf over ${apps} hosts, cold cache`, unit: 'req/s', ours: cold, peers, better }),
    row({ what: 'of them missed', unit: '%', ours: missed(before, between) }),
    row({ what: 'requests, the same mix once more', unit: 'req/s', ours: warm, peers, better }),
    row({ what: 'of them missed', unit: '%', ours: missed(between, after) }),
    row({
      what: `memory of the shard, ${after.cached} routes`,
      unit: 'MB',
      ours: shard.residentBytes() / mega,
    }),
    row({ what: 'of it before these requests', unit: 'MB', ours: emptyBytes / mega }),
  ]
}
