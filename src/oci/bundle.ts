/**
 * Bundle, pure: from a container's specification to the `config.json` that runc reads.
 *
 * The isolation is decided here and nowhere else: own namespaces, an unprivileged user, no capabilities, a
 * read-only root, masked kernel files, bounded memory, tasks, files and disk, and an init that reaps.
 */
import type { ContainerSpec, Layer } from './driver.ts'
import type { MemoryBounds } from './machine.ts'
import { seccomp } from './seccomp.ts'

/**
 * A layer as it is mounted: `source` is what runc sees; an overlay also has its upper and work directories.
 */
export type MountedLayer = Layer & { upper?: string; work?: string }

/** What the driver has settled about one container before its bundle is written. */
export type BundleInput = {
  spec: ContainerSpec
  uid: number
  /** Where the root file system is mounted or lies; runc makes missing mount points in it. */
  root: string
  layers: readonly MountedLayer[]
  /** The directory of its disk that is its /tmp; without a disk, memory is. */
  tmp: string | undefined
  /** Host files shown inside read-only, such as /etc/hosts. */
  binds: readonly { source: string; target: string }[]
  /** Static init on the host, bound over `initPath`. */
  init: string
  cgroupsPath: string
  /** What is shown of the container's group: in version 1 its directories, in version 2 the unified tree. */
  cgroups: { version: 1 | 2; binds: readonly { source: string; target: string }[] }
  memory: MemoryBounds
  overlayVolatile: boolean
  /** The file under which its network namespace is found; undefined: the host's own. */
  networkName: string | undefined
}

/** In the private /dev, so that no file of the shared root file system has to exist for it. */
export const initPath = '/dev/init'

/** Runs the arguments that follow with stderr down stdout's own pipe. */
export const mergedOutput = ['/bin/sh', '-c', 'exec "$0" "$@" 2>&1']

const maskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kallsyms',
  '/proc/kcore',
  '/proc/keys',
  '/proc/key-users',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
]

const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/**
 * The runtime configuration. `merge` sends stderr down stdout's own pipe, so that the order written is kept.
 */
export const bundleConfig = (input: BundleInput, merge: boolean): object => {
  const { spec, uid } = input
  const argv = merge ? [...mergedOutput, ...spec.argv] : spec.argv
  return {
    ociVersion: '1.0.2',
    hostname: spec.hostname,
    root: { path: input.root, readonly: true },
    process: {
      terminal: spec.terminal !== undefined,
      ...(spec.terminal ? { consoleSize: { height: spec.terminal.rows, width: spec.terminal.columns } } : {}),
      user: { uid, gid: uid, umask: 0o022 },
      args: [initPath, '--', ...argv],
      env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
      cwd: spec.cwd,
      capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
      rlimits: [
        rlimit('RLIMIT_NOFILE', spec.limits.openFilesMax),
        // Per user id, and each container has its own: `ulimit -u` inside tells the true bound.
        rlimit('RLIMIT_NPROC', spec.limits.pidsMax),
        // Nothing is written, and a program of the host that takes dumps is not run: for that 0 is no bound.
        rlimit('RLIMIT_CORE', 1),
      ],
      noNewPrivileges: true,
      // The kernel takes a container before anything of the host when memory runs out.
      oomScoreAdj: 500,
    },
    mounts: mounts(input),
    linux: {
      cgroupsPath: input.cgroupsPath,
      namespaces: namespaces(input),
      resources: resources(input),
      ...(spec.hosts && spec.network === 'own' ? { sysctl: lowPorts } : {}),
      maskedPaths,
      readonlyPaths,
      seccomp,
    },
  }
}

/** Of its own network alone: there is nobody to be taken for another there. */
const lowPorts = { 'net.ipv4.ip_unprivileged_port_start': '0' }

const rlimit = (type: string, value: number): object => ({ type, hard: value, soft: value })

