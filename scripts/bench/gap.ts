/**
 * `npm run bench -- gap`: what clients notice of 50 changes of two apps that they use meanwhile, one of them
 * with preboot: pushes, releases, rollbacks, config changes, restarts and scales between one dyno and four;
 * then of restarts that come faster than dynos start. Not one request may be lost. Needs root.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { heroku } from '../../config/heroku.ts'
import { startOwnPlatform, type OwnPlatform } from './deploy/platform.ts'
import { commitAll, gitEnvironment, pushApp } from './deploy/push.ts'
import { pushOwnApp } from './dynos/own-app.ts'
import { gapApp, slowMs } from './gap/app.ts'
import { makeChange, roundOf, until, type Changed } from './gap/changes.ts'
import { startLoad, type Load } from './gap/load.ts'
import { countOf, noChange, tally, type Count, type Span } from './gap/tally.ts'
import { row, type BenchOptions, type Row } from './report.ts'

/** After its effect a change goes on for so long: old dynos are told to end, and finish what they have. */
const tailMs = heroku.routersFirstMs + slowMs + 500
/** Nothing changes for so long after a change that others do not follow at once. */
const quietMs = 1_000
/** A release with preboot serves by then. */
const switchMsMax = heroku.bootTimeoutMs + heroku.prebootSettleMs + 60_000
const stormRestarts = 20
const stormEveryMs = 100

type Used = Changed & { readonly load: Load; readonly mark: string }
type Spans = { readonly during: <T>(what: string, work: Promise<T>) => Promise<T>; readonly all: Span[] }

export const run = async ({ quick, log }: BenchOptions): Promise<readonly Row[]> => {
  const platform = await startOwnPlatform()
  const spans = createSpans(log)
  try {
    const steady = await openApp(platform, 'steady', '', spans)
    const preboot = await openApp(platform, 'preboot', ', preboot', spans)
    await platform.api('PATCH', '/apps/preboot/features/preboot', { enabled: true })
    await makeRounds(preboot, quick ? 1 : 2, spans)
    const switched = quick ? undefined : awaitSwitch(preboot, spans)
    await Promise.all([switched, makeRounds(steady, quick ? 1 : 3, spans).then(() => storm(steady, spans))])
    await pause(tailMs)
    for (const { load } of [steady, preboot]) await load.stop()
    const outcomes = [...steady.load.outcomes, ...preboot.load.outcomes]
    const counts = tally(outcomes, spans.all)
    for (const { client, lost, beganMs, endedMs } of countOf(outcomes).lost)
      log(`lost: ${client}, ${Math.round(endedMs - beganMs)} ms: ${lost}`)
    return rowsOf([...counts, { what: 'all', changes: 1, ...countOf(outcomes) }])
  } finally {
    await platform.dispose()
  }
}

const createSpans = (log: (line: string) => void): Spans => {
  const all: Span[] = []
  const during = async <T>(what: string, work: Promise<T>): Promise<T> => {
    const beganMs = performance.now()
    const result = await work
    const endedMs = performance.now()
    log(`${what}: ${Math.round(endedMs - beganMs)} ms`)
    all.push({ what, beganMs, endedMs: endedMs + tailMs })
    return result
  }
  return { all, during }
}

/** Its clients are there before its first dyno is. */
const openApp = async (platform: OwnPlatform, app: string, mark: string, spans: Spans): Promise<Used> => {
  await pushOwnApp(platform, app, gapApp('0'))
  const load = startLoad(platform.routerPort, `${app}.localhost`)
  const isServed = until(`an answer of ${app}`, () => load.newest() > 0)
  await spans.during('first boot', isServed)
  const folder = join(platform.user, app)
  let pushes = 0
  const push = async (): Promise<void> => {
    for (const [name, text] of Object.entries(gapApp(String(++pushes))))
      writeFileSync(join(folder, name), text)
    await commitAll(folder, gitEnvironment(platform))
    await pushApp(platform, app, folder)
  }
  return { api: platform.api, app, push, load, mark }
}

/** In the first round each change is left alone, in the others the next one follows at once. */
const makeRounds = async (used: Used, rounds: number, { during }: Spans): Promise<void> => {
  for (let round = 0; round < rounds; round++) {
    for (const change of roundOf(round % 2 === 0 ? 'git push' : 'release of a slug')) {
      const { what } = change
      const name = what === 'ps:scale' ? `${what} web=${change.to}` : what
      await during(`${name}${used.mark}`, makeChange(used, change))
      if (round === 0) await pause(tailMs + quietMs)
    }
    await pause(tailMs + quietMs)
  }
}

/** A last release, which serves when its preboot is over. */
const awaitSwitch = async (used: Used, { all }: Spans): Promise<void> => {
  await makeChange(used, { what: 'config:set' })
  const before = used.load.newest()
  await until('the end of preboot', () => used.load.newest() > before, switchMsMax)
  const seenMs = performance.now()
  all.push({ what: 'end of preboot', beganMs: seenMs - quietMs, endedMs: seenMs + tailMs })
}

const storm = async (used: Used, { during }: Spans): Promise<void> => {
  const restarts = async (): Promise<void> => {
    for (let at = 0; at < stormRestarts; at++) {
      await used.api('DELETE', `/apps/${used.app}/dynos`)
      await pause(stormEveryMs)
    }
    await makeChange(used, { what: 'ps:restart' })
  }
  await makeChange(used, { what: 'ps:scale', to: 3 })
  await during(`${stormRestarts} restarts ${stormEveryMs} ms apart`, restarts())
}

const rowsOf = (counts: readonly Count[]): readonly Row[] => {
  const still = counts.find(({ what }) => what === noChange)
  const beside = (figure: 'p50Ms' | 'p99Ms') => ({ [noChange]: still?.[figure] ?? null })
  return counts.flatMap(({ what, changes, requests, lost, ...times }) => [
    row({
      what: `${what}${changes > 1 ? ` (${changes})` : ''}: lost of ${requests}`,
      unit: 'requests',
      ours: lost.length,
      goal: '<=0',
    }),
    row({ what: '  p50', unit: 'ms', ours: times.p50Ms, peers: beside('p50Ms') }),
    row({ what: '  p99', unit: 'ms', ours: times.p99Ms, peers: beside('p99Ms') }),
  ])
}
