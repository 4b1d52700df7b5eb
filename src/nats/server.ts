/**
 * The embedded nats-server: a child that outlives its parent and is found again by the next one.
 *
 * Whether one runs on a home is told by a kernel lock (flock) that the server itself holds for as long as it
 * lives, so two parents never start two, and no stale file ever blocks a start. Which process it is follows
 * from the pid file and is believed only when that process' own command line names this home's nats.conf.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Random } from '../ports/random.ts'
import { natsConf, type Logins } from './config.ts'
import { commandOf, isAlive, processOf, signal, type ProcessId } from '../system/process.ts'
import {
  choosePort,
  lastWords,
  loadLogins,
  openHome,
  readText,
  replaceText,
  type Paths,
} from './server-home.ts'

export type ServerOptions = {
  /** Path of a nats-server, 2.12 or newer. */
  readonly binary: string
  /** Folder of its own: configuration, keys, log and the JetStream store. */
  readonly home: string
  readonly name: string
  readonly random: Random
  readonly operatorSubjects: readonly string[]
  /** Left out: the one it had before, else a free one. */
  readonly port?: number
  /** How long recovery of the store may take before the start counts as failed. */
  readonly readyMsMax?: number
  /** Called about once a second while it is not ready. */
  readonly onProgress?: (progress: { readonly what: string; readonly elapsedMs: number }) => void
}

export type Server = {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** It was running before. */
  readonly adopted: boolean
  readonly logins: Logins
  /** Calls back once when the process is gone, for whatever reason. */
  readonly onExit: (gone: () => void) => void
  /**
   * SIGTERM, which lets the store close and clients move; SIGKILL only after `killAfterMs`.
   * @returns how it went
   */
  readonly stop: (killAfterMs?: number) => Promise<'stopped' | 'killed'>
}

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

const address = '127.0.0.1'
/** Of util-linux, which every Debian has. */
const flock = '/usr/bin/flock'
const versionMin = [2, 12] as const
const readyMsMaxDefault = 120_000
const killAfterMsDefault = 30_000
const pollMs = 20
const exitPollMs = 250
const progressMs = 1_000
/** What `flock` exits with when somebody else holds the lock. */
const lockedExitCode = 75
const bindTriesMax = 3

/**
 * Starts the server of this home, or adopts the one that runs. Resolves when clients can connect and
 * JetStream is up.
 * @throws ServerFailed
 */
export const startServer = async (options: ServerOptions): Promise<Server> => {
  await checkVersion(options.binary)
  const paths = openHome(options.home)
  const logins = loadLogins(paths, options.random)
  const conf = natsConf({
    name: options.name,
    storeDir: paths.store,
    logFile: paths.log,
    pidFile: paths.pid,
    logins,
    operatorSubjects: options.operatorSubjects,
  })
  const changed = readText(paths.conf) !== conf
  if (changed) replaceText(paths.conf, conf)

  const running = find(paths)
  if (running !== undefined) {
    // What the server can change while it runs it takes now; the rest at its next start.
    if (changed) signal(running.id, 'SIGHUP')
    await ready(running, undefined, paths, options)
    return serverOf(running, true, logins)
  }
  for (let tries = 1; ; tries += 1) {
    const port = await choosePort(paths, address, options.port)
    const started = await launch(paths, options, port)
    if (started !== 'port taken') return serverOf(started.found, started.adopted, logins)
    if (tries === bindTriesMax) {
      throw new ServerFailed('nats_server_failed', `nats-server found its port taken ${tries} times`)
    }
  }
}

type Found = { readonly id: ProcessId; readonly port: number }

/** The server of this home, if its pid file names a process that says so itself. */
const find = (paths: Paths): Found | undefined => {
  const pid = Number(readText(paths.pid)?.trim())
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined
  const id = processOf(pid)
  const words = commandOf(pid)
  if (id === undefined || words[words.indexOf('-c') + 1] !== paths.conf) return undefined
  const port = Number(words[words.indexOf('-p') + 1])
  return Number.isSafeInteger(port) && port > 0 ? { id, port } : undefined
}

const launch = async (
  paths: Paths,
  options: ServerOptions,
  port: number,
): Promise<{ found: Found; adopted: boolean } | 'port taken'> => {
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
    ].concat(['-c', paths.conf, '-a', address, '-p', String(port)]),
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
    const found = { id, port }
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
const awaitOther = async (paths: Paths, options: ServerOptions): Promise<Found> => {
  const deadline = performance.now() + (options.readyMsMax ?? readyMsMaxDefault)
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

const ready = async (
  found: Found,
  exit: Exit | undefined,
  paths: Paths,
  { name, readyMsMax = readyMsMaxDefault, onProgress }: ServerOptions,
): Promise<'ready' | 'ended'> => {
  const startedMs = performance.now()
  let reportedMs = 0
  for (;;) {
    if (exit?.ended || !isAlive(found.id)) return 'ended'
    // What answers on this port may be the server that another parent has just started: the pid file tells.
    if ((await answers(found.port, name)) && find(paths)?.id.pid === found.id.pid) return 'ready'
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
const answers = (port: number, name: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port })
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

const serverOf = (found: Found, adopted: boolean, logins: Logins): Server => ({
  url: `nats://${address}:${found.port}`,
  port: found.port,
  pid: found.id.pid,
  adopted,
  logins,
  onExit(gone) {
    const timer = setInterval(() => {
      if (isAlive(found.id)) return
      clearInterval(timer)
      gone()
    }, exitPollMs)
    timer.unref()
  },
  async stop(killAfterMs = killAfterMsDefault) {
    signal(found.id, 'SIGTERM')
    if (await endsWithin(found.id, killAfterMs)) return 'stopped'
    signal(found.id, 'SIGKILL')
    if (await endsWithin(found.id, killAfterMs)) return 'killed'
    throw new ServerFailed('nats_server_failed', `nats-server ${found.id.pid} does not die`)
  },
})

const endsWithin = async (id: ProcessId, ms: number): Promise<boolean> => {
  const deadline = performance.now() + ms
  while (isAlive(id)) {
    if (performance.now() > deadline) return false
    await pause(pollMs)
  }
  return true
}

/** 2.9 breaks compare-and-set in clusters, 2.10 has no expiring markers: refuse them with a clear line. */
const checkVersion = async (binary: string): Promise<void> => {
  const said = await promisify(execFile)(binary, ['--version']).catch((error: unknown) => {
    throw new ServerFailed('nats_server_version', `cannot run ${binary}`, { cause: error })
  })
  const [, major, minor] = /v(\d+)\.(\d+)\./.exec(said.stdout) ?? []
  const [majorMin, minorMin] = versionMin
  if (Number(major) > majorMin || (Number(major) === majorMin && Number(minor) >= minorMin)) return
  throw new ServerFailed('nats_server_version', `${binary} is ${said.stdout.trim()}; 2.12 or newer is needed`)
}
