/**
 * The `process` driver: the same contract with plain processes, for machines without root or runc.
 *
 * It isolates nothing: a process sees the machine and its owner's files and shares the network; what a shell
 * can bound of one process is bounded (process-start.ts). An `overlay` layer is a private copy, and targets
 * are real paths which `paths` tells; the working directory and HOME are translated, the arguments are not.
 */
import { existsSync } from 'node:fs'
import { mkdir, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { openAdmitted } from './admitted.ts'
import type { Attached, ContainerSpec, Driver, ExecSpec, Exit, Found, Outer, Started } from './driver.ts'
import { asStartError, isErrno, OciError } from './errors.ts'
import { openExecs, type ExecPlace, type ExecStart } from './exec.ts'
import { exitCode, exitOf, openExits } from './exit.ts'
import { followLog } from './log-file.ts'
import { openPorts } from './ports.ts'
import { makePaths, type Bounds, shimPath, startAttached, startShim, translate } from './process-start.ts'
import { checkId, openRecords, readIfAny, unlessRemoved, type ContainerRecord } from './record.ts'
import { commandLineOf, familyOf, usageOf, stampOf } from './session.ts'
import type { ShimSpec } from './shim.ts'
import { killAll } from './signal.ts'

export type ProcessOptions = {
  /** Containers live in `<stateDir>/<id>/`. Give it to one driver at a time. */
  stateDir: string
  /** Ports that no container is lent: what this host listens on itself. */
  portsKept?: readonly number[]
  now(): number
}

const address = '127.0.0.1'
/** Far longer than routers take to hear of an end while they hear of anything. */
const portRestMs = 600_000
const endTimeoutMs = 5_000
/** Of containers whose record an older build wrote. */
const boundsDefault: Bounds = { openFilesMax: 10_000, fileBytesMax: 2 ** 30 }

/** Opens the state directory, which is made when missing. */
export const openProcessDriver = async (options: ProcessOptions): Promise<Driver> => {
  await mkdir(options.stateDir, { recursive: true, mode: 0o700 })
  const stateDir = await realpath(options.stateDir)
  const records = openRecords(stateDir)
  const starting = new Set<string>()
  const removing = new Map<string, Promise<void>>()
  const admitted = openAdmitted(stateDir)
  const ports = openPorts(stateDir, { ms: portRestMs, now: () => performance.now() })
  for (const port of options.portsKept ?? []) ports.hold(port)
  for (const { expose } of await records.all()) if (expose !== undefined) ports.hold(expose)

  /** The network is the host's: the port is the same from everywhere, for everybody. */
  const outerOf = ({ expose }: ContainerRecord): { outer?: Outer } => admitted.outer(expose)

  const begin = async <T>(
    spec: ContainerSpec,
    attached: boolean,
    run: (dir: string, shim: ShimSpec) => Promise<{ pid: number; result: T }>,
  ): Promise<{ record: ContainerRecord; result: T }> => {
    if (spec.argv.length === 0) throw new OciError('OCI_SPEC', `${spec.id}: nothing to run`)
    const dir = await records.claim(spec.id)
    starting.add(spec.id)
    try {
      const paths = await makePaths(dir, spec)
      const record = newRecord(spec, attached, paths)
      await records.write(record)
      if (spec.expose !== undefined) ports.hold(spec.expose)
      const { pid, result } = await run(dir, translate(spec, boundsOf(spec), paths))
      const stamp = await stampOf(pid)
      const started = { ...record, pid, startedAtMs: options.now(), ...(stamp ? { stamp } : {}) }
      await records.write(started)
      return { record: started, result }
    } catch (error) {
      await remove(spec.id)
      throw asStartError(spec.id, error)
    } finally {
      starting.delete(spec.id)
    }
  }

  const start = async (spec: ContainerSpec): Promise<Started> => {
    if (spec.terminal) throw new OciError('OCI_SPEC', `${spec.id}: a terminal needs attach`)
    const { record } = await begin(spec, false, async (dir, shim) => {
      return { pid: await startShim(dir, spec.id, shim), result: undefined }
    })
    const { id, pid, startedAtMs, paths } = record
    return { id, pid, address, ...outerOf(record), startedAtMs, paths }
  }

  const attach = async (spec: ContainerSpec): Promise<Attached> => {
    const { record, result } = await begin(spec, true, async (_, shim) => {
      const result = await startAttached(spec, shim)
      return { pid: result.pid, result }
    })
    const { id } = record
    const exit = result.ended.then(async (code) => {
      await keepCode(id, code)
      return exitOf(code, false)
    })
    return {
      id,
      address,
      ...outerOf(record),
      stdin: result.child.stdin,
      output: result.output,
      exit,
    }
  }

  const keepCode = async (id: string, code: number): Promise<void> => {
    try {
      await writeFile(join(records.dir(id), 'exit', id), String(code))
    } catch (error) {
      // Removed meanwhile.
      if (!isErrno(error, 'ENOENT')) throw error
    }
  }

  const isAlive = async ({ pid, stamp }: ContainerRecord): Promise<boolean> =>
    stamp !== undefined && (await stampOf(pid)) === stamp

  const keeperOf = async (id: string): Promise<number> => {
    const pid = Number(readIfAny(join(records.dir(id), 'shim.pid')) ?? 0)
    return (await commandLineOf(pid)).includes(`${shimPath} ${id} `) ? pid : 0
  }

  const probe = async (id: string): Promise<Exit | undefined> => {
    const record = await records.read(id)
    if (starting.has(id)) return undefined
    const code = exitCode(records.dir(id), id)
    if (code !== undefined) return exitOf(code, false)
    if ((await keeperOf(id)) > 0 || (await isAlive(record))) return undefined
    return exitOf(exitCode(records.dir(id), id) ?? null, false)
  }

  const processOf = async (id: string): Promise<number> =>
    (await keeperOf(id)) || (await records.read(id)).pid
  const exits = openExits((id) => records.dir(id), probe, processOf)

  const execs = openExecs()

  const exec: Driver['exec'] = async (id, spec) => {
    const record = await records.read(id)
    if (!(await isAlive(record))) throw new OciError('OCI_ENDED', id)
    const executed = await execs.run(familyPlace(id, records.dir(id)), spec, (note) =>
      startOf(spec, record, note),
    )
    const ends = (): void => void execs.end(id)
    exits.wait(id).then(ends, ends)
    return executed
  }

  const signal = async (id: string, name: NodeJS.Signals, whom: 'init' | 'all'): Promise<void> => {
    const record = await records.read(id)
    if (await isAlive(record)) killAll(whom === 'init' ? [record.pid] : await familyOf(record.pid), name)
  }

  const found = async (record: ContainerRecord): Promise<Found> => {
    const { id, labels, pid, startedAtMs, attached } = record
    const exit = await probe(id)
    const base = { id, labels, pid, address, ...outerOf(record), startedAtMs, attached }
    return exit ? { ...base, state: 'exited', exit } : { ...base, state: 'running' }
  }

  const remove = (id: string): Promise<void> => {
    checkId(id)
    const running = removing.get(id) ?? removeNow(id).finally(() => removing.delete(id))
    removing.set(id, running)
    return running
  }

  /** The process first, so that the shim sees the end; then the shim, should it hang. */
  const removeNow = async (id: string): Promise<void> => {
    const dir = records.dir(id)
    if (!existsSync(dir)) return
    await execs.end(id)
    const keeper = await keeperOf(id)
    const record = (await records.all()).find((each) => each.id === id)
    const alive = record ? await isAlive(record) : false
    const family = keeper > 0 ? await familyOf(keeper) : []
    const pids = alive && record ? await familyOf(record.pid) : family.filter((pid) => pid !== keeper)
    killAll(pids, 'SIGKILL')
    const until = performance.now() + endTimeoutMs
    for (let pid = keeper; pid > 0; pid = await keeperOf(id)) {
      if (performance.now() > until) killAll([pid], 'SIGKILL')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await records.forget(id)
    if (record?.expose !== undefined) ports.free(record.expose)
  }

  const list = async (): Promise<Found[]> => {
    const all = await records.all()
    const seen = await Promise.all(all.map((record) => unlessRemoved(found(record))))
    return seen.filter((each) => each !== undefined)
  }

  return {
    kind: 'process',
    start,
    attach,
    lendPort: () => ports.lend(),
    exec,
    admit: async (hosts, own) => void (await admitted.set(hosts, own)),
    // Processes share the network of the host.
    deny: async () => undefined,
    list,
    wait: (id) => exits.wait(id),
    signal,
    stats: async (id) => {
      const record = await records.read(id)
      const family = (await isAlive(record)) ? await familyOf(record.pid) : []
      const { residentBytes, runnable } = await usageOf(family)
      const unknown = { cacheBytes: 0, swapBytes: 0, pgpgin: 0, pgpgout: 0, diskBytes: 0 }
      const [memoryBytes, rssBytes] = [residentBytes, residentBytes]
      return { memoryBytes, rssBytes, ...unknown, pids: family.length, runnable }
    },
    gaps: async () => ['driver=process: apps run WITHOUT ISOLATION, as this user, seeing this machine'],
    remove,
    follow: (id, from, onBatch) => followLog(records.dir(id), from, exits.wait(id), onBatch),
    sweep: async () => {
      for (const { id } of await records.all()) await execs.sweep(familyPlace(id, records.dir(id)))
      const removed = (await records.broken()).filter((id) => !starting.has(id))
      await Promise.all(removed.map(remove))
      return { removed }
    },
    close: () => exits.close(),
    teardown: async () => {
      if (starting.size > 0 || (await list()).length > 0) throw new OciError('OCI_BUSY', stateDir)
    },
  }
}

/** A file may be as large as the disk that a container would have. */
const boundsOf = ({ limits }: ContainerSpec): Bounds => ({
  openFilesMax: limits.openFilesMax,
  fileBytesMax: limits.diskBytes,
})

const newRecord = (
  spec: ContainerSpec,
  attached: boolean,
  paths: Readonly<Record<string, string>>,
): ContainerRecord => ({
  id: spec.id,
  labels: spec.labels,
  attached,
  network: 'host',
  index: 0,
  address,
  ...(spec.expose === undefined ? {} : { expose: spec.expose }),
  bounds: boundsOf(spec),
  hostname: spec.hostname,
  startedAtMs: 0,
  pid: 0,
  paths,
})

/** A plain process and what it started; a number that is another's by now is nobody. */
const familyPlace = (id: string, dir: string): ExecPlace => ({
  id,
  dir,
  membersOf: async (pid, note) => {
    const stamp = await stampOf(pid)
    return stamp !== undefined && stamp === readIfAny(join(note, 'stamp')) ? familyOf(pid) : []
  },
})

/** The command where the container's own processes are, with its bounds. */
const startOf = (
  spec: ExecSpec,
  { paths, bounds = boundsDefault }: ContainerRecord,
  note: string,
): ExecStart => {
  const shim = translate(spec, bounds, paths)
  const argv = spec.merge ? shim.attachedArgv : shim.argv
  const noted = [
    '/bin/sh',
    '-c',
    'echo $$ >"$0.new" && mv "$0.new" "$0" && exec "$@"',
    join(note, 'pid'),
    ...argv,
  ]
  const started = async (pid: number): Promise<void> =>
    writeFile(join(note, 'stamp'), (await stampOf(pid)) ?? '')
  return { argv: noted, cwd: shim.cwd, env: shim.env, raw: false, started }
}
