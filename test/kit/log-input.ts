/**
 * Log input of a test's own: real sockets and TLS; the API behind it is that of api.ts, and what comes to
 * channels is kept here, or held up for as long as the test says.
 */
import { connect } from 'node:net'
import type { Test } from 'tap'
import type { ApiRequests } from '../../actors/api/face/face.ts'
import { openLogInput } from '../../actors/main/log-input.ts'
import { requestsElsewhere, serveRequests } from '../../actors/main/requests-elsewhere.ts'
import { packBatch } from '../../actors/logplex/packed.ts'
import { lineShape, type Line, type Part } from '../../actors/protocols/channel.ts'
import { PeerFailed } from '../../src/peers/contract.ts'
import { StoreUnavailable, type Store } from '../../src/ports/store.ts'
import type { Stream } from '../../src/ports/stream.ts'
import { checker } from '../../src/runtime/schema.ts'
import { systemClock } from '../../src/system/clock.ts'
import { systemRandom } from '../../src/system/random.ts'
import { apiToken, openApi, type Json } from './api.ts'

export type Arrived = Part & { readonly appId: string }

const takes = checker(lineShape)

/** @param isElsewhere the API is another host's */
export const openInput = async (t: Test, isElsewhere = false) => {
  const opened = await openApi(t)
  const arrived: Arrived[] = []
  const logs: Readonly<Record<string, unknown>>[] = []
  const history = new Map<string, Uint8Array[]>()
  /** Channels answer once this resolves. */
  const gate: { open: Promise<void>; storeIsAway: boolean; isConnected: boolean } = {
    open: Promise.resolve(),
    storeIsAway: false,
    isConnected: true,
  }
  const readable = async <T>(read: () => Promise<T>): Promise<T> => {
    if (gate.storeIsAway) throw new StoreUnavailable('no leader', 'no')
    return read()
  }
  const store: Store = {
    ...opened.store,
    get: (key) => readable(() => opened.store.get(key)),
    peek: (key) => readable(() => opened.store.peek(key)),
  }
  const stream = {
    read: async (key: string) => (history.get(key) ?? []).map((bytes, at) => ({ sequence: at + 1, bytes })),
  } as unknown as Stream
  const ask = async (to: { to: string; key: string }, message: Json, options: unknown): Promise<unknown> => {
    if (to.to !== 'channel') return opened.world.node.ask(to, message as never, options as never)
    await gate.open
    const part = message as Part
    // A channel would turn such a line away each time it is brought.
    for (const fault of part.lines.map(takes)) if (fault !== undefined) t.fail(JSON.stringify(fault))
    arrived.push({ appId: to.key, ...part })
    return {}
  }
  const requests: ApiRequests = {
    async ask(subject, bytes, _timeoutMs, headers) {
      const handled = await opened.service.get(subject)?.handle(bytes, (name) => headers[name])
      if (handled === undefined) throw new Error(`nobody serves ${subject}`)
      return { bytes: handled.bytes, header: (name) => handled.headers[name] }
    },
  }
  const calls = serveRequests(() => requests)
  const peers = {
    call: async (host: string, path: string, body: unknown): Promise<unknown> => {
      if (host === 'gone') throw new PeerFailed('peer_unreachable', 'no connection')
      return calls[path]?.(JSON.parse(JSON.stringify(body)), { name: 'here', key: '' })
    },
  }
  const input = await openLogInput({
    host: 'here',
    listen: { host: '127.0.0.1', port: 0 },
    certificate: opened.certificates.server,
    bus: { store, history: stream, connection: { connected: () => gate.isConnected } },
    node: { ask: ask as never },
    requests: isElsewhere ? requestsElsewhere(() => ['gone', 'other'], peers) : requests,
    random: systemRandom,
    clock: systemClock,
    log: (fields) => void logs.push(fields),
  })
  t.teardown(() => input.close())
  const url = `http://127.0.0.1:${input.port}`
  const http = async (
    method: string,
    path: string,
    body?: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ) => {
    const answer = await fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
    const text = await answer.text()
    return { status: answer.status, text, headers: Object.fromEntries(answer.headers) }
  }
  const manage = async (method: string, path: string, body?: unknown) => {
    const login = Buffer.from(`:${apiToken}`).toString('base64')
    const sent = body === undefined ? undefined : JSON.stringify(body)
    const answer = await http(method, path, sent, { authorization: `Basic ${login}` })
    return { ...answer, body: (answer.text === '' ? {} : JSON.parse(answer.text)) as Json }
  }
  /** An app with one token. */
  const channel = async (app: string, name: string): Promise<{ id: string; token: string }> => {
    const made = await opened.http('POST', '/apps', { name: app })
    const store = { type: 'changeLogTokens', add: [name], remove: [] } as never
    const to = { to: 'app', key: made.body['id'] as string } as never
    const { tokens } = (await opened.world.node.ask(to, store, { timeoutMs: 1000 })) as Json
    return { id: made.body['id'] as string, token: (tokens as { token: string }[])[0]?.token ?? '' }
  }
  const post = (
    token: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): ReturnType<typeof http> =>
    http('POST', '/logs', body, {
      authorization: `Basic ${Buffer.from(`token:${token}`).toString('base64')}`,
      'content-type': 'application/logplex-1',
      ...headers,
    })
  return {
    ...opened,
    input,
    arrived,
    logs,
    gate,
    http,
    manage,
    peers,
    channel,
    post,
    dial: () => connect(input.port, '127.0.0.1'),
    keep: (appId: string, lines: readonly Line[]) =>
      void history.set(appId, [...(history.get(appId) ?? []), packBatch({ first: 0, lines })]),
    count: (): number => arrived.reduce((sum, { lines }) => sum + lines.length, 0),
    /** `source[process]: text` of all that came. */
    texts: (appId?: string): readonly string[] =>
      arrived
        .filter((one) => appId === undefined || one.appId === appId)
        .flatMap(({ lines }) =>
          lines.map(({ source, process, text }) => `${source}[${process}]: ${Buffer.from(text).toString()}`),
        ),
  }
}

/** One frame as senders write it. */
export const frame = (text: string, token = 'token', structured = '- '): string => {
  const message = `<190>1 2023-11-14T22:13:20.123456+00:00 shuttle ${token} worker.1 - ${structured}${text}`
  return `${Buffer.byteLength(message)} ${message}`
}
