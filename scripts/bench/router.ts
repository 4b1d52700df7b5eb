/**
 * The router's whole job (router/serve.ts) beside nginx, HAProxy, Caddy and http-proxy-3: CPU per request of
 * one worker each, pinned to one core, with the load and a fast upstream on the other; the same added headers
 * and an access line a request for all.
 *
 * Peers that are not installed leave their cells empty, as does what a peer does not do.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { row, type BenchOptions, type Row } from './report.ts'
import { drive, warm, type Measured } from './router/drive.ts'
import { loads, wrkScripts, type Load } from './router/loads.ts'
import { installed, peers, startProxies, type Running } from './router/proxies.ts'
import { twoChoicesRows } from './router/two-choices.ts'
import { residentBytes } from './routes/memory.ts'

const needed = ['wrk', 'h2load', 'nginx', 'openssl']
const mega = 2 ** 20

/** CPU µs, requests a second and times of each load, and memory; then what the choice of a dyno is worth. */
export async function run(options: BenchOptions): Promise<readonly Row[]> {
  return [...(await dataPath(options)), ...twoChoicesRows(options.quick)]
}

async function dataPath({ quick, log }: BenchOptions): Promise<readonly Row[]> {
  const missing = needed.filter((command) => !installed(command))
  if (missing.length > 0) {
    log(
      `not installed: ${missing.join(', ')}: apt-get install wrk nghttp2-client nginx haproxy caddy openssl`,
    )
    return loads.map(({ what, goal }) => row({ what, unit: 'cpu_us/request', ours: null, goal }))
  }
  const dir = mkdtempSync(join(tmpdir(), 'manifold-bench-'))
  try {
    writeFileSync(join(dir, '10k'), Buffer.alloc(10_240, 'x'))
    writeFileSync(join(dir, '1m'), Buffer.alloc(1_048_576, 'x'))
    for (const [name, text] of Object.entries(wrkScripts)) writeFileSync(join(dir, name), text)
    const proxies = await startProxies(dir)
    try {
      return await measure(dir, proxies.all, quick, log)
    } finally {
      await proxies.stop()
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function measure(
  dir: string,
  proxies: readonly Running[],
  quick: boolean,
  log: (line: string) => void,
): Promise<readonly Row[]> {
  const results = new Map<string, Measured[]>()
  const failed = new Set<string>()
  const attempt = async (proxy: Running, load: Load, work: () => Promise<void>): Promise<void> => {
    const key = `${load.what}|${proxy.name}`
    if (failed.has(key)) return
    try {
      await work()
    } catch (error) {
      failed.add(key)
      log(`${key}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  for (const load of loads)
    for (const proxy of proxies) await attempt(proxy, load, () => warm(dir, proxy, load, quick ? 0.2 : 1))
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    for (const load of loads) {
      for (const proxy of proxies) {
        await attempt(proxy, load, async () => {
          const measured = await drive(dir, proxy, load, 2)
          const key = `${load.what}|${proxy.name}`
          results.set(key, [...(results.get(key) ?? []), measured])
          const { cpuUs, perSecond, p99Ms } = measured
          log(`${key}: ${cpuUs.toFixed(1)} us/request, ${Math.round(perSecond)}/s, p99 ${p99Ms ?? '-'} ms`)
        })
      }
    }
  }
  return rowsOf(results, proxies)
}

function rowsOf(
  results: ReadonlyMap<string, readonly Measured[]>,
  proxies: readonly Running[],
): readonly Row[] {
  type Pick = (measured: Measured) => number | null
  const median = (what: string, name: string, pick: Pick): number | null => {
    const values = (results.get(`${what}|${name}`) ?? []).map(pick).filter((value) => value !== null)
    return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? null
  }
  const against = proxies.some(({ name }) => name === 'nginx') ? { against: 'nginx' } : {}
  const line = (load: Load, words: string, unit: string, goal: string, pick: Pick): Row =>
    row({
      what: `${load.what}${words}`,
      unit,
      goal,
      ours: median(load.what, 'ours', pick),
      peers: Object.fromEntries(peers.map((name) => [name, median(load.what, name, pick)])),
      ...against,
    })
  const [first] = loads
  const memoryOf = (wanted: string): number | null => {
    const found = proxies.find(({ name }) => name === wanted)
    return found === undefined ? null : residentBytes(found.pid) / mega
  }
  return [
    ...loads.map((load) => line(load, '', 'cpu_us/request', load.goal, ({ cpuUs }) => cpuUs)),
    ...loads.flatMap((load) => [
      line(load, ', rate', 'req/s', '', ({ perSecond }) => perSecond),
      ...(load.tool === 'h2load'
        ? []
        : [
            line(load, ', p50', 'ms', '', ({ p50Ms }) => p50Ms),
            line(load, ', p99', 'ms', load === first ? '<=1' : '', ({ p99Ms }) => p99Ms),
          ]),
    ]),
    row({
      what: 'memory after all of it',
      unit: 'MB',
      ours: memoryOf('ours'),
      peers: Object.fromEntries(peers.map((name) => [name, memoryOf(name)])),
      ...against,
    }),
  ]
}
