/**
 * Stacks as containers use them: names under one folder that lead to versions of root file systems
 * (scripts/stack makes them, and turns the names). What starts takes the version that its name leads to then,
 * and keeps it.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { Layer } from '../../../../src/oci/driver.ts'
import { EffectFailed } from '../../../../src/ports/effects.ts'

/** `root` is absolute; `layers` are what a version shows of this machine (config/stacks/host.sh). */
export type StackRoot = { readonly root: string; readonly layers: readonly Layer[] }

/** The label of a container that says what it runs on, for whoever takes versions away. */
export const rootLabel = 'root'

/** Of a driver whose containers see all of the machine anyway. */
export const wholeMachine: StackRoot = { root: '/', layers: [] }

/** @throws EffectFailed `stack_missing` */
export const newestRoot = (folder: string, stack: string): StackRoot => {
  const name = join(folder, stack)
  if (!existsSync(name)) {
    const text = `This host has no stack ${stack}: run bin/manifold stacks:build ${stack} there`
    throw new EffectFailed('stack_missing', text)
  }
  const root = realpathSync(name)
  return { root, layers: shownBy(root) }
}

const shownBy = (root: string): readonly Layer[] => {
  const file = join(root, 'etc/manifold-shows')
  if (!existsSync(file)) return []
  // What was there when it was made may have gone since, as the machine was upgraded.
  const paths = readFileSync(file, 'utf8')
    .split('\n')
    .filter((path) => path !== '' && existsSync(path))
  return paths.map((path) => ({ source: path, target: path, mode: 'machine' }))
}
