/**
 * Bare repositories: made with the settings and hooks that a push needs, saved to one file and made again
 * from it.
 *
 * The repository on disk is a working copy; its bundle in a durable store is the record. The hooks are
 * constant text (where the hook program lies comes in their environment), so a restored repository is like
 * a new one.
 */
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { git, GitError, gitStream } from './run.ts'

/** Runs the hook program when the platform started the push; a push from elsewhere is refused. */
const preReceive = `#!/bin/sh
if [ -z "$MANIFOLD_HOOK_PROGRAM" ]; then
  echo '!	Push rejected, this repository takes pushes through the platform only' >&2
  exit 1
fi
exec "$MANIFOLD_HOOK_NODE" "$MANIFOLD_HOOK_PROGRAM"
`

export type RepositoryOptions = {
  /** Largest pack a push may bring, in bytes. */
  packBytesMax?: number
}

/**
 * Makes a bare repository at `dir` (its parent must exist), HEAD at refs/heads/main, ready for pushes over
 * HTTP. Safe to repeat: settings and hooks are written again, refs and objects are left alone.
 */
export async function createRepository(dir: string, options: RepositoryOptions = {}): Promise<void> {
  await git(['init', '--quiet', '--bare', '--template=', '--initial-branch=main', dir])
  const settings = [
    '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\tlogAllRefUpdates = false',
    // A push that was answered must survive a power cut: objects and refs reach the disk first (git 2.36
    // and later).
    '\tfsync = committed,reference',
    '[http]\n\treceivepack = true\n\tuploadpack = true\n\tgetanyfile = true',
    // Objects are checked on arrival; the three warnings below are common in old but sound histories.
    '[receive]\n\tfsckObjects = true\n\tautogc = false\n\tadvertiseAtomic = true\n\tkeepAlive = 5',
    `\tmaxInputSize = ${options.packBytesMax ?? 1024 ** 3}`,
    '[receive "fsck"]\n\tzeroPaddedFilemode = ignore\n\tbadTimezone = ignore',
    '\tmissingSpaceBeforeDate = ignore',
    '[transfer]\n\tunpackLimit = 100',
    '[gc]\n\tauto = 0',
  ]
  await writeAtomic(join(dir, 'config'), settings.join('\n') + '\n', 0o644)
  await mkdir(join(dir, 'hooks'), { recursive: true })
  await writeAtomic(join(dir, 'hooks/pre-receive'), preReceive, 0o755)
}

async function writeAtomic(file: string, text: string, mode: number): Promise<void> {
  await writeFile(`${file}.new`, text)
  await chmod(`${file}.new`, mode)
  await rename(`${file}.new`, file)
}

/** Points HEAD at a branch, so that a clone checks out what was deployed. */
export async function setHead(dir: string, branch: 'main' | 'master'): Promise<void> {
  await git(['--git-dir', dir, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`])
}

/**
 * Packs loose objects and drops unreachable ones, when git thinks it is worth it. Not to run during a push.
 */
export async function tidyRepository(dir: string): Promise<void> {
  await git(['--git-dir', dir, '-c', 'gc.auto=2000', 'gc', '--auto', '--quiet'], { timeoutMs: 300_000 })
}

/**
 * The whole repository as one stream of bytes, made as it is read; undefined when it has no ref yet (git
 * makes no empty bundles). Reading throws a GitError when git fails, so that what was read counts for
 * nothing.
 */
export async function bundle(dir: string): Promise<AsyncIterable<Uint8Array> | undefined> {
  const refs = await git(['--git-dir', dir, 'for-each-ref', '--count=1', '--format=%(refname)'])
  return refs === '' ? undefined : gitStream(['--git-dir', dir, 'bundle', 'create', '--quiet', '-', '--all'])
}

/**
 * Makes the repository at `dir` again from a bundle (or an empty one without), replacing what is there in
 * one step. HEAD: main when that branch exists, else master when that does, else main.
 */
export async function restore(
  dir: string,
  file: string | undefined,
  options: RepositoryOptions = {},
): Promise<void> {
  const fresh = `${dir}.restoring`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(dirname(fresh), { recursive: true })
  await createRepository(fresh, options)
  if (file !== undefined) {
    await git(['--git-dir', fresh, 'fetch', '--quiet', file, '+refs/*:refs/*'], { timeoutMs: 300_000 })
    if (!(await hasBranch(fresh, 'main')) && (await hasBranch(fresh, 'master')))
      await setHead(fresh, 'master')
  }
  const old = `${dir}.old`
  await rm(old, { recursive: true, force: true })
  await rename(dir, old).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new GitError('GIT_FAILED', `cannot replace ${dir}`, '', { cause })
  })
  await rename(fresh, dir)
  await rm(old, { recursive: true, force: true })
}

async function hasBranch(dir: string, branch: string): Promise<boolean> {
  const found = await git(['--git-dir', dir, 'for-each-ref', '--format=%(refname)', `refs/heads/${branch}`])
  return found !== ''
}