const namespaces = ({ networkName }: BundleInput): object[] => [
  ...['pid', 'mount', 'ipc', 'uts', 'cgroup'].map((type) => ({ type })),
  // Named also where it exists already: runc lets later processes of the container join what is named here.
  ...(networkName === undefined ? [] : [{ type: 'network', path: networkName }]),
]

const resources = ({ spec, memory }: BundleInput): object => ({
  devices: [{ allow: false, access: 'rwm' }],
  memory: {
    limit: memory.memoryBytes,
    ...(memory.memoryAndSwapBytes === undefined ? {} : { swap: memory.memoryAndSwapBytes }),
  },
  cpu: { shares: spec.limits.cpuShares },
  pids: { limit: spec.limits.pidsMax },
})

type Mount = { destination: string; type: string; source: string; options: string[] }

const mounts = (input: BundleInput): Mount[] => [
  mount('/proc', 'proc', 'proc', ['nosuid', 'noexec', 'nodev']),
  mount('/dev', 'tmpfs', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
  mount('/dev/pts', 'devpts', 'devpts', ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620']),
  mount('/dev/shm', 'tmpfs', 'shm', ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k']),
  mount('/sys', 'sysfs', 'sysfs', ['nosuid', 'noexec', 'nodev', 'ro']),
  ...cgroupMounts(input.cgroups),
  tmpMount(input),
  ...input.layers.map((layer) => layerMount(layer, input.overlayVolatile)),
  ...[{ source: input.init, target: initPath }, ...input.binds].map((file) =>
    mount(file.target, 'bind', file.source, ['bind', 'ro', 'nosuid', 'nodev']),
  ),
]

const tmpMount = ({ spec, uid, tmp }: BundleInput): Mount => {
  const owned = ['mode=1777', `size=${spec.limits.diskBytes}`, `uid=${uid}`, `gid=${uid}`]
  return tmp === undefined
    ? mount('/tmp', 'tmpfs', 'tmpfs', ['nosuid', 'nodev', ...owned])
    : mount('/tmp', 'bind', tmp, ['bind', 'rw', 'nosuid', 'nodev'])
}

const mount = (destination: string, type: string, source: string, options: string[]): Mount => ({
  destination,
  type,
  source,
  options,
})

/**
 * A program reads its own limits there; on a hybrid host runc's own cgroup mount fails, so v1 is made of
 * binds.
 */
const cgroupMounts = ({ version, binds }: BundleInput['cgroups']): Mount[] => [
  version === 2
    ? mount('/sys/fs/cgroup', 'cgroup', 'cgroup', ['ro', 'nosuid', 'noexec', 'nodev', 'relatime'])
    : mount('/sys/fs/cgroup', 'tmpfs', 'tmpfs', ['nosuid', 'noexec', 'nodev', 'mode=755', 'size=64k']),
  ...binds.map(({ source, target }) =>
    mount(target, 'bind', source, ['bind', 'ro', 'nosuid', 'noexec', 'nodev']),
  ),
]

const layerMount = (layer: MountedLayer, volatile: boolean): Mount => {
  if (layer.mode !== 'overlay' || layer.upper === undefined || layer.work === undefined) {
    const write = layer.mode === 'ro' || layer.mode === 'machine' ? 'ro' : 'rw'
    return mount(layer.target, 'bind', layer.source, ['bind', write, 'nosuid', 'nodev'])
  }
  const options = overlayOptions(layer.source, layer.upper, layer.work, volatile)
  return mount(layer.target, 'overlay', 'overlay', [...options, 'nosuid', 'nodev'])
}

/** `volatile` spares the sync of a disk that is thrown away at stop anyway. */
export const overlayOptions = (lower: string, upper: string, work: string, volatile: boolean): string[] => [
  `lowerdir=${escapeOverlay(lower)}`,
  `upperdir=${escapeOverlay(upper)}`,
  `workdir=${escapeOverlay(work)}`,
  ...(volatile ? ['volatile'] : []),
]

/** The kernel splits overlay options at commas and lower directories at colons. */
const escapeOverlay = (path: string): string => path.replace(/[\\:,]/g, '\\$&')
