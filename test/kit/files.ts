/**
 * Scratch directories and trees of small files for tests.
 */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'

/** A directory that is gone when the test is over. */
export async function scratch(test: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'manifold-slug-'))
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
