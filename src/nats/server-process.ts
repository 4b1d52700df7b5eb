/**
 * One nats-server process: found by what its own command line says, launched under a kernel lock, awaited
 * until JetStream is up, ended.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { commandOf, isAlive, processOf, signal, type ProcessId } from '../system/process.ts'
import { lastWords, readText, type Paths } from './server-home.ts'

export type ServerErrorCode = 'nats_server_version' | 'nats_server_failed' | 'nats_server_slow'
/** The server could not be started; the message says why in one line. */
export class ServerFailed extends Error {
  override readonly name = 'ServerFailed'
  readonly code: ServerErrorCode
  constructor(code: ServerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export type LaunchOptions = {
  readonly binary: string
  readonly home: string
  readonly name: string
  /** Address to listen on. */
  readonly address: string
  readonly readyMsMax: number
  readonly onProgress?:
    | ((progress: { readonly what: string; readonly elapsedMs: number }) => void)
    | undefined
}
export type Found = { readonly id: ProcessId; readonly address: string; readonly port: number }

/** Of util-linux, which every Debian has. */
const flock = '/usr/bin/flock'
const versionMin = [2, 12] as const
const pollMs = 20
const progressMs = 1_000
/** What `flock` exits with when somebody else holds the lock. */
const lockedExitCode = 75

/** The server of this home, if its pid file names a process that says so itself. */
export const find = (paths: Paths): Found | undefined => {
  const pid = Number(readText(paths.pid)?.trim())
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined
  const id = processOf(pid)
  const words = commandOf(pid)
  if (id === undefined || words[words.indexOf('-c') + 1] !== paths.conf) return undefined
  const address = words[words.indexOf('-a') + 1]
  const port = Number(words[words.indexOf('-p') + 1])
  return address !== undefined && Number.isSafeInteger(port) && port > 0 ? { id, address, port } : undefined
}

/** Where this machine reaches a server that listens on `address`. */
export const reachable = (address: string): string => (address === '0.0.0.0' ? '127.0.0.1' : address)

/** Starts it, unless another parent does so just now: then that one's is found. @throws ServerFailed */
export const launch = async (
  paths: Paths,
  options: LaunchOptions,
  port: number,
): Promise<{ readonly found: Found; readonly adopted: boolean } | 'port taken'> => {
  const stderr = openSync(paths.stderr, 'w', 0o600)
  // --no-fork: flock becomes the server, so the lock lives exactly as long as it, whatever becomes of us.
  const child = spawn(
    flock,
    [
      '--nonblock',
      '--no-fork',
      '--conflict-exit-code',
      String(lockedExitCode),
      paths.lock,
      options.binary,
    ].concat(['-c', paths.conf, '-a', options.address, '-p', String(port)]),
    { detached: true, stdio: ['ignore', 'ignore', stderr], cwd: options.home, env: {} },
  )
  closeSync(stderr)
  const exit = watchExit(child)
  await once(child, 'spawn').catch((error: unknown) => {
    throw new ServerFailed('nats_server_failed', `cannot start ${flock}`, { cause: error })
  })
  child.unref()
  const pid = child.pid ?? 0
  const id = processOf(pid)
  if (id !== undefined) {
    const found = { id, address: options.address, port }
    const outcome = await ready(found, exit, paths, options)
    if (outcome === 'ready') return { found, adopted: false }
  }
  // Its process is gone, its exit code may be one turn of the event loop away.
  while (!exit.ended) await pause(pollMs)
  if (exit.code === lockedExitCode) return { found: await awaitOther(paths, options), adopted: true }
  const words = lastWords(paths)
  if (words.includes('address already in use')) return 'port taken'
  throw new ServerFailed(
    'nats_server_failed',
    `nats-server ended at once (code ${exit.code ?? 'none'}): ${words}`,
  )
}

/** Another parent is just starting it: waits for that one. */
const awaitOther = async (paths: Paths, options: LaunchOptions): Promise<Found> => {
  const deadline = performance.now() + options.readyMsMax
  for (;;) {
    const found = find(paths)
    if (found !== undefined && (await ready(found, undefined, paths, options)) === 'ready') return found
    if (performance.now() > deadline) {
      throw new ServerFailed('nats_server_slow', `the lock ${paths.lock} is held but no nats-server answers`)
    }
    await pause(pollMs)
  }
}

type Exit = { code: number | undefined; ended: boolean }

const watchExit = (child: ChildProcess): Exit => {
  const exit: Exit = { code: undefined, ended: false }
  child.once('exit', (code) => {
    exit.code = code ?? undefined
    exit.ended = true
  })
  return exit
}

/** Resolves when clients can connect and JetStream is up. @throws ServerFailed `nats_server_slow` */
export const ready = async (
  found: Found,
  exit: Exit | undefined,
  paths: Paths,
  { name, readyMsMax, onProgress }: LaunchOptions,
): Promise<'ready' | 'ended'> => {
  const startedMs = performance.now()
  let reportedMs = 0
  for (;;) {
    if (exit?.ended || !isAlive(found.id)) return 'ended'
    // What answers on this port may be the server that another parent has just started: the pid file tells.
    if ((await answers(found, name)) && find(paths)?.id.pid === found.id.pid) return 'ready'
    const elapsedMs = performance.now() - startedMs
    if (elapsedMs > readyMsMax) {
      throw new ServerFailed(
        'nats_server_slow',
        `nats-server is not ready after ${readyMsMax} ms: ${lastWords(paths)}`,
      )
    }
    if (elapsedMs - reportedMs >= progressMs) {
      reportedMs = elapsedMs
      onProgress?.({ what: 'nats-server recovers its store', elapsedMs: Math.round(elapsedMs) })
    }
    await pause(pollMs)
  }
}

/** The greeting of a NATS server is one line, `INFO {…}`: it must be ours, with JetStream up. */
export const answers = ({ address, port }: Pick<Found, 'address' | 'port'>, name: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: reachable(address), port })
    let text = ''
    const end = (good: boolean): void => {
      socket.destroy()
      resolve(good)
    }
    socket.setTimeout(1_000, () => end(false))
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8')
      const line = /^INFO (\{.*\})\s*\r\n/.exec(text)?.[1]
      if (line === undefined) return text.length > 65_536 ? end(false) : undefined
      const info = JSON.parse(line) as { server_name?: string; jetstream?: boolean }
      end(info.server_name === name && info.jetstream === true)
    })
  })

