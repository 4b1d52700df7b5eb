/** One load on one proxy, and what it cost that proxy's process. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Load } from './loads.ts'
import type { Asked } from './asker.ts'
import { besideProxies, type Running } from './proxies.ts'

export type Measured = {
  readonly cpuUs: number
  readonly perSecond: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
}

/** Runs of a second each until a proxy counts as warm, however slow it is. */
const warmRunsMax = 8

/** @param dir where the scripts of wrk are */
export const drive = async (dir: string, proxy: Running, load: Load, seconds: number): Promise<Measured> => {
  const before = cpuMs(proxy.pid)
  const asked = await askFor(dir, proxy, load, { seconds, count: load.tool === 'wrk' ? 0 : load.count })
  return {
    cpuUs: ((cpuMs(proxy.pid) - before) * 1_000) / asked.requests,
    perSecond: asked.requests / asked.seconds,
    p50Ms: asked.p50Ms,
    p99Ms: asked.p99Ms,
  }
}

/** Until as many requests are answered as the load wants before it is measured, or that share of them. */
export const warm = async (dir: string, proxy: Running, load: Load, share: number): Promise<void> => {
  const count = Math.ceil(load.warmUp * share)
  for (let done = 0, run = 0; done < count && run < warmRunsMax; run++)
    done += (await askFor(dir, proxy, load, { seconds: 1, count })).requests
}

type Answered = Omit<Asked, 'p50Ms' | 'p99Ms'> & Pick<Measured, 'p50Ms' | 'p99Ms'>

/** How much a tool asks for: wrk for so long, the others so often. */
type Amount = { readonly seconds: number; readonly count: number }

const askFor = async (
  dir: string,
  proxy: Running,
  load: Load,
  { seconds, count }: Amount,
): Promise<Answered> => {
  const port = load.isTls === true ? proxy.tlsPort : proxy.port
  if (load.tool === 'asker') {
    const words = [join(import.meta.dirname, 'asker.ts'), load.way, String(port), String(count)]
    return JSON.parse(await output(dir, process.execPath, words)) as Asked
  }
  const url = `${load.isTls === true ? 'https' : 'http'}://127.0.0.1:${port}${load.path}`
  if (load.tool === 'h2load') {
    const said = await output(dir, 'h2load', ['-t1', `-n${count}`, ...load.args, url])
    const done = /(\d+) succeeded/.exec(said)?.[1]
    const tookText = /finished in ([\d.]+)(us|ms|s)/.exec(said)
    if (!said.includes('Application protocol: h2') || Number(done) !== count)
      throw new Error(`${proxy.name}: ${said.slice(0, 400)}`)
    return { requests: count, seconds: milliseconds(tookText) / 1_000, p50Ms: null, p99Ms: null }
  }
  const said = await output(dir, 'wrk', ['-t1', `-d${seconds}s`, '--latency', ...load.args, url])
  const requests = Number(/(\d+) requests in/.exec(said)?.[1] ?? 0)
  if (requests === 0 || said.includes('Non-2xx')) throw new Error(`${proxy.name}: ${said}`)
  return {
    requests,
    seconds,
    p50Ms: milliseconds(/50%\s+([\d.]+)(us|ms|s)/.exec(said)),
    p99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(said)),
  }
}

const milliseconds = (found: RegExpExecArray | null): number => {
  const scale = found?.[2] === 'us' ? 0.001 : found?.[2] === 's' ? 1_000 : 1
  return Number(found?.[1] ?? 0) * scale
}

const output = async (dir: string, command: string, args: readonly string[]): Promise<string> => {
  const [program, words] = besideProxies(command, args)
  const child = spawn(program, words, { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()))
  await new Promise((resolve) => child.on('close', resolve))
  return text
}

/** User and system time of a process; the kernel counts in hundredths of a second. */
const cpuMs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}
