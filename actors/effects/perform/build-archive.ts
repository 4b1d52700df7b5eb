/** From a build's archive to its source: out of the object store, or fetched in the sandbox. */
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Objects } from '../../../src/ports/store.ts'
import type { Mount, Sandbox } from '../../../src/slug/sandbox.ts'
import { archiveFile, fetchSource, SourceRefused } from '../../../src/slug/source-archive.ts'
import type { BuildArchive } from '../../protocols/build.ts'

export type ArchiveDeps = {
  /** Of this checkout alone, removed by the caller; on the same file system as the build. */
  readonly folder: string
  readonly objects: Objects
  readonly sandbox: Sandbox
  readonly platform: { readonly env: Readonly<Record<string, string>>; readonly mounts: readonly Mount[] }
}

const searchPath = '/usr/local/bin:/usr/bin:/bin'

/** @returns the folder of the source. Throws SourceRefused, whose message is for the user */
export const checkoutArchive = async (
  { folder, objects, sandbox, platform }: ArchiveDeps,
  { url, checksum, object }: BuildArchive,
  signal: AbortSignal,
): Promise<string> => {
  if (object !== null) {
    const stored = await objects.get(object)
    if (stored === undefined) throw new SourceRefused('the source was never uploaded, or is no longer kept.')
    await mkdir(folder, { recursive: true })
    await pipeline(stored, createWriteStream(join(folder, archiveFile)), { signal })
  }
  const sha256 = checksum === null ? {} : { sha256: checksum.replace(/^SHA256:/i, '').toLowerCase() }
  const from = { ...(object === null ? { url } : {}), ...sha256 }
  const env = { LANG: 'C.UTF-8', ...platform.env, PATH: searchPath }
  return fetchSource(from, { sandbox, folder, env, mounts: platform.mounts, signal })
}
