/**
 * `npm run bench -- deploy`: a push, part by part, from git's request to the answer and to the first dyno
 * that is up: of a 50 MB slug, and of a small Node.js app; each the first one of a new app, and again with
 * one file changed, when the repository and the build's cache are there. And the start of one more dyno.
 *
 * The buildpack of the big one is `procfile`, which does nothing: what its containers cost is the platform's
 * share too. Peers: git pushing the same commit into a bare repository, `tar --zstd` of the same tree, and
 * `runc run` of the same stack and slug.
 */
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { runBare } from './deploy/bare-runc.ts'
import { cpuMsOf } from './deploy/cpu.ts'
import { startOwnPlatform, type OwnPlatform } from './deploy/platform.ts'
import {
  changeApp,
  commitAll,
  gitEnvironment,
  packBare,
  pushApp,
  pushBare,
  writeBigApp,
  writeSmallApp,
  type PushTimes,
} from './deploy/push.ts'
import { row, type BenchOptions, type Row } from './report.ts'

type Dyno = { readonly name: string; readonly state: string; readonly release: { readonly version: number } }

const slugBytes = 50 * 1024 * 1024
const stack = 'heroku-24'
// Often enough to see it, seldom enough not to be what the platform is busy with.
const pollEveryMs = 20
// The log tells the times of a start; this only waits for its end.
const startPollMs = 100
const upMsMax = 60_000
/** Of an app's first deploy. */
const firstVersion = 3

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

export const run = async ({ quick, log }: BenchOptions): Promise<readonly Row[]> => {
  const platform = await startOwnPlatform()
  try {
    const count = quick ? 1 : 3
    const big = await measurePushes(platform, { name: 'big', write: writeBig, count, log })
    const small = await measurePushes(platform, { name: 'small', write: writeSmallApp, count, log })
    const starts = await measureStarts(platform, quick ? 3 : 9, log)
    return [
      ...pushRows('50 MB slug', big.first, '<=2000'),
      ...pushRows('50 MB slug, one file changed', big.again),
      ...pushRows('small Node.js app', small.first),
      ...pushRows('small Node.js app, one file changed', small.again),
      ...startRows(starts),
    ]
  } finally {
    await platform.dispose()
  }
}

const writeBig = (folder: string): void => {
  writeBigApp(folder, slugBytes)
}

type Push = {
  readonly times: PushTimes
  readonly startMs: number
  readonly bareMs: number
  readonly tarMs: number
  readonly cpuMs: number
}
type App = {
  readonly name: string
  readonly write: (folder: string) => void
  readonly count: number
  readonly log: (line: string) => void
}

/** Each a new app's first, of which nothing is known anywhere, and one more of it. */
const measurePushes = async (
  platform: OwnPlatform,
  { name, write, count, log }: App,
): Promise<{ readonly first: readonly Push[]; readonly again: readonly Push[] }> => {
  const [first, again]: [Push[], Push[]] = [[], []]
  for (let at = 1; at <= count; at++) {
    const app = `${name}-${at}`
    const folder = join(platform.user, app)
    write(folder)
    await platform.api('POST', '/apps', { name: app })
    first.push(await measurePush(platform, app, folder, firstVersion, log))
    changeApp(folder, at + 1)
    again.push(await measurePush(platform, app, folder, firstVersion + 1, log))
  }
  return { first, again }
}

const measurePush = async (
  platform: OwnPlatform,
  app: string,
  folder: string,
  version: number,
  log: (line: string) => void,
): Promise<Push> => {
  const env = gitEnvironment(platform)
  await commitAll(folder, env)
  const [bareMs, tarMs] = [await pushBare(folder, env), await packBare(folder)]
  const cpuBeforeMs = cpuMsOf(platform.pid)
  const { times, answeredAtMs } = await pushApp(platform, app, folder)
  const cpuMs = cpuMsOf(platform.pid) - cpuBeforeMs
  const startMs = (await upAt(platform, app, 'web.1', version)) - answeredAtMs
  const parts = Object.entries(times).map(([part, ms]) => `${part} ${Math.round(ms)}`)
  const [bare, tar, up] = [bareMs, tarMs, startMs].map(Math.round)
  log(`${app}: ${parts.join(', ')}, up ${up} later; bare git ${bare}, tar ${tar}, CPU ${cpuMs}`)
  return { times, startMs, bareMs, tarMs, cpuMs }
}

