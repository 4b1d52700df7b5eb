/**
 * The source tree before and after a build: what never belongs in a slug is removed, and files are read
 * with care.
 *
 * A tree comes from a stranger and may hold links to anywhere, so links are never followed out of it.
 */
import { open, readdir, realpath, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { slugignored } from './slugignore.ts'

const fileBytesMax = 256 * 1024

/**
 * Removes .git, .gitmodules, the contents of log and tmp, .DS_Store files, and what .slugignore names.
 * Gives how many paths .slugignore dropped; undefined when there is none.
 */
export async function cleanSource(dir: string): Promise<number | undefined> {
  for (const name of ['.git', '.gitmodules']) await rm(join(dir, name), { recursive: true, force: true })
  const paths = await walk(dir)
  const always = paths.filter((path) => /^(log|tmp)\/[^/]+$|(^|\/)\.DS_Store$/.test(path))
  for (const path of always) await rm(join(dir, path), { recursive: true, force: true })
  const text = await readInside(dir, '.slugignore')
  if (text === undefined) return undefined
  const gone = new Set(always)
  const dropped = slugignored(
    paths.filter((path) => !gone.has(path)),
    text,
  )
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
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, fileBytesMax)), {
        position: 0,
      })
      return buffer.subarray(0, bytesRead).toString('utf8')
    } finally {
      await file.close()
    }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? ''
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'].includes(code)) return undefined
    throw new Error(`cannot read ${name}`, { cause })
  }
}
