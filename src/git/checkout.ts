/**
 * From a commit to files: when it was made, what it changes, and its tree written into a directory.
 *
 * Works on commits still in quarantine: while a pre-receive hook runs, the pushed objects lie in a
 * directory of their own, named by environment variables that every git process here must be given.
 */
import { mkdir, rm } from 'node:fs/promises'
import { git, GitError, type GitRun } from './run.ts'

/** Whether the history of a commit that is new here is all there: a shallow clone pushes half of one. */
export async function isWhole(repository: string, commit: string, run: GitRun = {}): Promise<boolean> {
  const argv = ['--git-dir', repository, 'rev-list', '--quiet', commit, '--not', '--all']
  try {
    await git(argv, { ...run, timeoutMs: 300_000 })
    return true
  } catch (error) {
    if (error instanceof GitError && error.code === 'GIT_FAILED') return false
    throw error
  }
}

/** When it was committed, in seconds since 1970. */
export async function commitTime(repository: string, commit: string, run: GitRun = {}): Promise<number> {
  return Number(await git(['--git-dir', repository, 'show', '-s', '--format=%ct', commit], run))
}

/**
 * How many paths differ between two commits and the short id of the newer tree: git's own words for a
 * checkout are "Updated 7 paths from dcbffed".
 */
export async function changes(
  repository: string,
  previous: string,
  commit: string,
  run: GitRun = {},
): Promise<{ paths: number; tree: string }> {
  const names = await git(
    ['--git-dir', repository, 'diff-tree', '-r', '-z', '--name-only', '--no-renames', previous, commit],
    run,
  )
  const tree = await git(['--git-dir', repository, 'rev-parse', '--short=7', `${commit}^{tree}`], run)
  return { paths: names.split('\0').length - 1, tree: tree.trim() }
}

/**
 * Writes the tree of `commit` into `into` (made when missing), as a checkout does: attributes for line ends
 * count, `export-ignore` does not. Its submodules are named, and not fetched: that would make this host call
 * any address that a pusher names.
 */
export async function checkoutCommit(
  repository: string,
  commit: string,
  into: string,
  run: GitRun = {},
): Promise<{ path: string; commit: string }[]> {
  await mkdir(into, { recursive: true })
  const index = `${into}.index`
  const env = { ...run.env, GIT_DIR: repository, GIT_WORK_TREE: into, GIT_INDEX_FILE: index }
  const long = { ...run, env, timeoutMs: run.timeoutMs ?? 300_000 }
  try {
    await git(['read-tree', commit], long)
    const staged = (await git(['ls-files', '--stage', '-z'], long)).split('\0')
    await git(['checkout-index', '--all', '--force'], { ...long, cwd: into })
    return staged
      .filter((line) => line.startsWith('160000 '))
      .map((line) => ({ path: line.slice(line.indexOf('\t') + 1), commit: line.split(' ')[1] ?? '' }))
  } finally {
    await rm(index, { force: true })
  }
}
