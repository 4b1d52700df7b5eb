/**
 * Stacks of this host, as its operator sees and makes them: straight in its home, whether the host runs or
 * not. Those of other hosts are made there.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Refused } from './client.ts'
import { table } from './table.ts'

export type StackRow = {
  readonly name: string
  readonly version: string
  /** The names lead to it: what starts next runs on it. */
  readonly current: boolean
  /** Of the same root file systems. */
  readonly also: readonly string[]
}

const project = dirname(import.meta.dirname)
const unfinished = '.new'

/** Every version that is there, by name; newest last. */
export const stackRows = (home: string): readonly StackRow[] => {
  const folder = join(home, 'stacks')
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => !name.startsWith('.') && !name.endsWith('.sha256'))
  const roots = names.flatMap((name) => {
    const path = join(folder, name)
    if (!existsSync(path)) return []
    const target = lstatSync(path).isSymbolicLink() ? readlinkSync(path) : ''
    return [{ name, root: realpathSync(path), isAlias: target !== '' && !target.includes('/') }]
  })
  const rows = roots
    .filter(({ isAlias }) => !isAlias)
    .map(({ name, root }): StackRow => {
      const also = roots.filter((other) => other.isAlias && other.root === root)
      return { name, version: versionOf(root), current: true, also: also.map((other) => other.name) }
    })
  const versions = join(folder, '.versions')
  const old = foldersIn(versions).flatMap((name) =>
    foldersIn(join(versions, name))
      .filter((version) => !version.endsWith(unfinished))
      .filter((version) => !roots.some(({ root }) => root === realpathSync(join(versions, name, version))))
      .map((version): StackRow => ({ name, version, current: false, also: [] })),
  )
  return [...old, ...rows].sort((a, b) =>
    a.name === b.name ? (a.version < b.version ? -1 : 1) : a.name < b.name ? -1 : 1,
  )
}

const foldersIn = (folder: string): readonly string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
    : []

/** What the maker wrote into it; of one from before versions, its folder's name. */
const versionOf = (root: string): string => {
  const file = join(root, 'etc/manifold-stack')
  const said = existsSync(file) ? /^version=(.+)$/m.exec(readFileSync(file, 'utf8')) : null
  return said?.[1] ?? basename(root)
}

export const stacksTable = (rows: readonly StackRow[]): string =>
  table(
    [
      ['NAME', 'VERSION', 'STATE', 'ALSO'],
      ...rows.map(({ name, version, current, also }) => [
        name,
        version,
        current ? 'current' : 'old: goes when nothing runs on it',
        also.join(',') || '-',
      ]),
    ],
    new Set(),
  )

/**
 * Makes a new version in the same home, its progress on standard error. @throws Refused @returns the exit
 * code
 */
export const buildStack = async (name: string): Promise<number> => {
  const child = spawn(join(project, 'scripts/stack'), [name], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [code] = (await once(child, 'close').catch((cause: unknown) => {
    throw new Refused('stack', 'cannot run scripts/stack', { cause })
  })) as [number | null]
  return code ?? 1
}
