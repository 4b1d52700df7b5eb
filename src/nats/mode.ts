/**
 * What kind of server a host runs, as one file that is replaced as a whole: whoever starts the host next does
 * what the file says, wherever the last one was interrupted.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Access, Login, Logins } from './config.ts'
import { readText, replaceText } from './server-home.ts'

/** One server as the others reach it. */
export type ServerPlace = {
  /** Of its host. */
  readonly name: string
  /** `address:port` of its routes. */
  readonly route: string
}

/** A set of servers that was filled together, and what its servers share. */
export type Generation = {
  /** Names its folder; letters, digits, `-` and `_`. */
  readonly id: string
  /** Of the cluster, the same for all its servers. */
  readonly name: string
  readonly servers: readonly ServerPlace[]
  readonly routeLogin: Login
  readonly logins: Logins
}

/**
 * - `none`: it runs no server.
 * - `alone`: the only server.
 * - `prepared`: one of several that are being filled; nobody but `grower` may use it.
 * - `clustered`: one of several. `unopened`: the others that have not yet been told that it is so.
 */
export type Mode =
  | { readonly kind: 'none' }
  | { readonly kind: 'alone'; readonly access: Access }
  | { readonly kind: 'prepared'; readonly generation: Generation; readonly grower: Login }
  | {
      readonly kind: 'clustered'
      readonly access: Access
      readonly generation: Generation
      readonly unopened: readonly string[]
    }

const file = (home: string): string => join(home, 'mode.json')
const folderPrefix = 'cluster-'

/** @returns undefined before the first start */
export const readMode = (home: string): Mode | undefined => {
  const text = readText(file(home))
  return text === undefined ? undefined : (JSON.parse(text) as Mode)
}

export const writeMode = (home: string, mode: Mode): void => {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  replaceText(file(home), JSON.stringify(mode))
}

/** Folder of a generation's server. */
export const folderOf = (home: string, id: string): string => join(home, folderPrefix + id)

/** Ids of generations that have a folder. */
export const idsOf = (names: readonly string[]): readonly string[] =>
  names.filter((name) => name.startsWith(folderPrefix)).map((name) => name.slice(folderPrefix.length))

/** For good: what was stored there is elsewhere, or nobody's. */
export const removeFolder = (folder: string): void => {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
