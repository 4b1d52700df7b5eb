/** git as a user runs it, free of the machine's configuration. */
import { execFile } from 'node:child_process'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export type GitEnd = { readonly code: number; readonly out: string; readonly err: string }

const identity = ['GIT_AUTHOR', 'GIT_COMMITTER'].flatMap((who) => [
  `${who}_NAME=Ann`,
  `${who}_EMAIL=ann@example.com`,
])

export const git = (cwd: string, ...argv: string[]): Promise<GitEnd> => gitTold(cwd, '', argv)

const gitTold = (cwd: string, input: string, argv: readonly string[]): Promise<GitEnd> => {
  const env = ['-i', `PATH=${process.env['PATH']}`, 'HOME=/nonexistent', 'GIT_CONFIG_NOSYSTEM=1', ...identity]
  return new Promise((resolve) => {
    const options = { cwd, maxBuffer: 64 * 1024 * 1024 }
    const run = execFile('env', [...env, 'git', ...argv], options, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    )
    run.stdin?.on('error', () => undefined).end(input)
  })
}

/** Writes a file of a work tree and commits everything. @returns the commit's id */
export const commit = async (work: string, file: string, text: string, message: string): Promise<string> => {
  await writeFile(join(work, file), text)
  await git(work, 'add', '-A')
  await git(work, 'commit', '-q', '-m', message)
  return (await git(work, 'rev-parse', 'HEAD')).out.trim()
}

/**
 * Commits on `main` in one go, each with a file of its own and the first with `more`.
 *
 * @returns their ids, and those that were there before
 */
export const commits = async (
  work: string,
  count: number,
  more: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> => {
  const data = (text: string): string => `data ${Buffer.byteLength(text)}\n${text}\n`
  const file = ([name, text]: readonly [string, string]): string => `M 644 inline ${name}\n${data(text)}`
  const told = Array.from({ length: count }, (_, at) =>
    [
      'commit refs/heads/main\n',
      `committer Ann <ann@example.com> ${1_700_000_000 + at} +0000\n`,
      data(`push ${at}`),
      ...(at === 0 ? ['from refs/heads/main^0\n'] : []),
      ...Object.entries({ ...(at === 0 && more), [`file-${at}`]: String(at) }).map(file),
    ].join(''),
  )
  const made = await gitTold(work, told.join(''), ['fast-import', '--quiet'])
  if (made.code !== 0) throw new Error(made.err)
  return (await git(work, 'rev-list', '--reverse', 'main')).out.trim().split('\n')
}

/** What a push does to a repository: it has all objects of the work tree, and these refs. */
export const bring = async (
  work: string,
  repository: string,
  refs: Readonly<Record<string, string>>,
): Promise<void> => {
  await cp(join(work, '.git/objects'), join(repository, 'objects'), { recursive: true, force: false })
  for (const [name, id] of Object.entries(refs)) {
    await mkdir(dirname(join(repository, name)), { recursive: true })
    await writeFile(join(repository, name), `${id}\n`)
  }
}

export const refs = async (repository: string): Promise<string> =>
  (await git(repository, 'for-each-ref', '--format=%(refname) %(objectname)')).out.trim()
