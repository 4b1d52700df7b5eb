/**
 * Running git as a child process: a clean environment, bounded output and time, typed failures.
 *
 * The user's and the system's git configuration are left out, so that a machine's own settings can neither
 * change nor break what a repository here does.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const outputBytesMax = 16 * 1024 * 1024
const stderrCharsMax = 16 * 1024
const killGraceMs = 2_000

/** The environment every git process here starts with. */
export const gitEnvironment = (path: string): Record<string, string> => ({
  PATH: path,
  HOME: '/nonexistent',
  LC_ALL: 'C.UTF-8',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
})

/** Where git and its helpers are looked for when the caller names no other PATH. */
export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** git ended badly: `code` says how, `stderr` holds the end of what it said. */
export class GitError extends Error {
  override readonly name = 'GitError'
  readonly code: 'GIT_FAILED' | 'GIT_TIMEOUT' | 'GIT_OUTPUT' | 'GIT_SPAWN' | 'GIT_SOCKET'
  readonly stderr: string
  constructor(code: GitError['code'], message: string, stderr = '', options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.stderr = stderr
  }
}

export type GitRun = {
  /** Added to the clean environment: quarantine variables, an index file. */
  env?: Readonly<Record<string, string>>
  cwd?: string
  timeoutMs?: number
  signal?: AbortSignal
  /** What it reads from its standard input. */
  input?: string
}

/** Runs `git ...argv` and gives its stdout as text. Throws a GitError. */
export function git(argv: readonly string[], run: GitRun = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', argv, {
      cwd: run.cwd,
      env: { ...gitEnvironment(defaultPath), ...run.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      signal: run.signal,
      timeout: run.timeoutMs ?? 60_000,
      killSignal: 'SIGKILL',
    })
    give(child.stdin, run.input)
    const out: Buffer[] = []
    let bytes = 0
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > outputBytesMax) child.kill('SIGKILL')
      else out.push(chunk)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-stderrCharsMax)
    })
    child.once('error', (cause) =>
      reject(new GitError('GIT_SPAWN', `git ${argv[0]}: ${cause.message}`, '', { cause })),
    )
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(out).toString('utf8'))
      if (bytes > outputBytesMax)
        return reject(new GitError('GIT_OUTPUT', `git ${argv[0]}: more than ${outputBytesMax} bytes`, stderr))
      if (signal !== null)
        return reject(new GitError('GIT_TIMEOUT', `git ${argv[0]}: stopped by ${signal}`, stderr))
      reject(new GitError('GIT_FAILED', `git ${argv[0]}: exit ${code}: ${stderr.trim()}`, stderr))
    })
  })
}

/** A repository of some gigabytes passes on a slow disk. */
const streamTimeoutMs = 20 * 60_000

/** Runs `git ...argv` and gives its stdout as it comes; throws a GitError at its end when git failed. */
export async function* gitStream(
  argv: readonly string[],
  run: GitRun = {},
): AsyncGenerator<Buffer, void, undefined> {
  const child = start(argv, run)
  give(child.stdin, run.input)
  const ended = endOf(child, argv)
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer
    const fault = await ended
    if (fault !== undefined) throw fault
  } finally {
    // Whoever reads may give up in the middle.
    child.kill('SIGKILL')
  }
}

/** Runs `git ...argv` on what `source` gives; throws a GitError when git failed, else the source's error. */
export async function gitFeed(
  argv: readonly string[],
  source: AsyncIterable<Uint8Array>,
  run: GitRun = {},
): Promise<void> {
  const child = start(argv, run)
  child.stdout.resume()
  const ended = endOf(child, argv)
  const isEarlyEnd = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EPIPE'
  await pipeline(source, child.stdin).catch(async (error: unknown) => {
    // git that ended early says why itself.
    if (isEarlyEnd(error)) return
    // Half of what a source gave must not pass for the whole.
    child.kill('SIGKILL')
    await ended
    throw error
  })
  const fault = await ended
  if (fault !== undefined) throw fault
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

const start = (argv: readonly string[], run: GitRun): Child =>
  spawn('git', argv, {
    cwd: run.cwd,
    env: { ...gitEnvironment(defaultPath), ...run.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: run.signal,
    timeout: run.timeoutMs ?? streamTimeoutMs,
    killSignal: 'SIGKILL',
  })

/** A git that ends before it has read everything says itself why. */
const give = (stdin: Writable, input = ''): void => {
  stdin.on('error', () => undefined)
  stdin.end(input)
}

/** Undefined when it ended well. */
const endOf = (child: Child, argv: readonly string[]): Promise<GitError | undefined> => {
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-stderrCharsMax)
  })
  const fault = (why: string): GitError => {
    const command = argv.find((word, at) => !word.startsWith('-') && argv[at - 1] !== '--git-dir')
    return new GitError('GIT_FAILED', `git ${command}: ${why}: ${stderr.trim()}`, stderr)
  }
  return new Promise((resolve) => {
    child.once('error', (cause) => resolve(fault(cause.message)))
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : fault(`exit ${code ?? signal}`)))
  })
}

/** Stops a process group: first kindly (git then removes its temporary files), after two seconds for good. */
export function killGroup(pid: number): void {
  signalGroup(pid, 'SIGTERM')
  setTimeout(() => signalGroup(pid, 'SIGKILL'), killGraceMs).unref()
}

function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, signal)
  } catch (cause) {
    // ESRCH is the wanted end: nobody is left in the group.
    if ((cause as NodeJS.ErrnoException).code !== 'ESRCH')
      throw new GitError('GIT_SPAWN', `cannot signal process group ${pid}`, '', { cause })
  }
}
