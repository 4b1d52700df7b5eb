/**
 * Latency: from the moment at which a dyno of a quiet app writes a line to its receipt by the app's drain and
 * by a tail, alone and while another app talks at full speed.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { OwnPlatform } from '../deploy/platform.ts'
import { scaleTo } from '../dynos/own-app.ts'
import { row, type Row } from '../report.ts'
import type { Ends } from './ends.ts'
import { stampDigits } from './lines.ts'
import type { Port } from './receiving.ts'
import { quiet, talk } from './site.ts'

export type LatencyBench = {
  readonly platform: OwnPlatform
  readonly loudTo: Port
  readonly quietTo: Port
  readonly forMs: number
  readonly ends: Ends
  readonly log: (line: string) => void
}
type Times = { readonly drain: readonly number[]; readonly tail: readonly number[] }

/** A dyno passes 20,000 lines a second (src/oci/log-file.ts). */
const noise = { dynos: 3, linesPerSecond: 16_667 }
const startMsMax = 60_000
/** Of the loud app's lines, once the last was written. */
const quietMs = 15_000
const settleMs = 2_000

export const measureLatency = async (bench: LatencyBench): Promise<readonly Row[]> => {
  const { platform, loudTo, forMs, ends, log } = bench
  await scaleTo(platform, quiet, 'ticks', 1, startMsMax)
  const tail = await ends.up(openTail(platform), ({ close }) => Promise.resolve(close()))
  await pause(settleMs)
  const alone = await times(bench, tail, () => pause(forMs))
  log(`alone: ${shown(alone)}`)
  const linesEach = Math.floor((noise.linesPerSecond * forMs) / 1_000)
  const sent = noise.dynos * linesEach
  const { beside, tally, lateMs } = await talk(platform, { ...noise, linesEach }, async () => {
    await loudTo.tally('reset')
    const heard = await times(bench, tail, () => pause(forMs))
    const beganMs = performance.now()
    const got = await loudTo.whole(sent, quietMs)
    return { beside: heard, tally: got, lateMs: performance.now() - beganMs }
  })
  await scaleTo(platform, quiet, 'ticks', 0, startMsMax)
  // Dropped lines are told of all kinds: some few may be the platform's own.
  const missing = Math.max(0, sent - tally.lines - tally.told)
  log(`beside ${noise.dynos * noise.linesPerSecond} lines/s of another app: ${shown(beside)}`)
  log(
    `  of its ${sent} lines ${tally.lines} came, ${tally.told} were told as dropped, ${missing} are missing; ` +
      `the last ${Math.round(lateMs)} ms after it was written`,
  )
  const each = (to: keyof Times, share: number, what: string, goal: string): Row =>
    row({
      what,
      unit: 'ms',
      ours: at(beside[to], share),
      ...(goal === '' ? { peers: { alone: at(alone[to], share) } } : { goal }),
    })
  return (['drain', 'tail'] as const)
    .flatMap((to) => [
      row({ what: `a line to its ${to}, alone: p50`, unit: 'ms', ours: at(alone[to], 0.5) }),
      row({ what: '  p99', unit: 'ms', ours: at(alone[to], 0.99) }),
      each(to, 0.5, '  beside 50,000 lines/s of another app: p50', ''),
      each(to, 0.99, '  p99', '<250'),
    ])
    .concat(
      row({ what: "  of that app's lines told as dropped", unit: '%', ours: (100 * tally.told) / sent }),
      row({
        what: '  neither received nor told',
        unit: 'lines',
        ours: missing + tally.untold,
        goal: '<=0',
      }),
    )
}

/** What is written while `during` goes on. */
const times = async (
  { quietTo }: LatencyBench,
  tail: Tail,
  during: () => Promise<unknown>,
): Promise<Times> => {
  await quietTo.tally('reset')
  tail.take()
  await during()
  return { drain: (await quietTo.tally()).latenciesMs, tail: tail.take() }
}

type Tail = { readonly take: () => readonly number[]; readonly close: () => void }

/** `heroku logs --tail` of the quiet app, as the stock CLI asks for it. */
const openTail = async (platform: OwnPlatform): Promise<Tail> => {
  const wanted = { lines: 0, tail: true }
  const { logplex_url: url } = await platform.api<{ logplex_url: string }>(
    'POST',
    `/apps/${quiet}/log-sessions`,
    wanted,
  )
  const ending = new AbortController()
  const { body } = await fetch(url, { headers: { accept: 'text/event-stream' }, signal: ending.signal })
  if (body === null) throw new Error('the tail has no body')
  const stamp = new RegExp(`@(\\d{${stampDigits}})\\n`, 'g')
  let heard: number[] = []
  const read = async (): Promise<void> => {
    let rest = ''
    for await (const text of body.pipeThrough(new TextDecoderStream())) {
      const nowMs = performance.timeOrigin + performance.now()
      const [...stamps] = (rest + text).matchAll(stamp)
      for (const [, us] of stamps) heard.push(nowMs - Number(us) / 1000)
      const last = stamps.at(-1)
      rest = last === undefined ? rest + text : (rest + text).slice(last.index + last[0].length)
    }
  }
  read().catch(() => undefined)
  return {
    take: () => {
      const taken = heard
      heard = []
      return taken
    },
    close: () => ending.abort(),
  }
}

const at = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ??
  Number.NaN

const shown = ({ drain, tail }: Times): string =>
  Object.entries({ drain, tail })
    .map(
      ([to, all]) =>
        `${to} p50 ${at(all, 0.5).toFixed(1)} ms, p99 ${at(all, 0.99).toFixed(1)} ms of ${all.length}`,
    )
    .join('; ')
