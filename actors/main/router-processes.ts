/**
 * The router shards of this host: processes of their own that serve whatever becomes of this one.
 *
 * A shard is known by the file it writes (pid and start time); one that runs is adopted, one that is missing
 * is started, one that dies while this process lives is started again, with back-off.
 */
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Settings } from '../../config/load.ts'
import { isAlive, processOf, signal, type ProcessId } from '../../src/system/process.ts'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import { needPort } from './claim.ts'
import type { HomePaths } from './paths.ts'

export type RouterProcesses = {
  /** Resolves when every shard says that it listens. */
  ready(timeoutMs: number): Promise<void>
  /** Drains and ends them. */
  stop(): Promise<void>
}

/** Apps are for everybody. */
export const routerAddress = '0.0.0.0'

/** What a shard writes once it listens. */
export type ShardFile = ProcessId & {
  readonly port: number
  readonly tlsPort: number
  /** `shardText` of what it was started with. */
  readonly more: string
}

type ShardWish = Pick<
  Settings,
  'routerShards' | 'routerPort' | 'routerTlsPort' | 'routerBalancers' | 'routerTlsBalancers'
>

/** What a shard cannot change while it runs, beside its ports. */
export const shardText = (of: Omit<ShardWish, 'routerPort' | 'routerTlsPort'>): string =>
  JSON.stringify([of.routerShards, of.routerBalancers, of.routerTlsBalancers])

const watchEveryMs = 500
const backoffMsMin = 500
const backoffMsMax = 30_000
const drainMsMax = 35_000
/** From the start of a process until it listens, at most. */
const startMsMax = 30_000
/** A shard that lived this long was well: the next start is at once. */
const wellAfterMs = 60_000

export const shardFile = (paths: HomePaths, index: number): string => join(paths.run, `router-${index}.json`)

export const readShard = (paths: HomePaths, index: number): ShardFile | undefined => {
  try {
    const found = JSON.parse(readFileSync(shardFile(paths, index), 'utf8')) as ShardFile
    return isAlive(found) ? found : undefined
  } catch {
    // None yet, or a half-written one: as good as none.
    return undefined
  }
}

/** All that live, with whatever settings and of whatever index: they outlive their host. */
const livingShards = (paths: HomePaths): readonly (ShardFile & { readonly index: number })[] =>
  readdirSync(paths.run).flatMap((name) => {
    const index = /^router-(\d+)\.json$/.exec(name)?.[1]
    const shard = index === undefined ? undefined : readShard(paths, Number(index))
    return shard === undefined ? [] : [{ ...shard, index: Number(index) }]
  })

/**
 * The router's ports, before anything is started: any one shard of the last host process may have them
 * already, as it should, and the others may be gone.
 * @throws Taken when something else listens there
 */
export const needRouterPorts = async (
  paths: HomePaths,
  { routerPort, routerTlsPort }: Pick<ShardWish, 'routerPort' | 'routerTlsPort'>,
): Promise<void> => {
  const shards = livingShards(paths)
  if (!shards.some(({ port }) => port === routerPort))
    await needPort('MANIFOLD_ROUTER_PORT', routerAddress, routerPort)
  if (!shards.some(({ tlsPort }) => tlsPort === routerTlsPort))
    await needPort('MANIFOLD_ROUTER_TLS_PORT', routerAddress, routerTlsPort)
}

