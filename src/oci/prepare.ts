/**
 * Preparation: makes a container's directory ready for runc: layers, small files, log and `config.json`.
 */
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, readFile, stat, statfs, writeFile } from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'

import { gatewayOf, type Identity, type Range } from './addresses.ts'
import { bundleConfig, overlayOptions, type BundleInput, type MountedLayer } from './bundle.ts'
import type { Cgroups } from './cgroup.ts'
import { command } from './command.ts'
import type { ContainerSpec, Layer } from './driver.ts'
import { isErrno, OciError } from './errors.ts'
import type { Mounts } from './launcher.ts'
import { createLog } from './log-file.ts'
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
  hook: readonly string[] | undefined
  merge: boolean
  /** File systems (`st_dev`) that refused an id-mapped mount. */
  refused: ReadonlySet<number>
}

/** Mounts that the launcher has to make before runc runs, and the file systems of the layers. */
export type Prepared = { mounts: Mounts; devices: readonly number[] }

const overlayMagic = 0x794c7630

/** Writes everything and gives the mounts left to make. May be called again with more in `refused`. */
export const prepare = async (input: Preparation): Promise<Prepared> => {
  const { dir, spec } = input
  await Promise.all(['exit', 'persist', 'files'].map((name) => mkdir(join(dir, name), { recursive: true })))
  if (!existsSync(join(dir, 'log'))) await createLog(dir)
  const [root, layers, binds] = await Promise.all([
    prepareRoot(input),
    Promise.all(spec.layers.map((layer, n) => prepareLayer(input, layer, n))),
    prepareFiles(input),
  ])
  const { cgroups } = input
  const bundle: BundleInput = {
    spec,
    uid: input.identity.uid,
    root: root?.target ?? spec.root,
    layers: layers.map(({ mounted }) => mounted),
    binds,
    init: input.init,
    cgroupsPath: input.cgroupsPath,
    cgroups:
      cgroups.version === 2 ? { version: 2 } : { version: 1, binds: await cgroups.binds(input.cgroupsPath) },
    swapAccounting: cgroups.swapAccounting,
    overlayVolatile: overlayVolatile(),
    networkHook: input.hook,
  }
  await writeFile(join(dir, 'config.json'), JSON.stringify(bundleConfig(bundle, input.merge)), {
    mode: 0o600,
  })
  return {
    mounts: {
      ...(root ? { root } : {}),
      layers: layers.flatMap(({ mount }) => (mount ? [mount] : [])),
    },
    devices: layers.map(({ device }) => device),
  }
}

/**
 * The shared root file system beneath a throw-away layer: runc makes mount points, and shall not make them
 * there.
 */
const prepareRoot = async ({ dir, spec }: Preparation): Promise<Mounts['root']> => {
  if (!(await overlayWorks(dir))) return undefined
  const [target, upper, work] = [join(dir, 'root'), join(dir, 'root.upper'), join(dir, 'root.work')]
  await Promise.all([target, upper, work].map((path) => mkdir(path, { recursive: true, mode: 0o755 })))
  return { target, options: overlayOptions(spec.root, upper, work, overlayVolatile()).join(',') }
}

const overlayVolatile = (): boolean => kernelAtLeast(5, 10)

type PreparedLayer = {
  mounted: MountedLayer
  mount: { source: string; target: string } | undefined
  device: number
}

const prepareLayer = async (input: Preparation, layer: Layer, n: number): Promise<PreparedLayer> => {
  const { dir, identity } = input
  const device = await deviceOf(layer.source)
  const mapped = join(dir, 'layers', String(n))
  if (input.refused.has(device)) return { ...(await unmapped(input, layer, n)), device }
  await mkdir(mapped, { recursive: true })
  const mount = { source: layer.source, target: mapped }
  if (layer.mode !== 'overlay') return { mounted: { ...layer, source: mapped }, mount, device }
  if (!(await overlayWorks(dir))) return { ...(await unmapped(input, layer, n)), device }
  const upper = join(dir, 'upper', String(n))
  const work = join(dir, 'work', String(n))
  await Promise.all([upper, work].map((path) => mkdir(path, { recursive: true })))
  await chown(upper, identity.uid, identity.uid)
  await chmod(upper, 0o755)
  return { mounted: { ...layer, source: mapped, upper, work }, mount, device }
}

/**
 * Without id-mapped mounts or overlayfs: a private copy, and a change of owner where the container may write.
 */
const unmapped = async (
  { dir, identity }: Preparation,
  layer: Layer,
  n: number,
): Promise<Omit<PreparedLayer, 'device'>> => {
  const owner = `${identity.uid}:${identity.uid}`
  if (layer.mode === 'ro') return { mounted: layer, mount: undefined }
  const copy = join(dir, 'copy', String(n))
  const source = layer.mode === 'overlay' ? copy : layer.source
  if (layer.mode === 'overlay') {
    await mkdir(copy, { recursive: true })
    await command(['cp', '-a', `${layer.source}/.`, copy])
  }
  await command(['chown', '-R', owner, source])
  return { mounted: { ...layer, source, mode: 'rw' }, mount: undefined }
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
const overlayWorks = async (dir: string): Promise<boolean> => {
  if (readIfAny('/proc/filesystems')?.includes('\toverlay\n') !== true) {
    try {
      await command(['modprobe', 'overlay'])
    } catch (error) {
      if (error instanceof OciError) return false
      throw error
    }
  }
  return (await statfs(dir)).type !== overlayMagic
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
  const files = [
    { target: '/etc/hosts', text: `127.0.0.1 localhost\n::1 localhost\n${address} ${spec.hostname}\n` },
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
