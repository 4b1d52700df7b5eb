/** git as a user runs it, free of the machine's configuration. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export type GitEnd = { readonly code: number; readonly out: string; readonly err: string }

const identity = ['GIT_AUTHOR', 'GIT_COMMITTER'].flatMap((who) => [
  `${who}_NAME=Ann`,
  `${who}_EMAIL=ann@example.com`,
])

export const git = (cwd: string, ...argv: string[]): Promise<GitEnd> => {
  const env = ['-i', `PATH=${process.env['PATH']}`, 'HOME=/nonexistent', 'GIT_CONFIG_NOSYSTEM=1', ...identity]
  return new Promise((resolve) => {
    execFile('env', [...env, 'git', ...argv], { cwd, maxBuffer: 64 * 1024 * 1024 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}

/** Writes a file of a work tree and commits everything. @returns the commit's id */
export const commit = async (work: string, file: string, text: string, message: string): Promise<string> => {
  await writeFile(join(work, file), text)
  await git(work, 'add', '-A')
  await git(work, 'commit', '-q', '-m', message)
  return (await git(work, 'rev-parse', 'HEAD')).out.trim()
}

export const refs = async (repository: string): Promise<string> =>
  (await git(repository, 'for-each-ref', '--format=%(refname) %(objectname)')).out.trim()
