/**
 * The embedded server's folder: where its files are, its passwords and its port, made once and then kept.
 *
 * Two parents may do this at the same time: what is made once is linked into place, and the second takes the
 * first's.
 */
import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import type { Random } from '../ports/random.ts'
import type { Logins } from './config.ts'

export type Paths = Readonly<
  Record<'conf' | 'pid' | 'lock' | 'log' | 'stderr' | 'port' | 'logins' | 'store', string>
>

const passwordLength = 40
const lastWordsMax = 400

/** Makes the folder, for its owner only. */
export const openHome = (home: string): Paths => {
  const store = join(home, 'store')
  mkdirSync(store, { recursive: true, mode: 0o700 })
  chmodSync(home, 0o700)
  return {
    conf: join(home, 'nats.conf'),
    pid: join(home, 'nats.pid'),
    lock: join(home, 'nats.lock'),
    log: join(home, 'nats.log'),
    stderr: join(home, 'nats.err'),
    port: join(home, 'port'),
    logins: join(home, 'logins.json'),
    store,
  }
}

/** The users and passwords of this home; made at its first start. */
export const loadLogins = (paths: Paths, random: Random): Logins => {
  const login = (user: string) => ({ user, password: random.token(passwordLength) })
  const fresh: Logins = { platform: login('platform'), operator: login('operator'), system: login('system') }
  return JSON.parse(keepFirst(paths.logins, JSON.stringify(fresh))) as Logins
}

/**
 * The port to listen on: the one asked for, else the one it had before while nobody else has it, else a free
 * one. The choice is kept, so that clients find the server again where it was.
 */
export const choosePort = async (
  paths: Paths,
  address: string,
  asked: number | undefined,
): Promise<number> => {
  if (asked !== undefined) return asked
  const kept = Number(readText(paths.port))
  if (Number.isSafeInteger(kept) && kept > 0) {
    if ((await freePort(address, kept)) === kept) return kept
    rmSync(paths.port, { force: true })
  }
  return Number(keepFirst(paths.port, String(await freePort(address, 0))))
}

/** The last of what the server said before it ended, in one line. */
export const lastWords = (paths: Paths): string => {
  const said = `${readText(paths.log)?.slice(-lastWordsMax) ?? ''}\n${readText(paths.stderr) ?? ''}`
  return said.trim().split('\n').slice(-3).join(' | ').slice(-lastWordsMax)
}

export const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Puts a whole new text in place of the old, durably: a reader sees one or the other, also after a crash. */
export const replaceText = (path: string, text: string): void => {
  const fresh = writeBeside(path, text)
  renameSync(fresh, path)
  const folder = openSync(dirname(path), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

/** @returns the text that is there; `text` itself when it was the first */
const keepFirst = (path: string, text: string): string => {
  const fresh = writeBeside(path, text)
  try {
    linkSync(fresh, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(fresh)
  }
  return readFileSync(path, 'utf8')
}

const writeBeside = (path: string, text: string): string => {
  const fresh = `${path}.${randomUUID()}`
  writeFileSync(fresh, text, { mode: 0o600, flag: 'wx', flush: true })
  return fresh
}

/** @returns `wanted` when it can be had (0: any), else 0 */
const freePort = (address: string, wanted: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(0) : reject(error),
    )
    probe.listen({ host: address, port: wanted, exclusive: true }, () => {
      const bound = probe.address()
      probe.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : 0))
    })
  })
