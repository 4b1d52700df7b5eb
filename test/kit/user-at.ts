/** A user at a host of the netns lab, on the machine's own API port: what is sent, and what is told of it. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect, type TLSSocket } from 'node:tls'
import type { IncomingMessage } from 'node:http'
import { apiPort, type Host } from '../../scripts/chaos/worlds/netns/host.ts'
import type { Answer } from '../../scripts/chaos/worlds/netns/dial.ts'
import type { Lab } from '../../scripts/chaos/worlds/netns/lab.ts'

const answerMsMax = 40_000

export type Sent = {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly key?: string
}

export type UserAt = {
  /** Rejects when there was no answer at all. */
  readonly send: (sent: Sent) => Promise<Answer>
  /** The tail of an app's log, as it comes. */
  readonly tail: (app: string) => Promise<IncomingMessage>
  /** A one-off dyno, attached: what it says, and who says it. */
  readonly run: (app: string, command: string) => Promise<TLSSocket>
}

export const userAt = (lab: Lab, host: Host): UserAt => {
  const endpoint = { address: host.router.address, port: apiPort }
  const send: UserAt['send'] = ({ method, path, body, key = randomUUID() }) =>
    lab.exchange(endpoint, {
      method,
      path,
      headers: {
        host: `localhost:${apiPort}`,
        authorization: `Bearer ${host.token()}`,
        accept: 'application/vnd.heroku+json; version=3',
        'idempotency-key': key,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      timeoutMs: answerMsMax,
    })
  return {
    send,
    tail: async (app) => {
      const session = await host.api().call('log-sessions.create', { params: { app }, body: { tail: true } })
      const { pathname, search } = new URL(session.logplex_url)
      return host.listen(pathname + search)
    },
    run: async (app, command) => {
      const body = { command, attach: true }
      const { attach_url: url } = await host.api().call('dynos.create', { params: { app }, body })
      const { pathname } = new URL(url ?? '')
      const socket = connect({
        socket: await lab.dial(endpoint),
        servername: 'localhost',
        // What `env` says there that the CLI is to trust.
        ca: readFileSync(lab.seen(authorityIn(readFileSync(`${lab.seen(host.home)}/env`, 'utf8')))),
      })
      socket.on('error', () => socket.destroy())
      socket.write(`${pathname.slice(1)}\r\n`)
      return socket
    },
  }
}

const authorityIn = (env: string): string => /^manifold_ca='(.+)'$/m.exec(env)?.[1] ?? ''
