/** Watches of directories, of which the kernel gives a user only so many. */
import { watch, type FSWatcher } from 'node:fs'

import { isErrno } from './errors.ts'

/** Undefined: no watch is left, so look yourself. Throws when there is no directory. */
export const watchIfPossible = (dir: string, onChange: () => void): FSWatcher | undefined => {
  try {
    return watch(dir, onChange)
  } catch (error) {
    if (isErrno(error, 'ENOSPC', 'EMFILE')) return undefined
    throw error
  }
}