/**
 * SIGTERM, which lets the store close and clients move; SIGKILL only after `killAfterMs`.
 * @throws ServerFailed when even that does not end it
 */
export const end = async (found: Found, killAfterMs: number): Promise<'stopped' | 'killed'> => {
  signal(found.id, 'SIGTERM')
  if (await endsWithin(found.id, killAfterMs)) return 'stopped'
  signal(found.id, 'SIGKILL')
  if (await endsWithin(found.id, killAfterMs)) return 'killed'
  throw new ServerFailed('nats_server_failed', `nats-server ${found.id.pid} does not die`)
}

const endsWithin = async (id: ProcessId, ms: number): Promise<boolean> => {
  const deadline = performance.now() + ms
  while (isAlive(id)) {
    if (performance.now() > deadline) return false
    await pause(pollMs)
  }
  return true
}

/** 2.9 breaks compare-and-set in clusters, 2.10 has no expiring markers: refuse them with a clear line. */
export const checkVersion = async (binary: string): Promise<void> => {
  const said = await promisify(execFile)(binary, ['--version']).catch((error: unknown) => {
    throw new ServerFailed('nats_server_version', `cannot run ${binary}`, { cause: error })
  })
  const [, major, minor] = /v(\d+)\.(\d+)\./.exec(said.stdout) ?? []
  const [majorMin, minorMin] = versionMin
  if (Number(major) > majorMin || (Number(major) === majorMin && Number(minor) >= minorMin)) return
  throw new ServerFailed('nats_server_version', `${binary} is ${said.stdout.trim()}; 2.12 or newer is needed`)
}
