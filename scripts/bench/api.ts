/**
 * `npm run bench -- api [--apps N]`: the Platform API over HTTP with one app on record, with 100,000 and with
 * 3,000,000, all of one owner: reads, pages of the list of apps, and writes; how many a second, and how long
 * they take. Beside it what the same server does of bare gets and puts of the KV, from as many at once.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nameKey } from '../../actors/effects/perform/names.ts'
import { openIndexes } from '../../src/ordered/ordered.ts'
import type { Change } from '../../src/ordered/pages.ts'
import { openStore } from '../../src/nats/store.ts'
import type { Store } from '../../src/ports/store.ts'
import { bucket, joinBus, startFilled, urlOf } from '../routes/load.ts'
import { appIdOf, appNameOf } from '../routes/records.ts'
import { asker, measure, type Ask, type Measured } from './api/drive.ts'
import type { Job, Ready } from './api/control-process.ts'
import { entriesOf, owner } from './api/records.ts'
import { cpuMsOf } from './deploy/cpu.ts'
import { openEnds, type Ends } from './logplex/ends.ts'
import { row, type BenchOptions, type Row } from './report.ts'
import { residentBytes } from './routes/memory.ts'

const sizes = [1, 100_000, 3_000_000] as const
const sizesQuick = [1, 1_000, 20_000] as const
const readers = 16
const writers = 8
/** Of the list: each asks for 200 apps. */
const listers = 2
const pageItems = 200
/** An account has a pool of 4,500 requests. */
const listsMax = 2_000
const operators = 32
const listedAtOnce = 50_000
/** More than there are blocks. */
const looks = 2_000
const mega = 2 ** 20

export const run = async ({ quick, args, log }: BenchOptions): Promise<readonly Row[]> => {
  const ends = openEnds()
  try {
    const rows: Row[] = []
    let base: Figures | undefined
    for (const apps of sizesOf(args, quick)) {
      const figures = await measureAt(apps, quick ? 2_000 : 6_000, log, ends)
      rows.push(...rowsOf(apps, figures, base))
      // One app has no page of a list.
      if (apps >= pageItems) base ??= figures
    }
    return rows
  } finally {
    await ends.close()
  }
}

const sizesOf = (args: readonly string[], quick: boolean): readonly number[] => {
  const at = args.indexOf('--apps')
  if (at < 0) return quick ? sizesQuick : sizes
  const apps = Number(args[at + 1])
  if (Number.isSafeInteger(apps) && apps >= 1) return [apps]
  throw new RangeError(`--apps ${args[at + 1]} is not allowed: want a whole number of 1 or more`)
}

type Figures = {
  readonly get: Measured
  readonly first: Measured
  readonly any: Measured
  readonly config: Measured
  readonly create: Measured
  readonly bareGet: Measured
  readonly barePut: Measured
  readonly controlBytes: number
}

const measureAt = async (
  apps: number,
  forMs: number,
  log: (line: string) => void,
  ends: Ends,
): Promise<Figures> => {
  const home = mkdtempSync(join(tmpdir(), 'mf-api-'))
  await ends.up(Promise.resolve(home), async () => rmSync(home, { recursive: true, force: true }))
  const filling = startFilled(join(home, 'nats'), entriesOf(apps))
  const { server, writeMs } = await ends.up(filling, async (up) => void (await up.server.stop()))
  const connection = await ends.up(joinBus(server, 'bench'), (up) => up.close())
  const store = await openStore(connection, { bucket, replicas: 1 })
  const beganMs = performance.now()
  await writeLists(store, apps)
  const listsMs = performance.now() - beganMs
  const warmMs = await warm(store, apps)
  log(`${apps} apps on record in ${seconds(writeMs)} s, in the lists of their owner in ${seconds(listsMs)} s`)
  log(`  each block of the record read once in ${seconds(warmMs)} s`)
  const control = await startControl({ home: join(home, 'host'), url: urlOf(server), owner, operators }, ends)
  const { ask, close } = asker(control.port)
  const { ownerToken, tokens } = control
  const tokenAt = (n: number): string => tokens[n % tokens.length] ?? ownerToken
  /** Far from each other, and another one each time. */
  const numberAt = (n: number): number => (n * 7_919) % apps
  const cpuMs = (): number => cpuMsOf(control.pid, 'alone')
  const reads = { cpuMs }
  const pages = { cpuMs, most: listsMax }
  const pageAt = (n: number): string => `id ${appIdOf(numberAt(n))}..; max=${pageItems}`
  const named = (n: number): string => appNameOf(numberAt(n))
  const made = (n: number): string => `/apps/made-${n % (2 * writers)}/config-vars`
  const post = (n: number): Ask => ({
    ...patch(n),
    method: 'POST',
    path: '/apps',
    body: { name: `made-${n}` },
  })
  const patch = (n: number): Ask => {
    return { method: 'PATCH', path: made(n), token: tokenAt(n), body: { N: String(n) } }
  }
  const page = { path: '/apps', token: ownerToken }
  const get = (n: number): Ask => ({ path: `/apps/${named(n)}`, token: tokenAt(n) })
  const figures = {
    get: await measure(readers, forMs, (n) => ask(get(n)), reads),
    first: await measure(listers, forMs, () => ask(page), pages),
    any: await measure(listers, forMs, (n) => ask({ ...page, range: pageAt(n) }), pages),
    bareGet: await measure(readers, forMs, (n) => store.get(nameKey('app', named(n)))),
    create: await measure(writers, forMs, (n) => ask(post(n)), reads),
    config: await measure(writers, forMs, (n) => ask(patch(n)), reads),
    barePut: await measure(writers, forMs, (n) => store.create(`bench/put-${n}`, new Uint8Array(500))),
    controlBytes: residentBytes(control.pid),
  }
  close()
  return figures
}

