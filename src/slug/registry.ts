/**
 * Buildpacks that are known by a short name (`heroku/nodejs`): those that ship with the platform, and the
 * registry, a folder that the operator fills. In it `<namespace>/<name>` is a folder with the buildpack,
 * `<namespace>/<name>.tgz` an archive of it, `<namespace>/<name>.url` a text file with the address of a git
 * repository or an archive. What is in the registry goes before what ships by the same name.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAddress, type BuildpackSource } from './buildpack.ts'

export type NamedBuildpack = {
  readonly name: string
  readonly source: BuildpackSource
  /** The first line of its README that is text; `''` when it has none here. */
  readonly about: string
  readonly readme: string
  readonly changedAtMs: number
}

export type Registry = {
  /** In alphabetical order, a thousand at most. */
  readonly list: () => Promise<readonly NamedBuildpack[]>
  readonly find: (name: string) => Promise<NamedBuildpack | undefined>
}

const namesMax = 1000
const namePattern = /^[a-z0-9][a-z0-9_-]{0,99}\/[a-z0-9][a-z0-9_-]{0,99}$/i
const suffixes = /\.(tgz|url)$/

/**
 * @param folder absolute; need not exist
 * @param builtins directories by name
 */
export const openRegistry = (folder: string, builtins: Readonly<Record<string, string>>): Registry => {
  const find = async (name: string): Promise<NamedBuildpack | undefined> => {
    if (!namePattern.test(name)) return undefined
    const path = join(folder, name)
    if (await isThere(join(path, 'bin/detect'))) return inFolder(name, path)
    if (await isThere(`${path}.tgz`)) return at(name, `${path}.tgz`, { kind: 'file', path: `${path}.tgz` })
    const address = parseAddress((await textOf(`${path}.url`)).trim())
    if (address !== undefined) return at(name, `${path}.url`, address)
    const dir = Object.hasOwn(builtins, name) ? builtins[name] : undefined
    return dir === undefined ? undefined : inFolder(name, dir)
  }
  return {
    find,
    async list() {
      const names = new Set(Object.keys(builtins))
      for (const space of await namesIn(folder))
        for (const name of await namesIn(join(folder, space)))
          names.add(`${space}/${name.replace(suffixes, '')}`)
      const found: NamedBuildpack[] = []
      for (const name of [...names].toSorted().slice(0, namesMax)) {
        const buildpack = await find(name)
        if (buildpack !== undefined) found.push(buildpack)
      }
      return found
    },
  }
}

const at = async (
  name: string,
  path: string,
  source: BuildpackSource,
  readme = '',
): Promise<NamedBuildpack> => {
  const about = readme.split('\n').find((line) => /^\w/.test(line)) ?? ''
  return { name, source, about, readme, changedAtMs: Math.trunc((await stat(path)).mtimeMs) }
}

const inFolder = async (name: string, dir: string): Promise<NamedBuildpack> =>
  at(name, dir, { kind: 'folder', dir }, await textOf(join(dir, 'README.md')))

const namesIn = async (dir: string): Promise<string[]> => (await orMissing(readdir(dir))) ?? []
const textOf = async (path: string): Promise<string> => (await orMissing(readFile(path, 'utf8'))) ?? ''
const isThere = async (path: string): Promise<boolean> => (await orMissing(stat(path)))?.isFile() === true

const orMissing = <T>(reading: Promise<T>): Promise<T | undefined> =>
  reading.catch((cause: NodeJS.ErrnoException) => {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(cause.code ?? '')) return undefined
    throw new Error('cannot read the buildpack registry', { cause })
  })
