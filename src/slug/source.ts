/**
 * The source tree before and after a build: what never belongs in a slug is removed, and files are read
 * with care.
 *
 * A tree comes from a stranger and may hold links to anywhere, so links are never followed out of it.
 */
import { constants } from 'node:fs'
import { open, readdir, realpath, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { BuildFailure } from './failure.ts'
import { slugignored } from './slugignore.ts'
import * as texts from './texts.ts'

const fileBytesMax = 256 * 1024

/**
 * Removes .git, .gitmodules, the contents of log and tmp, .DS_Store files, and what .slugignore names.
 * Gives how many paths .slugignore dropped; undefined when there is none. Throws a BuildFailure.
 */
export async function cleanSource(dir: string): Promise<number | undefined> {
  for (const name of ['.git', '.gitmodules']) await rm(join(dir, name), { recursive: true, force: true })
  const paths = await walk(dir)
  const always = paths.filter((path) => /^(log|tmp)\/[^/]+$|(^|\/)\.DS_Store$/.test(path))
  for (const path of always) await rm(join(dir, path), { recursive: true, force: true })
  const text = await readInside(dir, '.slugignore')
  if (text === undefined) return undefined
  const gone = new Set(always)
  const left = paths.filter((path) => !gone.has(path))
  const dropped = await slugignored(left, text).catch((cause: unknown) => {
    if (!(cause instanceof RangeError)) throw cause
    throw new BuildFailure('CHECKOUT_FAILED', texts.checkoutFailed(`${cause.message}.`), { cause })
  })
  for (const path of dropped) await rm(join(dir, path), { recursive: true, force: true })
  return dropped.length
}

/**
 * Every path beneath, relative; directories before what they hold. Links are listed and not followed
 * (readdir's own recursive mode does follow them).
 */
async function walk(root: string): Promise<string[]> {
  const paths: string[] = []
  const visit = async (at: string): Promise<void> => {
    for (const entry of await readdir(join(root, at), { withFileTypes: true })) {
      const path = at === '' ? entry.name : `${at}/${entry.name}`
      paths.push(path)
      if (entry.isDirectory()) await visit(path)
    }
  }
  await visit('')
  return paths
}

/**
 * Reads a small file of the tree as text; undefined when it is missing, not a file, or a link that leaves
 * the tree.
 */
export async function readInside(dir: string, name: string): Promise<string | undefined> {
  try {
    const root = await realpath(dir)
    const path = await realpath(join(dir, name))
    if (!path.startsWith(root + sep)) return undefined
    // A pipe that a build leaves in a file's place would be waited for, for ever, by one of this process's
    // few threads.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const facts = await file.stat()
      if (!facts.isFile()) return undefined
      const { size } = facts
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, fileBytesMax)), {
        position: 0,
      })
      return buffer.subarray(0, bytesRead).toString('utf8')
    } finally {
      await file.close()
    }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? ''
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENXIO'].includes(code)) return undefined
    throw new Error(`cannot read ${name}`, { cause })
  }
}
