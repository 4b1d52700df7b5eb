/**
 * From a commit to files: what it is (ids, subject, author) and its tree written into a directory.
 *
 * Works on commits still in quarantine: while a pre-receive hook runs, the pushed objects lie in a
 * directory of their own, named by environment variables that every git process here must be given.
 */
import { mkdir, rm } from 'node:fs/promises'
import { git, GitError, type GitRun } from './run.ts'

export type Commit = {
  readonly id: string
  /** 8 hex digits, as releases show it ("Deploy 60a874b3"). */
  readonly short: string
  readonly subject: string
  readonly author: { readonly name: string; readonly email: string }
}

const idForm = /^[0-9a-f]{40,64}$/

/** Reads one commit. Throws a GitError when there is none of that id. */
export async function commitInfo(repository: string, id: string, run: GitRun = {}): Promise<Commit> {
  if (!idForm.test(id)) throw new GitError('GIT_FAILED', `not a commit id: ${id.slice(0, 80)}`)
  const format = '--format=%H%x00%s%x00%an%x00%ae'
  const text = await git(['--git-dir', repository, 'show', '-s', format, `${id}^{commit}`], run)
  const [full = id, subject = '', name = '', email = ''] = text.trimEnd().split('\0')
  return { id: full, short: full.slice(0, 8), subject, author: { name, email } }
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
 * count, `export-ignore` does not. Throws GIT_SUBMODULES when the commit has submodules: fetching them
 * would make this host call any address a pusher names.
 */
export async function checkoutCommit(
  repository: string,
  commit: string,
  into: string,
  run: GitRun = {},
): Promise<void> {
  await mkdir(into, { recursive: true })
  const index = `${into}.index`
  const env = { ...run.env, GIT_DIR: repository, GIT_WORK_TREE: into, GIT_INDEX_FILE: index }
  const long = { ...run, env, timeoutMs: run.timeoutMs ?? 300_000 }
  try {
    await git(['read-tree', commit], long)
    const links = (await git(['ls-files', '--stage', '-z'], long))
      .split('\0')
      .filter((line) => line.startsWith('160000 '))
    if (links.length > 0)
      throw new GitError(
        'GIT_SUBMODULES',
        `submodules are not supported: ${links.map((line) => line.slice(line.indexOf('\t') + 1)).join(', ')}`,
      )
    await git(['checkout-index', '--all', '--force'], { ...long, cwd: into })
  } finally {
    await rm(index, { force: true })
  }
}
