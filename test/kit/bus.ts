/**
 * A nats-server of a test's own: its own folder and port, gone with the test; and a client that is not ours,
 * which speaks the protocol on a bare socket.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as dial, type Socket } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Connection } from '../../src/nats/connection.ts'
import type { Login } from '../../src/nats/config.ts'
import { startServer, type Server, type ServerOptions } from '../../src/nats/server.ts'
import { systemRandom } from '../../src/system/random.ts'
import type { Ends } from './ends.ts'
import { until } from './until.ts'

/** Where setup puts it. */
export const natsServer = join(homedir(), '.manifold/bin/nats-server')

export type Bus = {
  readonly options: ServerOptions
  /** The one that runs now. */
  readonly server: () => Server
  /** A connection of the platform's user, closed with the test. */
  readonly join: (host: string, settings?: { readonly pingMs?: number }) => Promise<Connection>
  /** SIGKILL. Resolves when it is gone. */
  readonly kill: () => Promise<void>
  /** Starts it again on the same folder. */
  readonly start: () => Promise<Server>
}

/** Options for a server in a folder that goes with the test, as does the server. */
export const busOptions = (t: Ends): ServerOptions => {
  const home = mkdtempSync(join(tmpdir(), 'manifold-bus-'))
  const options = {
    binary: natsServer,
    home,
    name: 'test',
    random: systemRandom,
    operatorSubjects: ['manifold.v1.api.>', '$SRV.>'],
  }
  t.teardown(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }))
  return options
}

export const openBus = async (t: Ends): Promise<Bus> => {
  const options = busOptions(t)
  let server = await startServer(options)
  const connections: Connection[] = []
  t.teardown(async () => {
    await Promise.all(connections.map((connection) => connection.close(200)))
    await server.stop()
  })
  return {
    options,
    server: () => server,
    async join(host, settings = {}) {
      const { user, password } = server.logins.platform
      const connection = await connect({ urls: [server.url], user, password, host, ...settings })
      connections.push(connection)
      return connection
    },
    async kill() {
      let gone = false
      server.onExit(() => {
        gone = true
      })
      process.kill(server.pid, 'SIGKILL')
      await until(() => gone, { what: 'the server to be gone' })
    },
    async start() {
      server = await startServer(options)
      return server
    },
  }
}

/** A client of another make: sends lines, and shows what came. */
export const bareClient = async (t: Ends, port: number, login: Login | undefined) => {
  const socket: Socket = dial({ host: '127.0.0.1', port })
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  const user = login === undefined ? {} : { user: login.user, pass: login.password }
  socket.write(
    `CONNECT ${JSON.stringify({ verbose: false, headers: true, no_responders: true, ...user })}\r\nPING\r\n`,
  )
  let subscriptions = 0
  const seen = (pattern: RegExp): Promise<RegExpExecArray> =>
    until(() => pattern.exec(text), { what: `${pattern} in ${JSON.stringify(text.slice(-500))}` })
  return {
    seen,
    send: (line: string) => socket.write(`${line}\r\n`),
    /** One request. @returns the text of what came after it */
    async ask(subject: string, body = ''): Promise<string> {
      const inbox = `_INBOX.${systemRandom.token(10)}`
      subscriptions += 1
      socket.write(
        `SUB ${inbox} ${subscriptions}\r\nPUB ${subject} ${inbox} ${Buffer.byteLength(body)}\r\n${body}\r\n`,
      )
      const [found] = await seen(
        new RegExp(`H?MSG ${inbox.replace('.', '\\.')} ${subscriptions} [\\d ]+\\r\\n[^]*\\r\\n`),
      )
      return found
    },
  }
}
