/**
 * What a state directory's containers still have of the machine: files, mounts, loop devices, control groups
 * and the processes in them, interfaces, runc's own state. A namespace lives as long as a process or a mount.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { homeHash, vethPrefix } from '../../src/oci/addresses.ts'
import { mountsBelow } from './containers.ts'

const groupRoot = '/sys/fs/cgroup'

/** Names of all of it; two of them differ when something was left. */
export const leftovers = (stateDir: string): string[] => {
  const hash = homeHash(stateDir)
  const name = `manifold_${hash}`
  const trees = [groupRoot, ...readdirSync(groupRoot).map((tree) => join(groupRoot, tree))]
  const shared = trees.map((tree) => join(tree, name)).filter((path) => existsSync(path))
  return [
    ...readdirSync(stateDir),
    ...mountsBelow(stateDir),
    ...loopsOf(stateDir),
    ...shared.flatMap((path) => readdirSync(path).filter((each) => statSync(join(path, each)).isDirectory())),
    ...processesOf(name),
    ...readdirSync('/sys/class/net').filter((each) => each.startsWith(vethPrefix(hash))),
    ...readdirSync(`/run/${name}`),
  ]
}

const loopsOf = (stateDir: string): string[] =>
  readdirSync('/sys/block')
    .map((device) => read(`/sys/block/${device}/loop/backing_file`).trim())
    .filter((file) => file.startsWith(stateDir))

/** The groups in which there are any. Of a group that is gone there are none but the dead. */
const processesOf = (name: string): string[] => {
  const groups = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => read(`/proc/${pid}/cgroup`).split('\n'))
    .map((line) => line.split(':')[2] ?? '')
    .filter((path) => path.startsWith(`/${name}`) && !path.endsWith(' (deleted)'))
  return [...new Set(groups)].map((path) => `process of ${path}`).toSorted()
}

/** Gone meanwhile, or not of that kind. */
const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
