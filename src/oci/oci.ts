/**
 * The `oci` driver: containers by runc under conmon, as root. What it holds of a container is on disk and in
 * the kernel; this object can be dropped at any time and opened again on the same state directory.
 */
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { join } from 'node:path'

import { openAdmitted } from './admitted.ts'
import { openAlive } from './alive.ts'
import { homeHash, indexOfPort, outerPortOf, type Identity } from './addresses.ts'
import { openBoxes, type Box, type Ready } from './boxes.ts'
import { openCgroups } from './cgroup.ts'
import { openDisks } from './disk.ts'
import type { Attached, ContainerSpec, Driver, Exit, Found, Outer, Started } from './driver.ts'
import { asStartError, isErrno, OciError } from './errors.ts'
import { execPlace, openExecs, runcExec } from './exec.ts'
import { exitCode, exitOf, openExits } from './exit.ts'
import { openLeases } from './lease.ts'
import { openGroups } from './groups.ts'
import { followLog } from './log-file.ts'
import { findNetwork, openNetwork } from './network.ts'
import type { Hull } from './launcher.ts'
import { furnish, prepare, type Preparation } from './prepare.ts'
import { checkId, namesIn, openRecords, unlessRemoved, type ContainerRecord } from './record.ts'
import {
  deleteContainer,
  MountRefused,
  startAttached,
  startDetached,
  type Launch,
  type Runc,
} from './runc.ts'
import { killAll } from './signal.ts'
import { checkSpec, newRecord } from './spec.ts'
import { initPath, locate } from './tools.ts'
import { openWays, wayOf } from './ways.ts'

export type OciOptions = {
  /** Containers live in `<stateDir>/<id>/`. Give it to one driver at a time. */
  stateDir: string
  /** Addresses or ranges (CIDR) that no container may reach, beyond this host's own. */
  denied?: readonly string[]
  /** Ports of this host that must lead to no container: what it listens on for others itself. */
  portsKept?: readonly number[]
  /** What to make ahead of detached starts, from the first one on; nothing when left out. */
  ready?: Ready
  now(): number
}

/** Far longer than routers take to hear of an end while they hear of anything. */
const addressRestMs = 600_000

