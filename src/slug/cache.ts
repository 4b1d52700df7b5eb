/**
 * An app's build cache, kept only by builds that succeed: a build works on a copy, which takes the
 * original's place at its end (spec/dyno.md §2.5). What a failing or cancelled build left half done is
 * gone with its scratch directory.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, rename } from 'node:fs/promises'
import { promisify } from 'node:util'
import { removeTree } from './remove-tree.ts'

const exec = promisify(execFile)

/** A copy of the cache at `copy`, sharing blocks where the file system can; empty when there is none. */
export async function borrowCache(kept: string, copy: string): Promise<void> {
  await mkdir(kept, { recursive: true })
  await exec('cp', ['-a', '--reflink=auto', kept, copy])
}

/** The copy becomes the cache: both lie on one file system. A crash in between leaves none: a cold build. */
export async function keepCache(copy: string, kept: string): Promise<void> {
  const old = `${kept}.old-${randomBytes(6).toString('hex')}`
  await rename(kept, old).catch(ifMissing)
  await rename(copy, kept)
  await removeTree(old)
}

/** Another build of the app, or a purge, moved it away. */
function ifMissing(cause: NodeJS.ErrnoException): void {
  if (cause.code !== 'ENOENT') throw new Error('cannot replace the build cache', { cause })
}
