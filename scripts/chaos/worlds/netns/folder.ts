/**
 * The folder of a lab, and what crashed labs left: their folders and the control groups of their hosts.
 * Everything else of a lab (processes, namespaces, interfaces, mounts) the kernel removes with the harness.
 */
import { mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { homeHash } from '../../../../src/oci/addresses.ts'
import { isAlive, processOf, type ProcessId } from '../../../../src/system/process.ts'

const prefix = 'mf-lab-'
const marker = 'owner.json'
const cgroups = '/sys/fs/cgroup'

/** @returns a new folder; whoever reads the marker knows whose it is */
export const makeFolder = (): string => {
  sweep()
  const folder = mkdtempSync(join(tmpdir(), prefix))
  writeFileSync(join(folder, marker), JSON.stringify(processOf(process.pid)))
  return folder
}

/** Home of a host of the lab; its parent is its user's folder. */
export const homeOf = (folder: string, host: string): string => join(folder, host, 'home')

export const removeFolder = (folder: string): void => {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeControlGroups(homeOf(folder, entry.name))
  rmSync(folder, { recursive: true, force: true })
}

/** Removes what labs of processes that are no more have left. */
const sweep = (): void => {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(prefix))) {
    const folder = join(tmpdir(), name)
    const owner = ownerOf(folder)
    if (owner !== undefined && !isAlive(owner)) removeFolder(folder)
  }
}

const ownerOf = (folder: string): ProcessId | undefined => {
  try {
    return JSON.parse(readFileSync(join(folder, marker), 'utf8')) as ProcessId
  } catch {
    // Just being made, or just being removed: by its owner.
    return undefined
  }
}

/** A machine without power has no control groups; the kernel of the lab's is everybody's and keeps them. */
export const removeControlGroups = (home: string): void => {
  const name = `manifold_${homeHash(join(home, 'containers'))}`
  for (const tree of ['.', ...readdirSync(cgroups)]) removeTree(join(cgroups, tree, name))
}

const removeTree = (group: string): void => {
  try {
    for (const entry of readdirSync(group, { withFileTypes: true }))
      if (entry.isDirectory()) removeTree(join(group, entry.name))
    rmdirSync(group)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
  }
}
