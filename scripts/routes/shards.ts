/**
 * Real router shards, each a process with a port of its own, on a bus that is named in their home. They end
 * with whoever started them.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeBusFile } from '../../actors/main/bus-login.ts'
import { homePaths } from '../../actors/main/paths.ts'
import { readShard } from '../../actors/main/router-processes.ts'

export type ShardProcess = {
  /** Its name on the bus. */
  readonly name: string
  readonly port: number
  /** Resident memory in bytes. */
  residentBytes(): number
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
}
export type Shards = {
  readonly all: readonly ShardProcess[]
  stop(): Promise<void>
}

const program = fileURLToPath(new URL('../shard.ts', import.meta.url))
const startMsMax = 60_000
const pollMs = 20

/** @param host the name of the host that they are of */
export const startShards = async (
  home: string,
  busUrl: string,
  host: string,
  count: number,
): Promise<Shards> => {
  const paths = homePaths(home)
  mkdirSync(paths.logs, { recursive: true })
  writeBusFile(paths, { urls: [busUrl], host })
  const ports = await freePorts(count)
  const started = ports.map((port, index) => start(home, index, port, count))
  const stop = async (): Promise<void> => {
    for (const { child, gone } of started) {
      // A stopped process hears of nothing else.
      child.kill('SIGKILL')
      await gone
    }
  }
  try {
    for (const { index, port, child } of started) await listening(home, index, port, child)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    all: started.map(({ index, port, child }) => ({
      name: `${host}-router-${index}`,
      port,
      residentBytes: () => residentBytes(child.pid ?? 0),
      signal: (name) => void child.kill(name),
    })),
    stop,
  }
}

const start = (home: string, index: number, port: number, count: number) => {
  const output = openSync(join(homePaths(home).logs, `router-${index}.log`), 'a')
  const env = {
    MANIFOLD_HOME: home,
    MANIFOLD_ROUTER_PORT: String(port),
    MANIFOLD_ROUTER_SHARDS: String(count),
    PATH: process.env['PATH'] ?? '',
  }
  const child = spawn(process.execPath, [program, String(index)], { stdio: ['ignore', output, output], env })
  closeSync(output)
  return { index, port, child, gone: once(child, 'exit') }
}

const listening = async (home: string, index: number, port: number, child: ChildProcess): Promise<void> => {
  const deadline = performance.now() + startMsMax
  while (readShard(homePaths(home), index)?.port !== port) {
    if (child.exitCode !== null || performance.now() > deadline)
      throw new Error(`router shard ${index} does not listen: see ${homePaths(home).logs}`)
    await new Promise<void>((resolve) => void setTimeout(resolve, pollMs))
  }
}

const residentBytes = (pid: number): number => {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return pages * 4_096
}

const freePorts = async (count: number): Promise<readonly number[]> => {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(probes.map((probe) => once(probe, 'listening')))
  return Promise.all(
    probes.map(async (probe) => {
      const bound = probe.address()
      probe.close()
      await once(probe, 'close')
      return typeof bound === 'object' && bound !== null ? bound.port : 0
    }),
  )
}
