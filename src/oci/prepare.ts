/**
 * Preparation: makes a container's directory ready for runc: layers, small files, log and `config.json`.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, stat, statfs, writeFile } from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'

import { gatewayOf, type Identity, type Range } from './addresses.ts'
import { bundleConfig, overlayOptions, type BundleInput, type MountedLayer } from './bundle.ts'
import { memoryFile } from './cgroup-bounds.ts'
import type { Cgroups } from './cgroup.ts'
import { command } from './command.ts'
import type { Disks } from './disk.ts'
import type { ContainerSpec, Layer } from './driver.ts'
import { isErrno, OciError } from './errors.ts'
import type { Disk, Folder, Mounts, Wire } from './launcher.ts'
import { createLog } from './log-file.ts'
import { memoryBounds } from './machine.ts'
import { resolverText } from './network.ts'
import { readIfAny } from './record.ts'

export type Preparation = {
  dir: string
  spec: ContainerSpec
  identity: Identity
  range: Range
  init: string
  cgroupsPath: string
  cgroups: Cgroups
  disks: Disks
  wire: Wire | undefined
  merge: boolean
  /** File systems (`st_dev`) that refused an id-mapped mount. */
  refused: ReadonlySet<number>
}

/** What the launcher has to make before runc runs, and the file systems of the layers. */
export type Prepared = { disk: Disk | undefined; mounts: Mounts; devices: readonly number[] }

const overlayMagic = 0x794c7630

/** Writes everything and gives the mounts left to make. May be called again with more in `refused`. */
export const prepare = async (input: Preparation): Promise<Prepared> => {
  const { dir, spec, cgroups } = input
  await furnish(dir)
  const disk = await input.disks.of(dir, spec.limits.diskBytes)
  const place: Place = {
    ...input,
    disk,
    writable: disk?.target ?? dir,
    overlay: await overlayWorks(dir, disk),
  }
  const [root, layers, binds] = await Promise.all([
    prepareRoot(place),
    Promise.all(spec.layers.map((layer, n) => prepareLayer(place, layer, n))),
    prepareFiles(input),
  ])
  const { uid } = input.identity
  const told = await tellMemory(input)
  const tmp = disk ? join(disk.target, 'tmp') : undefined
  const bundle: BundleInput = {
    spec,
    uid,
    root: root.mount?.target ?? spec.root,
    layers: layers.map(({ mounted }) => mounted),
    tmp,
    binds,
    init: input.init,
    cgroupsPath: input.cgroupsPath,
    cgroups: { version: cgroups.version, binds: await cgroups.binds(input.cgroupsPath, told) },
    memory: memoryBounds(spec.limits, await cgroups.swap()),
    overlayVolatile: overlayVolatile(),
    networkName: input.wire?.name,
  }
  await writeFile(join(dir, 'config.json'), JSON.stringify(bundleConfig(bundle, input.merge)), {
    mode: 0o600,
  })
  return {
    disk,
    mounts: {
      folders: [
        ...root.folders,
        ...layers.flatMap(({ folders }) => folders),
        ...(tmp ? [{ path: tmp, mode: '1777', owner: uid }] : []),
      ],
      ...(root.mount ? { root: root.mount } : {}),
      layers: layers.flatMap(({ map }) => (map ? [map] : [])),
      copies: layers.flatMap(({ copy }) => (copy ? [copy] : [])),
    },
    devices: layers.flatMap(({ device }) => device ?? []),
  }
}

/** What is in every container's directory, whatever runs in it. Does nothing where it is there. */
export const furnish = async (dir: string): Promise<void> => {
  await Promise.all(['exit', 'persist', 'files'].map((name) => mkdir(join(dir, name), { recursive: true })))
  if (!existsSync(join(dir, 'log'))) await createLog(dir)
}

/** Where what the container writes goes: to its disk, else beside its record. */
type Place = Preparation & { disk: Disk | undefined; writable: string; overlay: boolean }

/**
 * The shared root file system beneath a throw-away layer: runc makes mount points, and shall not make them
 * there.
 */
const prepareRoot = async ({
  dir,
  spec,
  writable,
  overlay,
}: Place): Promise<{ mount?: NonNullable<Mounts['root']>; folders: Folder[] }> => {
  if (!overlay) return { folders: [] }
  const target = join(dir, 'root')
  await mkdir(target, { recursive: true, mode: 0o755 })
  const [upper, work] = [join(writable, 'root.upper'), join(writable, 'root.work')]
  return {
    mount: { target, options: overlayOptions(spec.root, upper, work, overlayVolatile()).join(',') },
    folders: [upper, work].map((path) => ({ path, mode: '755', owner: 0 })),
  }
}

const overlayVolatile = (): boolean => kernelAtLeast(5, 10)

