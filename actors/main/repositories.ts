/**
 * The apps' git repositories on this host's disk: working copies of what the object store keeps.
 *
 * Which bundle is the newest is on record under `repository/<app>`, changed by compare-and-set: a push that
 * another host overtook is not acknowledged, and a copy that is older than the record is made again from the
 * bundle before anybody reads it.
 */
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { bundle, createRepository, restore, setHead, tidyRepository } from '../../src/git/repository.ts'
import type { Objects, Store } from '../../src/ports/store.ts'

export type Repositories = {
  /** Does something in the folder of an app's repository, which is as new as its record when it begins. */
  use(appId: string, work: (directory: string) => Promise<unknown>): Promise<void>
  /** Makes what was pushed durable. @throws StoreConflict when another host was faster */
  keep(appId: string, branch: 'main' | 'master' | undefined): Promise<void>
}

export type RepositoriesDeps = {
  readonly folder: string
  readonly objects: Objects
  readonly store: Store
  readonly uuid: () => string
}

/** The record of an app's repository. */
const recordKey = (appId: string): string => `repository/${appId}`
export const bundlePrefix = (appId: string): string => `repository/${appId}/`

const decoder = new TextDecoder()
const encoder = new TextEncoder()

export const openRepositories = async (deps: RepositoriesDeps): Promise<Repositories> => {
  const { folder, objects, store } = deps
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const folderOf = (appId: string): string => join(folder, `${appId}.git`)
  /** Names the bundle that a working copy stands at. */
  const markOf = (appId: string): string => join(folderOf(appId), 'manifold-bundle')
  /** Revision of the record that each open working copy was compared with. */
  const revisions = new Map<string, number>()
  const opening = new Map<string, Promise<string>>()
  const users = new Map<string, number>()

  const open = async (appId: string): Promise<string> => {
    const directory = folderOf(appId)
    const entry = await store.get(recordKey(appId))
    revisions.set(appId, entry?.revision ?? 0)
    if (entry === undefined) {
      if (!existsSync(join(directory, 'HEAD'))) await createRepository(directory)
      return directory
    }
    const newest = decoder.decode(entry.value)
    const mark = await readFile(markOf(appId), 'utf8').catch(() => '')
    if (mark === newest && existsSync(join(directory, 'HEAD'))) return directory
    const copy = await objects.get(newest)
    if (copy === undefined) throw new Error(`the repository's bundle ${newest} is nowhere`)
    const file = join(folder, `${appId}.bundle`)
    await pipeline(copy, createWriteStream(file, { mode: 0o600 }))
    await restore(directory, file)
    await rm(file, { force: true })
    await writeFile(markOf(appId), newest, { mode: 0o600 })
    return directory
  }

  /** Nothing is put in the place of a folder that somebody works in. */
  const openOnce = (appId: string): Promise<string> => {
    if (users.has(appId)) return Promise.resolve(folderOf(appId))
    const under = opening.get(appId)
    if (under !== undefined) return under
    const opened = open(appId).finally(() => opening.delete(appId))
    opening.set(appId, opened)
    return opened
  }

  return {
    use: async (appId, work) => {
      const directory = await openOnce(appId)
      users.set(appId, (users.get(appId) ?? 0) + 1)
      try {
        await work(directory)
      } finally {
        const left = (users.get(appId) ?? 1) - 1
        if (left === 0) users.delete(appId)
        else users.set(appId, left)
      }
    },
    keep: async (appId, branch) => {
      const directory = folderOf(appId)
      if (branch !== undefined) await setHead(directory, branch)
      const copy = await bundle(directory)
      if (copy === undefined) return
      const name = `${bundlePrefix(appId)}${deps.uuid()}`
      await objects.put(name, copy)
      const before = await readFile(markOf(appId), 'utf8').catch(() => '')
      const revision = revisions.get(appId) ?? 0
      const value = encoder.encode(name)
      try {
        const written =
          revision === 0
            ? await store.create(recordKey(appId), value)
            : await store.update(recordKey(appId), value, revision)
        revisions.set(appId, written)
      } catch (error) {
        // What was taken here is not on record: the copy is made again from what is.
        await rm(markOf(appId), { force: true })
        throw error
      }
      await writeFile(markOf(appId), name, { mode: 0o600 })
      if (before !== '') await objects.remove(before)
      await tidyRepository(directory)
    },
  }
}
