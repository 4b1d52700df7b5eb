/**
 * A host of the cluster on a machine of the lab: `npm start`'s program on a home of its own, and what can be
 * done to it. Its API listens on its own loopback; a rule of the machine brings the lab's clients there.
 */
import { existsSync, mkdirSync, openSync, readFileSync, readSync, closeSync, statSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { apiClient, type ApiClient } from '../../../../src/client/client.ts'
import { headerOf, overHttp } from '../../../../src/client/over-http.ts'
import { isAlive, type ProcessId } from '../../../../src/system/process.ts'
import { command } from './command.ts'
import type { IncomingMessage } from 'node:http'
import type { Endpoint } from './dial.ts'
import type { Lab } from './lab.ts'
import type { Inmate, Machine } from './machine.ts'

export const apiPort = 5_000
export const routerPort = 8_080

export type Host = {
  readonly name: string
  readonly home: string
  readonly router: Endpoint
  /** Starts the host process; resolves when it says that it is ready. @throws Error with its last words */
  readonly start: (settings?: Readonly<Record<string, string>>) => Promise<void>
  /** Whether the host process lives. */
  readonly isUp: () => boolean
  /** SIGKILL of the host process alone. */
  readonly kill: () => Promise<void>
  /** SIGTERM; resolves when it has ended. */
  readonly stop: () => Promise<void>
  /** The bus server: `down` by SIGKILL, and not to be started again before `up`. */
  readonly bus: (state: 'down' | 'up') => Promise<void>
  /** To the router's shards, which the host process starts again when they are dead; or to the bus server. */
  readonly signal: (to: 'router' | 'bus', what: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT') => void
  readonly processes: () => readonly Inmate[]
  /** Its API, as the operator; each call has so long. */
  readonly api: (timeoutMs?: number) => ApiClient
  /** The operator's, which does not lie on every host. */
  readonly token: () => string
  /** A GET of its API, of what does not end by itself; no token is sent. */
  readonly listen: (path: string, headers?: Readonly<Record<string, string>>) => Promise<IncomingMessage>
  /** What it has logged since its machine was made. */
  readonly output: () => string
}

const project = join(import.meta.dirname, '../../../..')
const readyMsMax = 90_000
const endMsMax = 90_000
const apiMsMax = 25_000
const pollMs = 10
const readyPattern = /^manifold ready /m

export type HostOptions = {
  /** `zone=a`, or nothing. */
  readonly labels: string
  /** All of them when left out. */
  readonly roles: readonly string[] | undefined
  /** The host that began the cluster: its home holds the operator's token. */
  readonly founder: string
}

export const hostOn = (lab: Lab, name: string, { labels, roles, founder }: HostOptions): Host => {
  const home = lab.home(name)
  const token = (): string =>
    readFileSync(join(lab.seen(lab.home(founder)), 'keys/owner.token'), 'utf8').trim()
  const logFile = join(dirname(home), 'host.log')
  const server = join(lab.seen(home), 'bin/nats-server')
  const api = { address: lab.network.addressOf(name), port: apiPort }
  mkdirSync(join(dirname(home), 'user'), { recursive: true })
  let running: ProcessId | undefined

  const machine = (): Machine => {
    const found = lab.machine(name)
    if (found === undefined) throw new Error(`${name} has no power`)
    return found
  }
  const ended = async (id: ProcessId): Promise<void> => {
    const deadline = performance.now() + endMsMax
    while (isAlive(id)) {
      if (performance.now() > deadline) throw new Error(`${name} does not end:\n${tail(logFile, 0)}`)
      await pause(pollMs)
    }
  }
  const programs = {
    router: ({ words }: Inmate) => words[1]?.endsWith('/scripts/shard.ts') === true,
    bus: ({ words }: Inmate) => words[0]?.endsWith('/nats-server') === true,
  }
  const end = async (what: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    const id = running
    running = undefined
    if (id === undefined || !isAlive(id)) return
    process.kill(id.pid, what)
    await ended(id)
  }
  return {
    name,
    home,
    router: { address: lab.network.addressOf(name), port: routerPort },
    isUp: () => running !== undefined && isAlive(running),
    start: async (settings = {}) => {
      await openApi(machine())
      const from = existsSync(logFile) ? statSync(logFile).size : 0
      const id = await machine().launch({
        // As `npm start` has it, with what is kept of compiled programs: a lab starts a dozen of them.
        argv: ['bash', join(project, 'scripts/node'), join(project, 'scripts/start.ts')],
        env: {
          PATH: process.env['PATH'] ?? '',
          HOME: join(dirname(home), 'user'),
          MANIFOLD_HOME: home,
          MANIFOLD_PORT: String(apiPort),
          MANIFOLD_ROUTER_PORT: String(routerPort),
          MANIFOLD_ADDRESS: lab.network.addressOf(name),
          MANIFOLD_SAMPLE: '0',
          ...(labels === '' ? {} : { MANIFOLD_LABELS: labels }),
          ...(roles === undefined ? {} : { MANIFOLD_ROLES: roles.join(',') }),
          ...settings,
        },
        cwd: project,
        logFile,
      })
      running = id
      const deadline = performance.now() + readyMsMax
      while (!readyPattern.test(tail(logFile, from))) {
        if (!isAlive(id)) throw new Error(`${name} ended at its start:\n${tail(logFile, from)}`)
        if (performance.now() > deadline) throw new Error(`${name} is not ready:\n${tail(logFile, from)}`)
        await pause(pollMs)
      }
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    bus: async (state) => {
      const away = `${server}.away`
      if (state === 'up') {
        if (existsSync(away)) await rename(away, server)
        return
      }
      // Its host would start it again at once: the program is gone until it is to be back.
      if (existsSync(server)) await rename(server, away)
      for (const { pid } of machine().processes().filter(programs.bus)) process.kill(pid, 'SIGKILL')
    },
    signal: (to, what) => {
      const found = machine().processes().filter(programs[to])
      if (found.length === 0 && what !== 'SIGCONT')
        throw new Error(`${name} has no ${to} that ${what} could reach`)
      for (const { pid } of found) process.kill(pid, what)
    },
    processes: () => lab.machine(name)?.processes() ?? [],
    token,
    api: (timeoutMs = apiMsMax) =>
      apiClient(
        overHttp(async ({ method, path, headers: own, body }) => {
          const headers = { host: `localhost:${apiPort}`, ...own }
          const call = { method, path, headers, timeoutMs, ...(body !== undefined && { body }) }
          const answer = await lab.exchange(api, call)
          return { status: answer.status, text: answer.body, header: headerOf(answer.headers) }
        }, token()),
      ),
    listen: (path, headers) =>
      lab.listen(api, {
        path,
        headers: { host: `localhost:${apiPort}`, ...headers },
        timeoutMs: apiMsMax,
      }),
    output: () => tail(logFile, 0),
  }
}

const tail = (file: string, from: number): string => {
  if (!existsSync(file)) return ''
  const bytes = Buffer.alloc(Math.max(0, statSync(file).size - from))
  const handle = openSync(file, 'r')
  try {
    return bytes.toString('utf8', 0, readSync(handle, bytes, 0, bytes.length, from))
  } finally {
    closeSync(handle)
  }
}

/** The machine's own rule: what clients send to its API's port comes in on its loopback. */
const openApi = async (machine: Machine): Promise<void> => {
  const table = 'table ip lab'
  const rule = `iifname "eth0" tcp dport ${apiPort} dnat to 127.0.0.1:${apiPort}`
  const chain = `chain prerouting {\ntype nat hook prerouting priority -100; policy accept;\n${rule}\n}`
  await command(machine.inside(['nft', '-f', '-']), `${table}\ndelete ${table}\n${table} {\n${chain}\n}\n`)
  const script = 'echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet'
  await command(machine.inside(['sh', '-c', script]))
}
