/**
 * What runc is told about a container, and a machine's share for all of them: pure.
 */
import t from 'tap'

import { bundleConfig, type BundleInput } from '../../src/oci/bundle.ts'
import { cpuWeightOf, memoryBounds, shareOf } from '../../src/oci/machine.ts'
import { defaults } from '../kit/containers.ts'

const mb = 2 ** 20
const gb = 2 ** 30

const input: BundleInput = {
  spec: defaults('c1', 'true', '/slug'),
  uid: 100_002,
  root: '/c1/root',
  layers: [{ source: '/c1/layers/0', target: '/app', mode: 'overlay', upper: '/c1/up', work: '/c1/work' }],
  tmp: '/c1/disk/tmp',
  binds: [],
  init: '/init',
  cgroupsPath: '/all/c1',
  cgroups: { version: 1, binds: [] },
  memory: { memoryBytes: 256 * mb, memoryAndSwapBytes: 256 * mb },
  overlayVolatile: true,
  networkName: '/c1/net',
}

type Mount = { destination: string; type: string; source: string; options: string[] }
type Config = {
  mounts: Mount[]
  linux: { resources: { memory: object }; namespaces: { type: string }[] }
}

const configOf = (more: Partial<BundleInput> = {}): Config =>
  bundleConfig({ ...input, ...more }, false) as Config
const mountAt = (config: Config, path: string): Mount | undefined =>
  config.mounts.find(({ destination }) => destination === path)

t.test('memory beyond the quota is swapped where there is swap, and held where there is none', async (t) => {
  const limits = { memoryBytes: 512 * mb, swapBytes: 512 * mb }
  const all = 1024 * mb
  t.same(memoryBounds(limits, { present: true, counted: true }), {
    memoryBytes: 512 * mb,
    memoryAndSwapBytes: all,
  })
  t.same(memoryBounds(limits, { present: false, counted: true }), {
    memoryBytes: all,
    memoryAndSwapBytes: all,
  })
  for (const present of [true, false])
    t.same(memoryBounds(limits, { present, counted: false }), {
      memoryBytes: all,
      memoryAndSwapBytes: undefined,
    })
})

t.test('the bounds on memory are told as runc wants them', async (t) => {
  t.same(configOf().linux.resources.memory, { limit: 256 * mb, swap: 256 * mb })
  const memory = { memoryBytes: 128 * mb, memoryAndSwapBytes: undefined }
  t.same(configOf({ memory }).linux.resources.memory, { limit: 128 * mb })
})

t.test('a container has every namespace but that of users', async (t) => {
  const { namespaces } = configOf().linux
  t.same(namespaces.map(({ type }) => type).toSorted(), ['cgroup', 'ipc', 'mount', 'network', 'pid', 'uts'])
  t.match(namespaces.at(-1), { type: 'network', path: '/c1/net' }, 'that of the network is there already')
  t.equal(configOf({ networkName: undefined }).linux.namespaces.length, 5)
})

t.test('what stands in for files of the group is mounted over it, in either version', async (t) => {
  const file = { source: '/c1/told/memory.limit_in_bytes', target: '/sys/fs/cgroup/memory.max' }
  const config = configOf({ cgroups: { version: 2, binds: [file] } })
  t.match(mountAt(config, '/sys/fs/cgroup'), { type: 'cgroup' })
  t.match(mountAt(config, file.target), { type: 'bind', source: file.source })
  const order = config.mounts.map(({ destination }) => destination)
  t.ok(order.indexOf('/sys/fs/cgroup') < order.indexOf(file.target), 'the group first')
  t.match(mountAt(configOf(), '/sys/fs/cgroup'), { type: 'tmpfs' })
})

t.test('without a disk /tmp is memory of the same size', async (t) => {
  t.match(mountAt(configOf(), '/tmp'), { type: 'bind', source: '/c1/disk/tmp' })
  const tmp = mountAt(configOf({ tmp: undefined }), '/tmp')
  t.equal(tmp?.type, 'tmpfs')
  t.ok(tmp?.options.includes(`size=${16 * mb}`))
})

t.test('every mount that a container writes to has neither devices nor set-user-id', async (t) => {
  const writable = configOf().mounts.filter(({ destination }) => ['/app', '/tmp'].includes(destination))
  t.equal(writable.length, 2)
  for (const { destination, options } of writable)
    t.ok(options.includes('nodev') && options.includes('nosuid'), destination)
})

t.test('all containers together leave the machine a tenth of its memory, and tasks', async (t) => {
  const tasks = { pidMax: 32_768, threadsMax: 190_000 }
  t.same(shareOf({ ...tasks, memoryBytes: 20 * gb }), { memoryBytes: 18 * gb, pids: 26_214 })
  t.equal(shareOf({ ...tasks, memoryBytes: 2 * gb }).memoryBytes, 1.5 * gb, 'at least 512 MB')
  t.equal(shareOf({ ...tasks, memoryBytes: gb }).memoryBytes, 0.75 * gb, 'at most a quarter')
  t.equal(shareOf({ memoryBytes: gb, pidMax: 4_194_304, threadsMax: 7_000 }).pids, 5_600)
})

t.test('weights of one version stand for shares of the other', async (t) => {
  t.same([2, 1_024, 51_200, 262_144].map(cpuWeightOf), [1, 39, 1_953, 10_000])
})
