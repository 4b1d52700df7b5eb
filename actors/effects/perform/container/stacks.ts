/**
 * Stacks as containers use them: names under one folder that lead to versions of root file systems
 * (scripts/stack makes them, and turns the names). What starts takes the version that its name leads to then,
 * and keeps it.
 */
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { EffectFailed } from '../../../../src/ports/effects.ts'

/** The label of a container that says what it runs on, for whoever takes versions away. */
export const rootLabel = 'root'

/** @throws EffectFailed `stack_missing` */
export const newestRoot = (folder: string, stack: string): string => {
  try {
    return realpathSync(join(folder, stack))
  } catch (error) {
    const text = `This host has no stack ${stack}: run manifold stacks:build ${stack} there`
    throw new EffectFailed('stack_missing', text, { cause: error })
  }
}
