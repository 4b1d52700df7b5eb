/**
 * Executing: one more process in a running container, held by its streams as long as somebody holds them.
 *
 * Each has a note, `<container>/exec/<name>/`, with the pid of its session. Whoever opens the state directory
 * after the holder was killed finds it there and ends what nobody holds any more; the container itself goes
 * on. When the container ends, so does everything executed in it.
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'

import { mergedOutput } from './bundle.ts'
import { groupEnd } from './child.ts'
import { toolEnv } from './command.ts'
import type { Executed, ExecSpec } from './driver.ts'
import { asStartError, OciError } from './errors.ts'
import { namesIn, readIfAny, unlessRemoved } from './record.ts'
import { pidFile, type Runc } from './runc.ts'
import { killAll } from './signal.ts'
import { inTerminal } from './terminal.ts'

/** At once, in one container. */
export const execsMax = 32
const hangupGraceMs = 10_000

/** What a driver knows of a container in which something is to be executed. */
export type ExecPlace = {
  id: string
  /** Directory of the container. */
  dir: string
  /** Processes of the container whose session began with `pid`, which is that of the note. */
  membersOf: (pid: number, note: string) => Promise<readonly number[]>
}

/** How the host starts it: writes the session's pid to `<note>/pid` once it runs. */
export type ExecStart = {
  argv: readonly string[]
  cwd: string
  env: Readonly<Record<string, string>>
  /** The command handles its terminal itself. */
  raw: boolean
  /** Awaited once the pid is known. */
  started?: (pid: number) => Promise<void>
}

export type Execs = {
  /** `start` is given the note's directory. */
  run: (
    place: ExecPlace,
    spec: ExecSpec,
    start: (note: string) => ExecStart | Promise<ExecStart>,
  ) => Promise<Executed>
  /** Ends what an earlier holder left in the container. */
  sweep: (place: ExecPlace) => Promise<void>
  /** Kills everything executed in the container from here. */
  end: (id: string) => Promise<void>
}

/** Executed processes of one driver, by their containers. */
export const openExecs = (): Execs => {
  const held = new Map<string, Map<string, () => Promise<void>>>()

  const run: Execs['run'] = async (place, spec, start) => {
    const { id, dir } = place
    const mine = held.get(id) ?? new Map<string, () => Promise<void>>()
    if (mine.size >= execsMax) throw new OciError('OCI_EXECS', `${id}: ${execsMax}`)
    held.set(id, mine)
    const note = await makeNote(id, dir)
    const kill = async (): Promise<void> => killSession(place, note, 'SIGKILL')
    mine.set(note, kill)
    const forget = async (): Promise<void> => {
      mine.delete(note)
      if (mine.size === 0) held.delete(id)
      await rm(note, { recursive: true, force: true })
    }
    try {
      return await hold(place, spec, note, await start(note), forget)
    } catch (error) {
      await forget()
      throw asStartError(id, error)
    }
  }

  return {
    run,
    sweep: async (place) => {
      for (const name of await namesIn(join(place.dir, 'exec'))) {
        const note = join(place.dir, 'exec', name)
        if (held.get(place.id)?.has(note)) continue
        await killSession(place, note, 'SIGKILL')
        await rm(note, { recursive: true, force: true })
      }
    },
    end: async (id) => {
      await Promise.all([...(held.get(id)?.values() ?? [])].map((kill) => kill()))
    },
  }
}

/** A container that is being removed has no directory any more. */
const makeNote = async (id: string, dir: string): Promise<string> => {
  try {
    await mkdir(join(dir, 'exec'), { recursive: true, mode: 0o700 })
    return await mkdtemp(join(dir, 'exec', 'x-'))
  } catch (error) {
    throw asStartError(id, error)
  }
}