type PreparedLayer = {
  mounted: MountedLayer
  /** Undefined: not to be mapped. */
  device?: number
  folders: Folder[]
  map?: { source: string; target: string }
  copy?: { source: string; target: string }
}

const prepareLayer = async (place: Place, layer: Layer, n: number): Promise<PreparedLayer> => {
  const { dir, identity, writable } = place
  const device = await deviceOf(layer.source)
  if (layer.mode === 'machine') return { mounted: layer, folders: [] }
  if (place.refused.has(device) || (layer.mode === 'overlay' && !place.overlay))
    return { ...(await unmapped(place, layer, n)), device }
  const target = join(dir, 'layers', String(n))
  await mkdir(target, { recursive: true })
  const map = { source: layer.source, target }
  if (layer.mode !== 'overlay') return { mounted: { ...layer, source: target }, map, device, folders: [] }
  const [upper, work] = [join(writable, `upper.${n}`), join(writable, `work.${n}`)]
  const folders = [
    { path: upper, mode: '755', owner: identity.uid },
    { path: work, mode: '755', owner: 0 },
  ]
  return { mounted: { ...layer, source: target, upper, work }, map, device, folders }
}

/**
 * Without id-mapped mounts or overlayfs: a private copy, and a change of owner where the container may write.
 */
const unmapped = async (
  { identity, writable }: Place,
  layer: Layer,
  n: number,
): Promise<Omit<PreparedLayer, 'device'>> => {
  const { source } = layer
  if (layer.mode === 'ro') return { mounted: layer, folders: [] }
  if (layer.mode === 'rw') {
    await command(['chown', '-R', `${identity.uid}:${identity.uid}`, source])
    return { mounted: layer, folders: [] }
  }
  const target = join(writable, `copy.${n}`)
  return {
    mounted: { ...layer, source: target, mode: 'rw' },
    folders: [{ path: target, mode: '755', owner: identity.uid }],
    copy: { source, target },
  }
}

/** A directory with what the container reads of its memory. */
const tellMemory = async ({ dir, spec }: Preparation): Promise<string> => {
  const told = join(dir, 'files/memory')
  await mkdir(told, { recursive: true, mode: 0o755 })
  await writeFile(join(told, memoryFile), `${spec.limits.memoryBytes}\n`, { mode: 0o444 })
  return told
}

const deviceOf = async (path: string): Promise<number> => {
  try {
    return (await stat(path)).dev
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) throw new OciError('OCI_SPEC', `no layer ${path}`, { cause })
    throw cause
  }
}

/** overlayfs cannot put its upper directory on another overlayfs, as it is inside most containers. */
const overlayWorks = async (dir: string, disk: Disk | undefined): Promise<boolean> => {
  if (readIfAny('/proc/filesystems')?.includes('\toverlay\n') !== true) {
    try {
      await command(['modprobe', 'overlay'])
    } catch (error) {
      if (error instanceof OciError) return false
      throw error
    }
  }
  return disk !== undefined || (await statfs(dir)).type !== overlayMagic
}

const kernelAtLeast = (major: number, minor: number): boolean => {
  const [a = 0, b = 0] = release().split('.').map(Number)
  return a > major || (a === major && b >= minor)
}

/**
 * The specification's files and the ones every program expects to find true: hosts, resolver, its own user.
 */
const prepareFiles = async (input: Preparation): Promise<{ source: string; target: string }[]> => {
  const { dir, spec, identity } = input
  const own = spec.network === 'own'
  const address = own ? identity.address : '127.0.1.1'
  const resolver = own
    ? await resolverText(gatewayOf(input.range))
    : await readFile('/etc/resolv.conf', 'utf8')
  const { uid } = identity
  const home = spec.env['HOME'] ?? '/'
  const passwd = `u${uid}:x:${uid}:${uid}::${home}:/bin/bash\n`
  const named = Object.entries(spec.hosts ?? {}).map(([name, at]) => `${at} ${name}\n`)
  const hosts = `127.0.0.1 localhost\n::1 localhost\n${address} ${spec.hostname}\n${named.join('')}`
  const files = [
    { target: '/etc/hosts', text: hosts },
    { target: '/etc/hostname', text: `${spec.hostname}\n` },
    { target: '/etc/resolv.conf', text: resolver },
    { target: '/etc/passwd', text: (readIfAny(join(spec.root, 'etc/passwd')) ?? '') + passwd },
    { target: '/etc/group', text: `${readIfAny(join(spec.root, 'etc/group')) ?? ''}u${uid}:x:${uid}:\n` },
    ...(spec.files ?? []),
  ]
  return Promise.all(
    files.map(async ({ target, text }, n) => {
      const source = join(dir, 'files', String(n))
      await writeFile(source, text, { mode: 0o444 })
      return { source, target }
    }),
  )
}
