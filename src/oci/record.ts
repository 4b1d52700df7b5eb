/**
 * Records: what the state directory keeps about each container, one directory each.
 *
 * `record.json` is written before anything exists that would have to be cleaned up, and again once the
 * container runs. It is replaced by rename, so it is whole or, after power loss, unreadable: then only its
 * directory is known.
 */
import { readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { isErrno, OciError } from './errors.ts'

export type ContainerRecord = {
  id: string
  labels: Readonly<Record<string, string>>
  attached: boolean
  network: 'own' | 'host'
  /** Of the address range; 0 in the process driver. */
  index: number
  address: string
  /** Of the container: other hosts come in to it. */
  expose?: number
  /** Of the process driver, for what is executed later. */
  bounds?: { openFilesMax: number; fileBytesMax: number }
  hostname: string
  startedAtMs: number
  /** First process of the container as the host sees it; 0 until it runs. */
  pid: number
  /** When that process began, as the system tells it, where a pid alone would not say which one is meant. */
  stamp?: string
  paths: Readonly<Record<string, string>>
}

export type Records = {
  dir(id: string): string
  /** Claims the id's directory. Rejects with `OCI_ID_TAKEN`. */
  claim(id: string): Promise<string>
  write(record: ContainerRecord): Promise<void>
  /** Rejects with `OCI_UNKNOWN`. */
  read(id: string): Promise<ContainerRecord>
  all(): Promise<ContainerRecord[]>
  /** Names of directories that hold no readable record. */
  broken(): Promise<string[]>
  forget(id: string): Promise<void>
}

const idPattern = /^[a-z0-9][a-z0-9.-]{0,63}$/

/** Rejects what is no id: a path made of it must stay in the state directory. */
export const checkId = (id: string): void => {
  if (!idPattern.test(id))
    throw new OciError('OCI_SPEC', `id ${JSON.stringify(id)} is not ${idPattern.source}`)
}

/** The records under `stateDir`, which is made when missing. */
export const openRecords = (stateDir: string): Records => {
  const dir = (id: string): string => {
    checkId(id)
    return join(stateDir, id)
  }
  const tryRead = async (id: string): Promise<ContainerRecord | undefined> => {
    try {
      return parse(await readFile(join(dir(id), 'record.json'), 'utf8'), id)
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
  }
  const ids = async (): Promise<string[]> => {
    try {
      const entries = await readdir(stateDir, { withFileTypes: true })
      return entries.filter((entry) => entry.isDirectory() && idPattern.test(entry.name)).map((e) => e.name)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return []
      throw error
    }
  }
  return {
    dir,
    claim: async (id) => {
      const path = dir(id)
      await mkdir(stateDir, { recursive: true, mode: 0o711 })
      try {
        await mkdir(path, { mode: 0o711 })
      } catch (cause) {
        if (isErrno(cause, 'EEXIST')) throw new OciError('OCI_ID_TAKEN', id, { cause })
        throw cause
      }
      return path
    },
    write: (record) => replaceFile(join(dir(record.id), 'record.json'), JSON.stringify(record)),
    read: async (id) => {
      const record = await tryRead(id)
      if (!record) throw new OciError('OCI_UNKNOWN', id)
      return record
    },
    all: async () => (await Promise.all((await ids()).map(tryRead))).filter((record) => record !== undefined),
    broken: async () => {
      const found = await Promise.all((await ids()).map(async (id) => [id, await tryRead(id)] as const))
      return found.filter(([, record]) => record === undefined).map(([id]) => id)
    },
    forget: (id) => rm(dir(id), { recursive: true, force: true, maxRetries: 3 }),
  }
}

/** A record, or undefined for the empty file that power loss may leave. */
const parse = (text: string, id: string): ContainerRecord | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) && value.id === id ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

const isRecord = (value: unknown): value is ContainerRecord =>
  typeof value === 'object' && value !== null && 'id' in value && 'labels' in value && 'index' in value

/** Writes a file whole or not at all. */
export const replaceFile = async (path: string, text: string): Promise<void> => {
  await writeFile(`${path}.new`, text, { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** A small file's text; undefined when it is not there (or the process it tells of is gone). */
export const readIfAny = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'ENOTDIR')) return undefined
    throw error
  }
}

/** What the directory holds; nothing when there is none. */
export const namesIn = async (path: string): Promise<string[]> => {
  try {
    return await readdir(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

/** What `promise` gives; undefined when it rejects because the container is not there any more. */
export const unlessRemoved = async <T>(promise: Promise<T>): Promise<T | undefined> => {
  try {
    return await promise
  } catch (error) {
    if (error instanceof OciError && error.code === 'OCI_UNKNOWN') return undefined
    throw error
  }
}
