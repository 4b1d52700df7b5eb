/**
 * runc and conmon: the commands that make, start and delete a container, detached or attached.
 *
 * Detached, conmon keeps the log and the exit code and outlives us. Attached, `runc run` is our child and
 * holds the streams; for a terminal, util-linux' `script` gives it one.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { watch } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, type Readable, type Writable } from 'node:stream'

import { command, toolEnv } from './command.ts'
import { OciError } from './errors.ts'
import { launcherArgv, orderText, type Hull, type Order } from './launcher.ts'
import { mountRefusedCode } from './launcher-script.ts'
import { letGo } from './let-go.ts'
import { logFileBytesMax } from './log-file.ts'
import { readIfAny } from './record.ts'
import { inTerminal } from './terminal.ts'

const launchTimeoutMs = 30_000
const syncBytesMax = 64 * 1024

/**
 * `root` is where runc keeps its own state: on a tmpfs, so that it is gone after a reboot like the
 * containers.
 */
export type Runc = { root: string; runcPath: string; conmonPath: string }

export type Launch = Pick<Order, 'group' | 'mounts'> & { id: string; dir: string; hull: Hull }

/** The launcher could not make an id-mapped mount. */
export class MountRefused extends Error {}

/** The launcher, with conmon's sync pipe as descriptor 3 and what it has to complain about in `dir`. */
export const spawnLauncher = async (
  dir: string,
  argv: readonly string[],
  stdin: 'ignore' | 'pipe',
): Promise<ChildProcess> => {
  const file = await open(errorsPath(dir), 'w', 0o600)
  try {
    return spawn('perl', argv, {
      cwd: dir,
      detached: true,
      env: { ...toolEnv, _OCI_SYNCPIPE: '3' },
      stdio: [stdin, file.fd, file.fd, 'pipe'],
    })
  } finally {
    await file.close()
  }
}

const errorsPath = (dir: string): string => join(dir, 'launch.err')

/**
 * Creates the container under conmon and lets it run. `waiting` is a launcher that has made the hull already.
 * Resolves with the pid of its first process.
 */
export const startDetached = async (runc: Runc, launch: Launch, waiting?: ChildProcess): Promise<number> => {
  const { dir, id, hull } = launch
  const order = { ...launch, command: conmonArgv(runc, launch) }
  const child = waiting ?? (await spawnLauncher(dir, launcherArgv(hull, order), 'ignore'))
  waiting?.stdin?.end(orderText(order))
  const [told, code] = await readSync(child)
  const { pid, message } = parseSync(told)
  if (pid > 0) {
    if (!(await letGo(join(runc.root, id, 'exec.fifo'))))
      await command([runc.runcPath, '--root', runc.root, 'start', id])
    return pid
  }
  const text = `${message} ${await readFile(errorsPath(dir), 'utf8')}`.trim()
  if (code === mountRefusedCode) throw new MountRefused(text)
  throw new OciError('OCI_START', `${id}: ${text.slice(0, 2_000)}`)
}

const conmonArgv = (runc: Runc, { id, dir }: Launch): string[] => {
  const options = {
    cid: id,
    cuuid: id,
    name: id,
    runtime: runc.runcPath,
    'runtime-arg': `--root=${runc.root}`,
    bundle: dir,
    'container-pidfile': join(dir, 'pid'),
    'conmon-pidfile': join(dir, 'conmon.pid'),
    'exit-dir': join(dir, 'exit'),
    'persist-dir': join(dir, 'persist'),
    'log-path': `k8s-file:${join(dir, 'log')}`,
    'log-size-max': String(logFileBytesMax),
  }
  const named = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
  return [runc.conmonPath, ...named, '--full-attach', '--no-sync-log']
}

/** conmon's one line on the sync pipe, and the exit code of the process we started (conmon's parent). */
const readSync = (child: ChildProcess): Promise<[string, number | null]> =>
  new Promise((resolve, reject) => {
    const pipe = child.stdio[3] as Readable
    let text = ''
    let code: number | null = null
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      pipe.destroy()
      child.unref()
      settle()
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      finish(() => reject(new OciError('OCI_START', 'conmon did not answer')))
    }, launchTimeoutMs)
    child.on('error', (cause) => finish(() => reject(new OciError('OCI_START', 'perl', { cause }))))
    child.on('exit', (status) => (code = status))
    child.on('close', () => finish(() => resolve([text, code])))
    pipe.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('\n') || text.length > syncBytesMax) finish(() => resolve([text, code]))
    })
  })

const parseSync = (text: string): { pid: number; message: string } => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return { pid: 0, message: text }
    // Named `data` by conmon 2.0.16 and later when its caller names an API version, else `pid`.
    const pid = 'pid' in value ? Number(value.pid) : 'data' in value ? Number(value.data) : 0
    return { pid, message: 'message' in value ? String(value.message) : '' }
  } catch (error) {
    if (error instanceof SyntaxError) return { pid: 0, message: text }
    throw error
  }
}

export type AttachedRun = {
  pid: number
  stdin: Writable
  output: Readable
  /** Exit code of the container; null when `runc run` itself was killed. */
  ended: Promise<number | null>
}

/** Runs the container as our child. Resolves when its first process exists. */
export const startAttached = async (
  runc: Runc,
  launch: Launch,
  terminal: { columns: number; rows: number } | undefined,
): Promise<AttachedRun> => {
  const { dir, id, hull } = launch
  const run = [runc.runcPath, '--root', runc.root, 'run', '--bundle', dir, '--pid-file', join(dir, 'pid'), id]
  const command = terminal ? inTerminal(run, terminal, true) : run
  const argv = launcherArgv(hull, { ...launch, command })
  const child = spawn('perl', argv, { cwd: dir, detached: true, env: toolEnv, stdio: 'pipe' })
  // Read from the start: what nobody reads when a process exits, Node throws away.
  const output = child.stdout.pipe(new PassThrough())
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    if (errors.length < 4_096) errors += chunk.toString()
  })
  // The container may go while somebody still types; its exit says so.
  child.stdin.on('error', () => undefined)
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', (cause) => reject(new OciError('OCI_START', 'perl', { cause })))
    child.on('exit', (code) => resolve(code))
  })
  const pid = await Promise.race([pidFile(dir, ended), ended.then(() => undefined)])
  const seen = pid ?? Number(readIfAny(join(dir, 'pid')) ?? 0)
  if (seen > 0) return { pid: seen, stdin: child.stdin, output, ended }
  const code = await ended
  if (code === mountRefusedCode) throw new MountRefused(errors)
  const shown: unknown = output.read()
  const text = `${errors} ${Buffer.isBuffer(shown) ? shown.toString() : ''}`.trim()
  throw new OciError('OCI_START', `${id}: ${text.slice(0, 2_000)}`)
}

/** The pid that runc writes to `<dir>/pid` once the process exists; watched until `ended`. */
export const pidFile = async (dir: string, ended: Promise<unknown>): Promise<number | undefined> => {
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  const look = (): void => {
    const pid = Number(readIfAny(join(dir, 'pid')) ?? 0)
    if (pid > 0) resolve(pid)
  }
  const watcher = watch(dir, look)
  const done = (): void => resolve(undefined)
  ended.then(done, done)
  look()
  try {
    return await promise
  } finally {
    watcher.close()
  }
}

/** Kills and deletes; nothing happens when there is no such container. */
export const deleteContainer = async (runc: Runc, id: string): Promise<void> => {
  await command([runc.runcPath, '--root', runc.root, 'delete', '--force', id])
}
