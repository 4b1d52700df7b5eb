/**
 * Packed slugs on this host's disk: what it fetched or compiled, for other hosts to fetch from here. A cache:
 * bounded, the one that was kept longest ago goes first; the object store has them all.
 */
import { existsSync } from 'node:fs'
import { link, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'

export type Packed = {
  /** The file of this sum, if it is here. Whoever reads it verifies it. */
  pathOf(sha256: string): string | undefined
  /**
   * Keeps what lies in `file` (of the same file system), which stays where it is, as the slug of that sum.
   */
  keep(sha256: string, file: string, now: number): Promise<void>
  /** It was not what its name says. */
  drop(sha256: string): Promise<void>
}

const sumPattern = /^[0-9a-f]{64}$/

/** @param folder absolute; made when missing */
export const createPacked = (folder: string, bytesMax: number): Packed => {
  let last: Promise<void> = Promise.resolve()

  const keepNow = async (sha256: string, file: string, now: number): Promise<void> => {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const part = join(folder, `${sha256}.part`)
    await rm(part, { force: true })
    await link(file, part)
    await utimes(part, now / 1_000, now / 1_000)
    await rename(part, join(folder, sha256))
    const names = (await readdir(folder)).filter((name) => sumPattern.test(name))
    const files = await Promise.all(names.map(async (name) => ({ name, ...(await sizeOf(folder, name)) })))
    let bytes = files.reduce((sum, each) => sum + each.bytes, 0)
    for (const { name, bytes: own } of files.toSorted((a, b) => a.atMs - b.atMs)) {
      if (bytes <= bytesMax) return
      await rm(join(folder, name), { force: true })
      bytes -= own
    }
  }

  return {
    pathOf: (sha256) => {
      const path = join(folder, sha256)
      return sumPattern.test(sha256) && existsSync(path) ? path : undefined
    },
    keep: (sha256, file, now) => {
      const keeping = last.then(() => keepNow(sha256, file, now))
      last = keeping.catch(() => undefined)
      return keeping
    },
    drop: (sha256) => rm(join(folder, sha256), { force: true }),
  }
}

const sizeOf = async (folder: string, name: string): Promise<{ bytes: number; atMs: number }> => {
  const { size, mtimeMs } = await stat(join(folder, name))
  return { bytes: size, atMs: mtimeMs }
}
