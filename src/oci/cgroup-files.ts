/**
 * Files of control groups: where the trees are, and how their small texts are read.
 */
import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'

import { isErrno } from './errors.ts'

/** Where every tree is mounted: one for each controller in version 1, the only one in version 2. */
export const groupRoot = '/sys/fs/cgroup'

/** Subdirectories; none where the directory is gone. */
export const directories = async (path: string): Promise<string[]> => {
  try {
    const entries = await readdir(path, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV')) return []
    throw error
  }
}

/** A file of `name value` lines. */
export const fields = (path: string): Map<string, number> =>
  new Map(
    text(path)
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [name = '', value = '0'] = line.split(' ')
        return [name, Number(value)]
      }),
  )

/**
 * A file's text; empty where the group is gone. Read at once: the kernel has it in memory, and a thread to
 * wait for it costs several times as much.
 */
export const text = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP', 'ESRCH')) return ''
    throw error
  }
}
