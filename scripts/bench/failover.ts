/**
 * `npm run bench -- failover`: from a fault to the first 200 from a replacement of the dyno that it hit,
 * minus the app's own boot (from its command to listening), by real hosts on machines of their own.
 *
 * Three hosts, an app with a dyno on each. Peers are what their documents say (failover/anchors.ts). Needs
 * root.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Fault, Target } from '../chaos/language.ts'
import { whyNoLab } from '../chaos/worlds/netns/lab.ts'
import { anchors } from './failover/anchors.ts'
import { openSite, type Site } from './failover/site.ts'
import { row, type BenchOptions, type Row } from './report.ts'

type Case = {
  readonly what: string
  readonly on: Target
  readonly fault: (host: string) => Fault
  readonly goalMs: number
}

const cases: readonly Case[] = [
  {
    what: 'host process killed',
    on: { the: 'bystander' },
    fault: (on) => ({ do: 'kill', on }),
    goalMs: 500,
  },
  {
    what: 'power lost by a host that leads nothing',
    on: { the: 'bystander' },
    fault: (on) => ({ do: 'power-off', on }),
    goalMs: 2_000,
  },
  {
    what: 'cut off',
    on: { the: 'bystander' },
    fault: (on) => ({ do: 'cut', on, way: 'both' }),
    goalMs: 2_000,
  },
  {
    what: "power lost by the placement leader's host",
    on: { the: 'placement-leader' },
    fault: (on) => ({ do: 'power-off', on }),
    goalMs: 2_000,
  },
  {
    what: "power lost by the record leader's host",
    on: { the: 'store-leader' },
    fault: (on) => ({ do: 'power-off', on }),
    goalMs: 2_000,
  },
]

const runsWhole = 10
const runsQuick = 2
const askers = 4
const askEveryMs = 5
const replacedMsMax = 60_000

export const run = async ({ quick, args, log }: BenchOptions): Promise<readonly Row[]> => {
  const why = whyNoLab()
  if (why !== undefined) {
    log(`not measured: ${why}`)
    return cases.map(({ what }) => row({ what, unit: 'ms', ours: null, peers: anchors }))
  }
  const wanted = cases.filter(({ what }) => args.every((word) => what.includes(word)))
  const site = await openSite(log)
  try {
    const rows: Row[] = []
    for (const one of wanted) {
      const times: number[] = []
      for (let at = 1; at <= (quick ? runsQuick : runsWhole); at++) {
        await site.settle()
        const { host, wholeMs, bootMs } = await measure(site, one)
        times.push(wholeMs - bootMs)
        log(
          `${one.what}, ${at}: ${host}, first 200 after ${Math.round(wholeMs)} ms, boot ${Math.round(bootMs)}`,
        )
      }
      rows.push(...rowsOf(one, times))
    }
    return rows
  } finally {
    await site.close()
  }
}

const rowsOf = ({ what, goalMs }: Case, times: readonly number[]): readonly Row[] => {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN
  return [
    row({ what: `${what}: p50 of ${times.length}`, unit: 'ms', ours: at(0.5), goal: `<=${goalMs}` }),
    row({ what: '  least', unit: 'ms', ours: at(0.001) }),
    row({ what: '  p90', unit: 'ms', ours: at(0.9) }),
    row({ what: '  most, beside what others do by default', unit: 'ms', ours: at(1), peers: anchors }),
  ]
}

type Measured = { readonly host: string; readonly wholeMs: number; readonly bootMs: number }

/** Any life that was not there before the fault is the replacement: nothing else is started. */
const measure = async (site: Site, { what, on, fault }: Case): Promise<Measured> => {
  const host = await site.named(on)
  const dynos = site.dynos()
  if (!dynos.some((dyno) => dyno.host === host)) throw new Error(`no dyno runs on ${host}`)
  const before = new Set(dynos.map(({ run: { id } }) => id))
  const beganMs = performance.now()
  let found: Measured | undefined
  const asking = Array.from({ length: askers }, async () => {
    while (found === undefined && performance.now() - beganMs < replacedMsMax) {
      const said = await site.ask()
      const wholeMs = performance.now() - beganMs
      if (said !== undefined && !before.has(said.life)) found ??= { host, wholeMs, bootMs: said.bootMs }
      await pause(askEveryMs)
    }
  })
  await site.strike(fault(host))
  await Promise.all(asking)
  if (found === undefined)
    throw new Error(`${what}: no replacement answered within ${replacedMsMax} ms\n${site.words()}`)
  return found
}
