/**
 * Files of control groups: where the trees are, and how their small texts are read.
 */
import { readdir, readFile } from 'node:fs/promises'

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
export const fields = async (path: string): Promise<Map<string, number>> =>
  new Map(
    (await text(path))
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [name = '', value = '0'] = line.split(' ')
        return [name, Number(value)]
      }),
  )

/** A file's text; empty where the group is gone. */
export const text = async (path: string): Promise<string> => {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP', 'ESRCH')) return ''
    throw error
  }
}
