/**
 * Starting plain processes: their private directories, and their first process under the shim or attached to
 * us.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { constants as files } from 'node:fs'
import { cp, mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import { groupEnd } from './child.ts'
import { toolEnv } from './command.ts'
import type { ContainerSpec } from './driver.ts'
import { OciError } from './errors.ts'
import { createLog } from './log-file.ts'
import type { ShimSpec } from './shim.ts'
import { inTerminal } from './terminal.ts'

type Paths = Readonly<Record<string, string>>

export const shimPath = fileURLToPath(new URL('shim.ts', import.meta.url))
const startTimeoutMs = 15_000

/** Makes copies of overlays, writes the files, and tells where each target really is. */
export const makePaths = async (dir: string, spec: ContainerSpec): Promise<Paths> => {
  await Promise.all(['exit', 'files', 'copy'].map((name) => mkdir(join(dir, name))))
  await createLog(dir)
  const layers = spec.layers.map(async ({ source, target, mode }, n) => {
    if (mode !== 'overlay') return [target, source]
    const copy = join(dir, 'copy', String(n))
    await cp(source, copy, {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
      mode: files.COPYFILE_FICLONE,
    })
    return [target, copy]
  })
  const small = (spec.files ?? []).map(async ({ target, text }, n) => {
    const path = join(dir, 'files', String(n))
    await writeFile(path, text, { mode: 0o444 })
    return [target, path]
  })
  return Object.fromEntries(await Promise.all([...layers, ...small]))
}

/** What is bound of one plain process. */
export type Bounds = { openFilesMax: number; fileBytesMax: number }

/** In the blocks of `ulimit -f`, of any shell that goes by POSIX. */
const blockBytes = 512

/**
 * What one plain process can be bound to: open files, core dumps, the size of a file (that of the disk a
 * container would have). Not the number of processes nor memory, which others would pay for: the first counts
 * all of a user, who is the same for every dyno and for the platform; the second is of each process alone.
 */
const boundsText = ({ openFilesMax, fileBytesMax }: Bounds): string =>
  [
    `ulimit -n ${openFilesMax} 2>/dev/null || ulimit -n "$(ulimit -Hn)"`,
    `ulimit -c 0`,
    `ulimit -f ${Math.floor(fileBytesMax / blockBytes)} 2>/dev/null`,
  ].join('; ')

/** The command with its directories where they really are. A shell first, for its bounds. */
export const translate = (
  spec: Pick<ContainerSpec, 'argv' | 'cwd' | 'env' | 'terminal'>,
  bounds: Bounds,
  paths: Paths,
): ShimSpec => {
  const limits = boundsText(bounds)
  const merge = spec.terminal ? '' : '2>&1'
  const home = spec.env['HOME']
  return {
    argv: ['/bin/sh', '-c', `${limits}; exec "$@"`, 'sh', ...spec.argv],
    attachedArgv: ['/bin/sh', '-c', `${limits}; exec "$@" ${merge}`, 'sh', ...spec.argv],
    cwd: realPath(spec.cwd, paths),
    env: { ...spec.env, ...(home === undefined ? {} : { HOME: realPath(home, paths) }) },
  }
}

/** `path` with the longest target that holds it replaced. */
const realPath = (path: string, paths: Paths): string => {
  const targets = Object.keys(paths).filter((target) => path === target || path.startsWith(`${target}/`))
  const [target] = targets.toSorted((a, b) => b.length - a.length)
  return target === undefined ? path : `${paths[target] ?? target}${path.slice(target.length)}`
}

/** Starts the shim, detached. Resolves with the pid of the process it keeps. */
export const startShim = async (dir: string, id: string, shim: ShimSpec): Promise<number> => {
  await writeFile(join(dir, 'shim.json'), JSON.stringify(shim), { mode: 0o600 })
  const errors = await open(join(dir, 'launch.err'), 'w', 0o600)
  const child = spawn(process.execPath, [shimPath, id, dir], {
    cwd: '/',
    detached: true,
    env: toolEnv,
    stdio: ['ignore', errors.fd, errors.fd, 'pipe'],
  })
  const pipe = child.stdio[3] as Readable
  try {
    await writeFile(join(dir, 'shim.pid'), String(child.pid ?? 0))
    const pid = await new Promise<number>((resolve, reject) => {
      const refuse = (why: string) => (cause?: unknown) =>
        reject(new OciError('OCI_START', `${id}: ${why}`, { cause }))
      const timer = setTimeout(refuse('the shim did not answer'), startTimeoutMs)
      pipe.on('data', (chunk: Buffer) => resolve(Number(chunk.toString())))
      child.on('error', refuse('no shim'))
      child.on('close', () => resolve(0))
      pipe.on('close', () => clearTimeout(timer))
    })
    if (pid > 0) return pid
    throw new OciError(
      'OCI_START',
      `${id}: ${(await readFile(join(dir, 'launch.err'), 'utf8')).slice(0, 2_000)}`,
    )
  } finally {
    await errors.close()
    pipe.destroy()
    child.unref()
  }
}

export type AttachedProcess = {
  pid: number
  child: ChildProcessWithoutNullStreams
  output: Readable
  ended: Promise<number>
}

/** Starts the command as our child, on a terminal when the specification wants one. */
export const startAttached = async (spec: ContainerSpec, shim: ShimSpec): Promise<AttachedProcess> => {
  const argv = spec.terminal ? inTerminal(shim.attachedArgv, spec.terminal, false) : shim.attachedArgv
  const [file = '', ...args] = argv
  const child = spawn(file, args, { cwd: shim.cwd, env: { ...shim.env }, detached: true, stdio: 'pipe' })
  // Read from the start: what nobody reads when a process exits, Node throws away.
  const output = child.stdout.pipe(new PassThrough())
  child.stdin.on('error', () => undefined)
  const ended = groupEnd(child)
  if (child.pid !== undefined) return { pid: child.pid, child, output, ended }
  await ended
  throw new OciError('OCI_START', `${spec.id}: ${file} in ${shim.cwd}`)
}