/** When the dyno is seen up, as `performance.now()` says it. */
const upAt = async (
  platform: OwnPlatform,
  app: string,
  name: string,
  version: number,
  everyMs = pollEveryMs,
): Promise<number> => {
  const began = performance.now()
  while (performance.now() - began < upMsMax) {
    const dynos = await platform.api<readonly Dyno[]>('GET', `/apps/${app}/dynos`)
    const isUp = dynos.some(
      (dyno) => dyno.name === name && dyno.state === 'up' && dyno.release.version >= version,
    )
    if (isUp) return performance.now()
    await pause(everyMs)
  }
  throw new Error(`${name} of ${app} is not up:\n${platform.output()}`)
}

type Start = {
  /** From the request to scale until the new process runs, as the app's log tells. */
  readonly processMs: number
  /** The same until it is up: bound, found out, recorded. */
  readonly upMs: number
  readonly bareMs: number
}

/** When a dyno's process was started and when it was up: wall-clock milliseconds, from its log. */
const timesOf = async (
  platform: OwnPlatform,
  app: string,
  dyno: string,
): Promise<{ readonly processAt: number; readonly upAt: number }> => {
  const wanted = { lines: 100, source: 'heroku', dyno }
  type Session = { readonly logplex_url: string }
  const { logplex_url } = await platform.api<Session>('POST', `/apps/${app}/log-sessions`, wanted)
  const text = await (await fetch(logplex_url)).text()
  const at = (what: string): number =>
    Date.parse(
      text
        .split('\n')
        .findLast((line) => line.includes(what))
        ?.split(' ')[0] ?? '',
    )
  return { processAt: at('Starting process with command'), upAt: at('State changed from starting to up') }
}

/** One more web dyno of the first app, again and again; the app binds its port as soon as it runs. */
const measureStarts = async (
  platform: OwnPlatform,
  count: number,
  log: (line: string) => void,
): Promise<readonly Start[]> => {
  const app = 'big-1'
  const slugs = join(platform.home, 'slugs')
  const slug = readdirSync(slugs).find((name) => existsSync(join(slugs, name, 'data')))
  if (slug === undefined) throw new Error('no slug is unpacked on this host')
  const bare = {
    folder: join(platform.user, 'bundle'),
    root: realpathSync(join(platform.home, 'stacks', stack)),
    slug: join(slugs, slug),
  }
  const starts: Start[] = []
  for (let at = 1; at <= count; at++) {
    const bareMs = await runBare(bare, `bare-${at}`)
    const quantity = at + 1
    const beganAt = Date.now()
    await platform.api('PATCH', `/apps/${app}/formation/web`, { quantity })
    await upAt(platform, app, `web.${quantity}`, firstVersion, startPollMs)
    const { processAt, upAt: up } = await timesOf(platform, app, `web.${quantity}`)
    const [processMs, upMs] = [processAt - beganAt, up - beganAt]
    starts.push({ processMs, upMs, bareMs })
    log(`start ${at}: process after ${processMs} ms, up after ${upMs}; bare runc ${Math.round(bareMs)}`)
  }
  return starts
}

const parts: Readonly<Record<keyof Omit<PushTimes, 'whole'>, string>> = {
  receive: 'receive the pack',
  checkout: 'check the source out',
  buildpack: 'detect and compile, in containers',
  pack: 'pack the slug',
  storeAndRelease: 'store the slug, make the release',
  repository: 'keep the repository',
}

const pushRows = (what: string, pushes: readonly Push[], goal = ''): readonly Row[] => {
  const of = (pick: (push: Push) => number): number => median(pushes.map(pick))
  return [
    row({ what: `push of a ${what}`, unit: 'ms', ours: of(({ times }) => times.whole), goal }),
    row({
      what: '  beside git push and tar --zstd alone',
      unit: 'ms',
      ours: of(({ times }) => times.whole),
      peers: { 'git push, tar': of(({ bareMs, tarMs }) => bareMs + tarMs) },
    }),
    ...Object.entries(parts).map(([part, name]) =>
      row({ what: `  ${name}`, unit: 'ms', ours: of(({ times }) => times[part as keyof PushTimes]) }),
    ),
    row({ what: '  CPU of all processes', unit: 'cpu_ms', ours: of(({ cpuMs }) => cpuMs) }),
    row({ what: '  first web dyno up after the answer', unit: 'ms', ours: of(({ startMs }) => startMs) }),
  ]
}

const startRows = (starts: readonly Start[]): readonly Row[] => {
  const of = (pick: (start: Start) => number): number => median(starts.map(pick))
  const bare = { 'runc run': of(({ bareMs }) => bareMs) }
  return [
    row({
      what: 'one more dyno of a cached slug: request to its process',
      unit: 'ms',
      ours: of(({ processMs }) => processMs),
      goal: '<=200',
    }),
    row({
      what: 'the same until it is up and routed',
      unit: 'ms',
      ours: of(({ upMs }) => upMs),
      peers: bare,
    }),
  ]
}
