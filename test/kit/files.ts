/**
 * Scratch directories and trees of small files for tests.
 */
import { access, chmod, constants, mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { freemem, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'

/** Trees of thousands of small files are made and removed in it in a tenth of the time that a disk takes. */
const memory = '/dev/shm'
const prefix = 'manifold-slug-'
const roomBytesMin = 4 * 1024 ** 3

/** A new directory in memory; undefined where it has no room, or lets no program run. */
async function inMemory(): Promise<string | undefined> {
  const room = await statfs(memory).catch(() => undefined)
  if (room === undefined || Math.min(room.bavail * room.bsize, freemem()) < roomBytesMin) return undefined
  const dir = await mkdtemp(join(memory, prefix))
  const probe = join(dir, 'probe')
  await writeFile(probe, '', { mode: 0o755 })
  const isBarred = await access(probe, constants.X_OK).catch(() => true)
  await rm(isBarred === true ? dir : probe, { recursive: true })
  return isBarred === true ? undefined : dir
}

/** A directory that is gone when the test is over. */
export async function scratch(test: Test): Promise<string> {
  const dir = (await inMemory()) ?? (await mkdtemp(join(tmpdir(), prefix)))
  test.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Writes files by path; a path that ends in `*` is executable. */
export async function files(dir: string, all: Record<string, string>): Promise<string> {
  for (const [name, text] of Object.entries(all)) {
    const path = join(dir, name.replace('*', ''))
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
    if (name.endsWith('*')) await chmod(path, 0o755)
  }
  return dir
}
