/**
 * Which unpacked slugs stay on this host's disk: bounded, the one that was wanted longest ago goes first,
 * and none from which a dyno runs or is about to start. The object store has them all.
 *
 * Beside each tree `<sum>` lies `<sum>.used`: its size as text, and by its own time when it was last wanted.
 */
import { execFile } from 'node:child_process'
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { removeTree } from '../../../../src/slug/remove-tree.ts'

export type Unpacked = {
  /** It is wanted now. */
  used(sha256: string): Promise<void>
  /** Brings the disk within its bound, as far as what is in use allows. */
  prune(): Promise<void>
}
export type UnpackedDeps = {
  /** Absolute; trees lie in it by their sum. */
  readonly folder: string
  readonly bytesMax: number
  readonly now: () => number
  /** Sums of those from which containers run. */
  readonly inUse: () => Promise<ReadonlySet<string>>
}

const exec = promisify(execFile)
const sumPattern = /^[0-9a-f]{64}$/
const usedSuffix = '.used'
/** Between a slug's being there and its container's being listed; what a killed process left is older. */
const graceMs = 15 * 60_000

type Row = { readonly sha256: string; readonly bytes: number; readonly usedMs: number }

export const createUnpacked = ({ folder, bytesMax, now, inUse }: UnpackedDeps): Unpacked => {
  let last: Promise<void> = Promise.resolve()
  const markOf = (sha256: string): string => join(folder, sha256 + usedSuffix)

  const touch = (sha256: string): Promise<void> => utimes(markOf(sha256), now() / 1_000, now() / 1_000)

  const used = async (sha256: string): Promise<void> => {
    try {
      await touch(sha256)
    } catch {
      // Its size follows: nobody waits for that with a dyno to start.
      await writeFile(markOf(sha256), '', { mode: 0o600 })
      await touch(sha256)
    }
  }

  const sized = async (sha256: string): Promise<number> => {
    const known = Number(await readFile(markOf(sha256), 'utf8').catch(() => ''))
    if (known > 0) return known
    const { stdout } = await exec('du', ['-s', '-B1', join(folder, sha256)])
    const bytes = Number.parseInt(stdout, 10)
    const usedMs = await usedAt(sha256)
    await writeFile(markOf(sha256), String(bytes), { mode: 0o600 })
    await utimes(markOf(sha256), usedMs / 1_000, usedMs / 1_000)
    return bytes
  }

  /** What has no mark has just come. */
  const usedAt = (sha256: string): Promise<number> =>
    stat(markOf(sha256)).then(
      ({ mtimeMs }) => mtimeMs,
      () => now(),
    )

  const rows = async (names: readonly string[]): Promise<Row[]> => {
    const all: Row[] = []
    for (const sha256 of names.filter((name) => sumPattern.test(name))) {
      const bytes = await sized(sha256)
      all.push({ sha256, bytes, usedMs: await usedAt(sha256) })
    }
    return all.toSorted((a, b) => a.usedMs - b.usedMs)
  }

  /** Out of the way in one step, so that nobody finds half of it. */
  const remove = async (sha256: string): Promise<void> => {
    const gone = join(folder, `${sha256}.gone`)
    await removeTree(gone)
    await rename(join(folder, sha256), gone)
    await rm(markOf(sha256), { force: true })
    await removeTree(gone)
  }

  const pruneNow = async (): Promise<void> => {
    const names = await readdir(folder)
    await sweep(names)
    const all = await rows(names)
    let bytes = all.reduce((sum, row) => sum + row.bytes, 0)
    if (bytes <= bytesMax) return
    const running = await inUse()
    for (const row of all) {
      if (bytes <= bytesMax) return
      // Asked anew: it may have been wanted while others were removed.
      if (running.has(row.sha256) || now() - (await usedAt(row.sha256)) < graceMs) continue
      await remove(row.sha256)
      bytes -= row.bytes
    }
  }

  /** What a killed process, or one that failed, left. */
  const sweep = async (names: readonly string[]): Promise<void> => {
    for (const name of names) {
      const [, sha256 = '', kind = ''] = /^([0-9a-f]{64})\.(part|gone|used)/.exec(name) ?? []
      if (kind === '' || (kind === 'used' && names.includes(sha256))) continue
      const { ctimeMs } = await stat(join(folder, name)).catch(() => ({ ctimeMs: now() }))
      if (now() - ctimeMs > graceMs) await removeTree(join(folder, name))
    }
  }

  return {
    used,
    prune: () => {
      last = last.then(pruneNow, pruneNow)
      return last
    },
  }
}