export type RouterProcessDeps = {
  readonly paths: HomePaths
  readonly settings: ShardWish
  /** The program and its arguments; the index is added. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly log: Log
}

export const startRouterProcesses = (deps: RouterProcessDeps): RouterProcesses => {
  const { paths, clock, log } = deps
  mkdirSync(paths.logs, { recursive: true, mode: 0o700 })
  let stopping = false
  const timers = new Map<number, Timer>()
  const starts = new Map<number, { failures: number; at: number; process: ProcessId | undefined }>()

  const start = (index: number): ProcessId | undefined => {
    const [program = '', ...args] = deps.argv
    const output = openSync(join(paths.logs, `router-${index}.log`), 'a', 0o600)
    const child = spawn(program, [...args, String(index)], {
      detached: true,
      stdio: ['ignore', output, output],
      env: { ...deps.env },
    })
    child.unref()
    child.once('error', (error) => log({ at: 'router-start-failed', index, reason: error.message }))
    closeSync(output)
    return child.pid === undefined ? undefined : processOf(child.pid)
  }

  const { routerShards: count, routerPort, routerTlsPort } = deps.settings
  const moreWanted = shardText(deps.settings)
  const isAsWanted = ({ port, tlsPort, more }: ShardFile): boolean =>
    port === routerPort && tlsPort === routerTlsPort && more === moreWanted

  /** To end, by pid. */
  const told = new Set<number>()
  const doOthersServe = (index: number): boolean => {
    for (let other = 0; other < count; other++) {
      const shard = other === index ? undefined : readShard(paths, other)
      if (other !== index && (shard === undefined || told.has(shard.pid))) return false
    }
    return true
  }

  const watch = (index: number): void => {
    if (stopping) return
    const shard = readShard(paths, index)
    const last = starts.get(index)
    const again = (ms: number): void =>
      void timers.set(
        index,
        clock.after(ms, () => watch(index)),
      )
    if (shard !== undefined && isAsWanted(shard)) return again(watchEveryMs)
    // Started with an older setting: it makes room, one after the other where they share a port.
    if (shard !== undefined) {
      if (shard.port === routerPort && !doOthersServe(index)) return again(watchEveryMs)
      told.add(shard.pid)
      signal(shard, 'SIGTERM')
    }
    const now = clock.monotonicMs()
    // On a busy machine it takes its time to listen; a second one beside it would share the port unnoticed.
    const isStarting = last?.process !== undefined && isAlive(last.process)
    if (isStarting && now - last.at < startMsMax) return again(watchEveryMs)
    if (isStarting && last.process !== undefined) signal(last.process, 'SIGKILL')
    const failures = last === undefined || now - last.at > wellAfterMs ? 0 : last.failures
    const waitMs = failures === 0 ? 0 : Math.min(backoffMsMax, backoffMsMin * 2 ** failures)
    if (last !== undefined && now - last.at < waitMs) return again(watchEveryMs)
    if (last !== undefined) log({ at: 'router-restart', index, failures })
    starts.set(index, { failures: failures + 1, at: now, process: start(index) })
    return again(watchEveryMs)
  }
  for (let index = 0; index < count; index++) watch(index)
  // Of a life that had more of them.
  for (const shard of livingShards(paths)) if (shard.index >= count) signal(shard, 'SIGTERM')

  const all = (): readonly ShardFile[] =>
    Array.from({ length: count }, (_, index) => readShard(paths, index)).filter(
      (shard) => shard !== undefined,
    )
  const until = async (done: () => boolean, timeoutMs: number): Promise<boolean> => {
    const endMs = clock.monotonicMs() + timeoutMs
    while (!done()) {
      if (clock.monotonicMs() > endMs) return false
      await new Promise<void>((resolve) => void clock.after(20, resolve))
    }
    return true
  }

  return {
    ready: async (timeoutMs) => {
      const listening = (): boolean => all().filter(isAsWanted).length === count
      if (!(await until(listening, timeoutMs)))
        throw new Error(`the router does not listen on port ${routerPort}: see ${paths.logs}/router-0.log`)
    },
    stop: async () => {
      stopping = true
      for (const timer of timers.values()) timer.cancel()
      const shards = all()
      for (const shard of shards) signal(shard, 'SIGTERM')
      if (!(await until(() => !shards.some(isAlive), drainMsMax)))
        for (const shard of shards) signal(shard, 'SIGKILL')
    },
  }
}