/** Opens the state directory, which is made when missing. Bridge and firewall are made at the first start. */
export const openOciDriver = async (options: OciOptions): Promise<Driver> => {
  await mkdir(options.stateDir, { recursive: true, mode: 0o711 })
  const stateDir = await realpath(options.stateDir)
  const hash = homeHash(stateDir)
  const name = `manifold_${hash}`
  const runc: Runc = { root: `/run/${name}`, runcPath: 'runc', conmonPath: 'conmon' }
  const cgroups = openCgroups()
  const network = openNetwork(hash)
  const ways = openWays(hash)
  const disks = openDisks(stateDir)
  const groups = openGroups(cgroups, name)
  const records = openRecords(stateDir)
  const alive = openAlive(records, groups)
  const leases = await openLeases(stateDir, hash, () => findNetwork(hash), {
    ms: addressRestMs,
    now: () => performance.now(),
  })
  for (const port of options.portsKept ?? []) leases.hold(indexOfPort(port))
  for (const record of await records.all()) {
    leases.hold(record.index)
    const way = wayOf(record)
    if (way) ways.note(way)
  }
  const starting = new Set<string>()
  const removing = new Map<string, Promise<void>>()
  const refused = new Set<number>()
  let ready: Promise<unknown> | undefined
  const admitted = openAdmitted(stateDir)
  const outerOf = (record: ContainerRecord): { outer?: Outer } => admitted.outer(wayOf(record)?.port)

  let denied = options.denied ?? []
  const denyHosts = (): void => {
    const own = admitted.own()
    const hosts = [...admitted.hosts(), ...(own === undefined ? [] : [own])]
    network.deny([...new Set([...denied, ...hosts])].filter((host) => isIPv4(host)))
  }
  denyHosts()
  ways.admit(admitted.hosts())

  const makeReady = async (): Promise<void> => {
    ready ??= Promise.all([
      locate(runc),
      network.ensure(leases.range),
      ways.ensure(),
      groups.ensure(),
      mkdir(runc.root, { recursive: true, mode: 0o700 }),
    ])
    try {
      await ready
    } catch (error) {
      ready = undefined
      throw error
    }
  }

  const wireOf = (dir: string, identity: Identity) => network.wire(join(dir, 'net'), identity, leases.range)

  const hullOf = async (dir: string, identity: Identity, diskBytes: number): Promise<Hull> => {
    await disks.room()
    await furnish(dir)
    return { uid: identity.uid, disk: await disks.of(dir, diskBytes), wire: wireOf(dir, identity) }
  }
  const busy = (): boolean => starting.size > 0
  const boxes = openBoxes({ stateDir, ready: options.ready, hullOf, leases, busy })

  const begin = async <T>(
    spec: ContainerSpec,
    attached: boolean,
    run: (launch: Launch, waiting?: ChildProcess) => Promise<T>,
    pidOf: (result: T) => number,
  ): Promise<{ record: ContainerRecord; result: T }> => {
    checkSpec(spec)
    await disks.room()
    const dir = await records.claim(spec.id)
    starting.add(spec.id)
    let box: Box | undefined
    try {
      await makeReady()
      if (!attached && spec.network === 'own') box = await boxes.take(dir, spec.limits.diskBytes)
      const identity = box?.identity ?? (await leases.next())
      const record = newRecord(spec, identity, attached)
      await records.write(record)
      const way = wayOf(record)
      // Beside the launch, which takes far longer.
      const opening = way && ways.open(way)
      // Judged when the launch is over: a container half made could not be removed.
      opening?.catch(() => undefined)
      const result = await launchMapped(preparation(dir, spec, identity, attached), run, box?.launcher)
      await opening
      const started = { ...record, pid: pidOf(result), startedAtMs: options.now() }
      await records.write(started)
      return { record: started, result }
    } catch (error) {
      box?.launcher.kill('SIGKILL')
      await remove(spec.id)
      throw asStartError(spec.id, error)
    } finally {
      starting.delete(spec.id)
      boxes.fill()
    }
  }

  const preparation = (
    dir: string,
    spec: ContainerSpec,
    identity: Identity,
    attached: boolean,
  ): Preparation => ({
    dir,
    spec,
    identity,
    range: leases.range,
    init: initPath,
    cgroupsPath: groups.of(spec.id),
    cgroups,
    disks,
    wire: spec.network === 'own' ? wireOf(dir, identity) : undefined,
    merge: attached && !spec.terminal,
    refused,
  })

  /** Once more with copies when the file system of a layer knows no id-mapped mounts. */
  const launchMapped = async <T>(
    input: Preparation,
    run: (launch: Launch, waiting?: ChildProcess) => Promise<T>,
    waiting: ChildProcess | undefined,
  ): Promise<T> => {
    const { dir, spec, identity, wire } = input
    const { disk, mounts, devices } = await prepare(input)
    const group = await groups.keeperOf(spec.id, spec.limits.cpuShares)
    const launch = { id: spec.id, dir, hull: { uid: identity.uid, disk, wire }, group, mounts }
    try {
      return await run(launch, waiting)
    } catch (error) {
      if (!(error instanceof MountRefused)) throw error
      for (const device of devices) refused.add(device)
      await network.detach(identity)
      return run({ ...launch, mounts: (await prepare(input)).mounts })
    }
  }

  const start = async (spec: ContainerSpec): Promise<Started> => {
    if (spec.terminal) throw new OciError('OCI_SPEC', `${spec.id}: a terminal needs attach`)
    const { record } = await begin(
      spec,
      false,
      (launch, waiting) => startDetached(runc, launch, waiting),
      (pid) => pid,
    )
    const { id, pid, address, startedAtMs, paths } = record
    return { id, pid, address, ...outerOf(record), startedAtMs, paths }
  }

  const attach = async (spec: ContainerSpec): Promise<Attached> => {
    const { record, result } = await begin(
      spec,
      true,
      (launch) => startAttached(runc, launch, spec.terminal),
      ({ pid }) => pid,
    )
    const { stdin, output, ended } = result
    const { id, address } = record
    const exit = ended.then((code) => settle(id, code))
    return {
      id,
      address,
      ...outerOf(record),
      stdin,
      output,
      exit,
    }
  }

  /** An attached container has no conmon: we keep its exit code ourselves. */
  const settle = async (id: string, code: number | null): Promise<Exit> => {
    const exit = await exitWith(id, code)
    try {
      if (code !== null) await writeFile(join(records.dir(id), 'exit', id), String(code))
    } catch (error) {
      // Removed meanwhile.
      if (!isErrno(error, 'ENOENT')) throw error
    }
    return exit
  }

  const exitWith = async (id: string, code: number | null): Promise<Exit> =>
    exitOf(code, (await cgroups.oomKills(groups.of(id))) > 0)

  const probe = async (id: string): Promise<Exit | undefined> => {
    const record = await records.read(id)
    const dir = records.dir(id)
    if (starting.has(id)) return undefined
    const code = exitCode(dir, id)
    if (code !== undefined) return exitWith(id, code)
    if (record.startedAtMs > 0 && (alive.keeperOf(id) > 0 || alive.has(record.pid, id))) return undefined
    return exitWith(id, exitCode(dir, id) ?? null)
  }

  const keeperOf = async (id: string): Promise<number> => alive.keeperOf(id) || (await records.read(id)).pid
  const exits = openExits((id) => records.dir(id), probe, keeperOf)

  const execs = openExecs()
  const placeOf = (id: string) => execPlace(id, records.dir(id), () => groups.pids(id))

  const exec: Driver['exec'] = async (id, spec) => {
    const { pid } = await records.read(id)
    if (!alive.has(pid, id)) throw new OciError('OCI_ENDED', id)
    return execs.run(placeOf(id), spec, (note) => runcExec(runc, placeOf(id), spec, note))
  }

  const signal = async (id: string, name: NodeJS.Signals, whom: 'init' | 'all'): Promise<void> => {
    const { pid } = await records.read(id)
    if (!alive.has(pid, id)) return
    // The kernel takes a pid namespace down with its first process.
    if (whom === 'init' || name === 'SIGKILL') killAll([pid], name)
    else await alive.signalEach(id, name, pid)
  }

  const found = async (record: ContainerRecord): Promise<Found> => {
    const { id, labels, pid, address, startedAtMs, attached } = record
    const exit = await probe(id)
    const base = { id, labels, pid, address, ...outerOf(record), startedAtMs, attached }
    return exit ? { ...base, state: 'exited', exit } : { ...base, state: 'running' }
  }

  const list = async (): Promise<Found[]> => {
    const all = await records.all()
    const seen = await Promise.all(all.map((record) => unlessRemoved(found(record))))
    return seen.filter((each) => each !== undefined)
  }

  const remove = (id: string): Promise<void> => {
    checkId(id)
    const running = removing.get(id) ?? removeNow(id).finally(() => removing.delete(id))
    removing.set(id, running)
    return running
  }

  const removeNow = async (id: string): Promise<void> => {
    const dir = records.dir(id)
    if (!existsSync(dir)) return
    const record = await unlessRemoved(records.read(id))
    // First of all, and long before the port may be given again.
    if (record) await ways.shut(outerPortOf(record.index))
    await deleteContainer(runc, id)
    await alive.endKeeper(id)
    if (record?.network === 'own')
      await network[record.startedAtMs > 0 ? 'left' : 'detach'](leases.of(record.index))
    await groups.remove(id)
    await records.forget(id)
    if (record) leases.free(record.index)
  }

  const sweep = async (): Promise<{ removed: string[] }> => {
    const removed: string[] = []
    for (const id of await records.broken()) {
      if (starting.has(id)) continue
      await remove(id)
      removed.push(id)
    }
    const all = await records.all()
    await Promise.all(all.map(({ id }) => execs.sweep(placeOf(id))))
    const known = new Set([...all.map(({ id }) => id), ...starting])
    for (const id of [...(await namesIn(runc.root)), ...(await groups.ids())]) {
      if (known.has(id) || starting.has(id) || existsSync(join(stateDir, id))) continue
      await groups.kill(id)
      await deleteContainer(runc, id)
      await groups.remove(id)
      removed.push(id)
    }
    await boxes.sweep()
    const identities = [...(await records.all()).map(({ index }) => leases.of(index)), ...boxes.identities()]
    const owned = new Set(identities.map(({ veth }) => veth))
    for (const veth of starting.size === 0 ? await network.interfaces() : []) {
      if (owned.has(veth)) continue
      await network.detachNamed(veth)
      removed.push(veth)
    }
    // Somebody may have flushed the firewall under running containers.
    if (ready || all.some((each) => each.network === 'own'))
      await Promise.all([network.ensure(leases.range), ways.ensure()])
    return { removed: [...new Set(removed)] }
  }

  /** The first start makes bridge and firewall; from then on they are in use. */
  const isUsed = async (): Promise<boolean> =>
    ready !== undefined || (await records.all()).some((each) => each.network === 'own')

  const admit = async (hosts: readonly string[], address: string): Promise<void> => {
    if (!(await admitted.set(hosts, address))) return
    denyHosts()
    ways.admit(admitted.hosts())
    if (await isUsed()) await Promise.all([network.ensure(leases.range), ways.ensure()])
  }
  const deny = async (addresses: readonly string[]): Promise<void> => {
    denied = addresses
    denyHosts()
    if (await isUsed()) await network.ensure(leases.range)
  }

  return {
    kind: 'oci',
    start,
    attach,
    exec,
    admit,
    deny,
    list,
    wait: (id) => exits.wait(id),
    signal,
    stats: async (id) => {
      await records.read(id)
      const used = stat(join(records.dir(id), 'disk.img')).then(({ blocks }) => blocks * 512)
      const [counted, diskBytes] = await Promise.all([cgroups.use(groups.of(id)), used.catch(() => 0)])
      return { ...counted, diskBytes }
    },
    gaps: async () => {
      const [lack, gaps] = await Promise.all([disks.lack(), groups.ensure()])
      return [...(lack === undefined ? [] : [`what a dyno writes is not bounded: ${lack}`]), ...gaps]
    },
    remove,
    follow: (id, from, onBatch) => followLog(records.dir(id), from, exits.wait(id), onBatch),
    sweep,
    close: () => {
      exits.close()
      boxes.close()
    },
    teardown: async () => {
      if (starting.size > 0 || (await list()).length > 0) throw new OciError('OCI_BUSY', stateDir)
      await boxes.empty()
      ready = undefined
      await Promise.all([network.teardown(), ways.teardown()])
      await groups.teardown()
      await disks.teardown()
      await rm(runc.root, { recursive: true, force: true })
    },
  }
}
