/** Hosts that answer calls and one that passes them on, as far as HTTP can tell; and who asks there. */
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { Peer } from '../../src/peers/contract.ts'
import { openForward, type Forward } from '../../src/peers/forward.ts'
import { identity, serveAs, testAuthority } from './peers.ts'

export const authority = testAuthority()
export type Api = (
  request: IncomingMessage,
  response: ServerResponse,
  address: string,
) => void | Promise<void>

/** A control host whose API is `api`. */
export const control = async (
  t: Test,
  name: string,
  api: Api,
  admits: (peer: Peer) => boolean = () => true,
) => {
  const answer = (...call: Parameters<Api>): boolean => {
    void api(...call)
    return true
  }
  return (await serveAs(t, authority, name, { api: answer, admits })).port
}

type Door = { readonly port: number; readonly forward: Forward }

/** A host `router` that passes on to these, the likeliest first. */
export const door = async (t: Test, hosts: () => Readonly<Record<string, number>>): Promise<Door> => {
  const forward = openForward({
    authority: authority.certificate,
    ...identity(authority, 'router'),
    hosts: () => Object.entries(hosts()).map(([name, port]) => ({ name, address: '127.0.0.1', port })),
    refuse: (response, isUndone) => {
      response.writeHead(503, { 'retry-after': '2' }).end(isUndone ? 'undone' : 'perhaps done')
    },
  })
  const server = createServer((request, response) => forward.handle(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
    forward.close()
  })
  return { port: (server.address() as AddressInfo).port, forward }
}

type Answer = { readonly status: number; readonly text: string; readonly headers: IncomingMessage['headers'] }
export type Asked = {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** @throws when the answer breaks off */
export const ask = async ({ port }: Pick<Door, 'port'>, path: string, asked: Asked = {}): Promise<Answer> => {
  const { method = 'GET', headers = {}, body } = asked
  const request = httpRequest({ port, host: '127.0.0.1', path, method, headers, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response as AsyncIterable<Buffer>) text += chunk.toString()
  return { status: response.statusCode ?? 0, text, headers: response.headers }
}

export const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request as AsyncIterable<Buffer>) text += chunk.toString()
  return text
}
