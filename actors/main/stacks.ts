/**
 * This host's stacks: which an app gets that says none, and what goes of old versions. One goes when no name
 * leads to it and no container of this host runs on it. A rebuilt stack reaches dynos one by one, as they are
 * restarted or cycled.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { lstat, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { stackDefault, stacks, type StackName } from '../../config/stacks.ts'
import type { Driver } from '../../src/oci/driver.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import { rootLabel } from '../effects/perform/container/stacks.ts'

const exec = promisify(execFile)
const versionsFolder = '.versions'
/** Of what is being made by scripts/stack. */
const unfinished = '.new'
/** What was started before a name was turned is a container by then, and every build of that time is over. */
const graceMs = 30 * 60_000
const sweepEveryMs = 10 * 60_000

type SweepDeps = { readonly folder: string; readonly driver: Pick<Driver, 'list'>; readonly now: number }

/** The machine itself where no image was made; without isolation it is the machine whatever it is called. */
export const defaultStack = (folder: string, driver: Driver['kind']): StackName =>
  driver === 'process' || existsSync(join(folder, stackDefault.image))
    ? stackDefault.image
    : stackDefault.noImage

/** What dynos and builds of this host can be on. */
export const stacksIn = (folder: string): readonly StackName[] =>
  stacks.filter((name) => existsSync(join(folder, name)))

/** Takes away versions that nothing leads to or runs on. @returns what went, as `<stack>/<version>` */
export const sweepStacks = async ({ folder, driver, now }: SweepDeps): Promise<readonly string[]> => {
  // Borrowed from another home: whatever runs there is not known here.
  const own = await lstat(folder).catch(() => undefined)
  if (own?.isDirectory() !== true) return []
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.'))
  const links = await Promise.all(names.map((name) => lstat(join(folder, name))))
  if (links.some(({ mtimeMs }) => now - mtimeMs < graceMs)) return []
  const wanted = new Set<string | undefined>(
    await Promise.all(names.map((name) => realpath(join(folder, name)))),
  )
  // Listed last: what starts meanwhile starts on what a name leads to.
  for (const { labels } of await driver.list()) wanted.add(labels[rootLabel])
  // One of an older build does not say what it runs on.
  if (wanted.has(undefined)) return []
  const gone: string[] = []
  for (const stack of await foldersIn(join(folder, versionsFolder))) {
    for (const version of await foldersIn(join(folder, versionsFolder, stack))) {
      const path = join(folder, versionsFolder, stack, version)
      if (version.endsWith(unfinished) || wanted.has(await realpath(path))) continue
      // Made since the names were read: its own may be about to lead to it.
      if (now - (await lstat(path)).ctimeMs < graceMs) continue
      await exec('rm', ['-rf', '--one-file-system', path])
      gone.push(`${stack}/${version}`)
    }
  }
  return gone
}

const foldersIn = async (folder: string): Promise<readonly string[]> => {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

/** Sweeps now and then until closed. */
export const keepSweeping = (
  deps: Omit<SweepDeps, 'now'> & { readonly clock: Clock; readonly log: Log },
): { readonly close: () => void } => {
  const { clock, log } = deps
  const sweep = (): void => {
    sweepStacks({ ...deps, now: clock.now() })
      .then((gone) => gone.length > 0 && log({ at: 'stacks-swept', versions: gone.join(' ') }))
      .catch((error: unknown) =>
        log({ at: 'stacks-not-swept', reason: error instanceof Error ? error.message : 'unknown' }),
      )
      .finally(() => {
        timer = clock.after(sweepEveryMs, sweep)
        if (isClosed) timer.cancel()
      })
  }
  let isClosed = false
  let timer = clock.after(sweepEveryMs, sweep)
  return {
    close: () => {
      isClosed = true
      timer.cancel()
    },
  }
}