/** A server that was started anew reads a block of its record when it is first asked for something in it. */
const warm = async (store: Store, apps: number): Promise<number> => {
  const beganMs = performance.now()
  const step = Math.max(1, Math.floor(apps / looks))
  for (let number = 0; number < apps; number += step) await store.get(nameKey('app', appNameOf(number)))
  return performance.now() - beganMs
}

/** As the platform writes them, many at a time. */
const writeLists = async (store: Store, apps: number): Promise<void> => {
  const indexes = openIndexes(store, 'access')
  for (const by of ['name', 'id'] as const) {
    let changes: Change[] = []
    const write = async (): Promise<void> => {
      await indexes.change(`${owner.id}.${by}`, changes)
      changes = []
    }
    for (const number of by === 'name' ? inTextOrder(apps) : Array(apps).keys()) {
      const [id, name] = [appIdOf(number), appNameOf(number)]
      changes.push(by === 'name' ? { key: name, value: id } : { key: id, value: name })
      if (changes.length === listedAtOnce) await write()
    }
    await write()
  }
}

/** Numbers below `end` as their texts are sorted: 0, 1, 10, 100, 101, … */
function* inTextOrder(end: number, from = 0): Generator<number> {
  for (let digit = from === 0 ? 1 : 0; digit <= 9; digit += 1) {
    const number = 10 * from + digit
    if (number >= end) break
    if (number === 1) yield 0
    yield number
    yield* inTextOrder(end, number)
  }
  if (end === 1) yield 0
}

const startControl = async (job: Job, ends: Ends) => {
  mkdirSync(job.home, { recursive: true })
  const child = fork(join(import.meta.dirname, 'api/control-process.ts'), { execArgv: process.execArgv })
  const ended = once(child, 'exit')
  const end = async (): Promise<void> => {
    if (child.connected) child.disconnect()
    if (child.exitCode === null && child.signalCode === null) await ended
  }
  await ends.up(Promise.resolve(child), end)
  child.send(job)
  const failed = ended.then(() => Promise.reject(new Error('the control host ended')))
  failed.catch(() => undefined)
  const [said] = (await Promise.race([once(child, 'message'), failed])) as [Ready]
  if ('failed' in said) throw new Error(said.failed)
  return { ...said, pid: child.pid ?? 0 }
}

const rowsOf = (apps: number, figures: Figures, base: Figures | undefined): readonly Row[] => {
  const { get, first, any, config, create, bareGet, barePut, controlBytes } = figures
  const both = (what: string, ours: Measured, bare?: Measured, peer = ''): readonly Row[] => [
    row({
      what: `${what}, ${apps} apps`,
      unit: 'req/s',
      ours: ours.perSecond,
      ...(bare && { peers: { [peer]: bare.perSecond } }),
    }),
    row({ what: '  p50', unit: 'ms', ours: ours.p50, ...(bare && { peers: { [peer]: bare.p50 } }) }),
    row({ what: '  p99', unit: 'ms', ours: ours.p99, ...(bare && { peers: { [peer]: bare.p99 } }) }),
    row({ what: '  CPU of the control host', unit: 'us/req', ours: ours.cpuUsEach }),
  ]
  const flat = (what: string, ours: Measured, before: Measured): Row =>
    row({ what, unit: 'ms', ours: ours.p50, peers: { 'fewer apps': before.p50 }, goal: '<=1.5' })
  return [
    ...both('GET /apps/:app', get, bareGet, 'bare KV get'),
    ...both(`GET /apps, first page`, first),
    ...both(`GET /apps, a page from anywhere`, any),
    ...(base === undefined
      ? []
      : [
          flat('  the first page stays flat: p50', first, base.first),
          flat('  a page from anywhere stays flat: p50', any, base.any),
        ]),
    ...both('PATCH config-vars (a release)', config, barePut, 'bare KV put'),
    ...both('POST /apps', create, barePut, 'bare KV put'),
    row({ what: '  memory of the control host', unit: 'MB', ours: controlBytes / mega }),
  ]
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(1)