const hold = async (
  place: ExecPlace,
  { terminal }: ExecSpec,
  note: string,
  start: ExecStart,
  forget: () => Promise<void>,
): Promise<Executed> => {
  const tty = join(note, 'tty')
  // Where its terminal is, for whoever changes the size.
  const named = ['/bin/sh', '-c', 'tty >"$0" && exec "$@"', tty, ...start.argv]
  const [file = '', ...args] = terminal ? inTerminal(named, terminal, start.raw) : start.argv
  const child = spawn(file, args, {
    cwd: start.cwd,
    env: { ...start.env },
    detached: true,
    stdio: 'pipe',
  })
  // Read from the start: what nobody reads when a process exits, Node throws away.
  const output = child.stdout.pipe(new PassThrough())
  const errors = child.stderr.pipe(new PassThrough())
  // It may go while somebody still types; its exit says so.
  child.stdin.on('error', () => undefined)
  const ended = groupEnd(child)
  const pid = (await pidFile(note, ended)) ?? pidIn(note)
  if (pid === 0) {
    const said = [errors.read(), output.read()].map((text: unknown) =>
      Buffer.isBuffer(text) ? text.toString() : '',
    )
    throw new OciError('OCI_START', `${place.id}: ${said.join(' ').trim().slice(0, 2_000)}`)
  }
  await start.started?.(pid)
  let late: NodeJS.Timeout | undefined
  let isOver = false
  const exit = ended.then(async (code) => {
    isOver = true
    clearTimeout(late)
    await forget()
    return { code }
  })
  const signal = (name: NodeJS.Signals): void => void unlessRemoved(killSession(place, note, name))
  return {
    stdin: child.stdin,
    output,
    errors,
    exit,
    hangup: () => {
      if (isOver) return
      signal('SIGHUP')
      late ??= setTimeout(() => {
        signal('SIGKILL')
        // Should the session be over and only the tool that relays its streams be left.
        if (child.pid !== undefined) killAll([-child.pid], 'SIGKILL')
      }, hangupGraceMs)
    },
    resize: (columns, rows) => {
      if (terminal) resizeTerminal(tty, columns, rows)
    },
  }
}

/** Of the session that the note tells of; nothing happens when it is over. */
const killSession = async (place: ExecPlace, note: string, name: NodeJS.Signals): Promise<void> => {
  const pid = pidIn(note)
  if (pid > 0) killAll(await place.membersOf(pid, note), name)
}

const pidIn = (note: string): number => Number(readIfAny(join(note, 'pid')) ?? 0)

const sizeMax = 1_000

/** The kernel then tells the processes on it by SIGWINCH. */
const resizeTerminal = (tty: string, columns: number, rows: number): void => {
  const path = readIfAny(tty)?.trim() ?? ''
  if (!/^\/dev\/[\w/]+$/.test(path)) return
  const [width, height] = [columns, rows].map((size) => Math.min(sizeMax, Math.max(1, Math.trunc(size))))
  const line = `stty cols ${width} rows ${height} <${path}`
  spawn('/bin/sh', ['-c', line], { env: toolEnv, stdio: 'ignore' }).on('error', () => undefined)
}

/** `runc exec`: what the container's own first process has, with another command. */
export const runcExec = async (
  runc: Runc,
  { id, dir }: ExecPlace,
  spec: ExecSpec,
  note: string,
): Promise<ExecStart> => {
  const config = JSON.parse(await readFile(join(dir, 'config.json'), 'utf8')) as { process: object }
  const { terminal } = spec
  const described = {
    ...config.process,
    args: spec.merge && !terminal ? [...mergedOutput, ...spec.argv] : spec.argv,
    env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    cwd: spec.cwd,
    terminal: terminal !== undefined,
    ...(terminal ? { consoleSize: { height: terminal.rows, width: terminal.columns } } : {}),
  }
  const file = join(note, 'process.json')
  // It holds the environment.
  await writeFile(file, JSON.stringify(described), { mode: 0o600 })
  const pid = join(note, 'pid')
  const argv = [runc.runcPath, '--root', runc.root, 'exec', '--process', file, '--pid-file', pid, id]
  return { argv, cwd: dir, env: toolEnv, raw: true }
}

/** A container of runc's, whose processes are `pids`. */
export const execPlace = (id: string, dir: string, pids: () => Promise<readonly number[]>): ExecPlace => ({
  id,
  dir,
  membersOf: async (pid) => inSession(await pids(), pid),
})

/** Which of `pids` are in the session that `leader` began, as the host numbers them. */
const inSession = (pids: readonly number[], leader: number): readonly number[] =>
  pids.filter((pid) => {
    // `pid (name) state ppid pgrp session …`, and a name may hold anything.
    const stat = readIfAny(`/proc/${pid}/stat`) ?? ''
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]) === leader
  })
