/**
 * Log input on a host of role `logplex`: one port, in clear and by TLS. Lines come in by HTTP or as syslog
 * frames, told apart by the first byte. Logplex's API is there too, which gives the tokens.
 */
import type { Duplex } from 'node:stream'
import { channelLogsMount } from '../api/face/channel-logs.ts'
import { createFace, type ApiRequests } from '../api/face/face.ts'
import { sayText, type Mount } from '../api/face/mount.ts'
import { askFailureOf } from '../api/errors.ts'
import { patient } from '../api/patience.ts'
import { channels } from '../api/resources/channels.ts'
import { nearHolderOf } from '../effects/perform/names.ts'
import { deliverThrough } from '../logplex/deliver.ts'
import { logsHandler } from '../logplex/input/http.ts'
import { createLanes } from '../logplex/input/lanes.ts'
import { syslogReader, type Astray } from '../logplex/input/syslog.ts'
import { createTokens, type Destination } from '../logplex/input/tokens.ts'
import { pastFrames } from '../logplex/past.ts'
import { App } from '../protocols/app.ts'
import type { Pair } from '../../src/certs/certificate.ts'
import { listenShared, type Other } from '../../src/http/shared-port.ts'
import type { Connection } from '../../src/nats/connection.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Random } from '../../src/ports/random.ts'
import { ref } from '../../src/runtime/index.ts'
import type { Node } from '../../src/runtime/node.ts'
import type { Bus } from './bus.ts'
import { seldomLog } from './seldom-log.ts'

export type LogInputDeps = {
  readonly host: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly certificate: Pair
  readonly bus: Pick<Bus, 'store' | 'history'> & { readonly connection: Pick<Connection, 'connected'> }
  readonly node: Pick<Node, 'ask'>
  readonly requests: ApiRequests
  readonly random: Random
  readonly clock: Clock
  readonly log: Log
}
export type LogInput = { readonly port: number; readonly close: () => Promise<void> }

const limits = { firstBytesMs: 30_000, connectionsMax: 1_024 }
/** log-shuttle's connections are kept for the next batch. */
const timeouts = { requestTimeout: 60_000, headersTimeout: 30_000, keepAliveTimeout: 65_000 }
const lookUpTimeoutMs = 3_000
const astrayEveryMs = 10_000
const closeGraceMs = 2_000
const emptyMsMax = 3_000

export const openLogInput = async (deps: LogInputDeps): Promise<LogInput> => {
  const { bus, node, requests, random, clock, log } = deps
  let isClosing = false
  const ending = (): boolean => isClosing
  const deliver = deliverThrough(() => node, clock)
  const lanes = createLanes({ deliver, source: `input:${deps.host}:${random.uuid()}`, clock })
  const tokens = createTokens(lookUpThrough(deps), () => clock.monotonicMs())
  const take = logsHandler({ tokens, lanes, clock, isClosing: ending })
  const http = await createFace({
    endpoints: channels,
    requests,
    mounts: [
      { at: (_, path) => (path === '/logs' ? take : undefined) },
      healthMount(() => !isClosing && bus.connection.connected()),
      channelLogsMount(requests, (appId, lines) => pastFrames(bus.history, appId, lines)),
    ],
    random,
    log,
    timeouts,
  })
  const { certificate, key } = deps.certificate
  const astray = countAstray(seldomLog(clock, log, astrayEveryMs))
  const read = syslogReader({ tokens, lanes, clock, isClosing: ending, astray })
  const shared = await listenShared(deps.listen, {
    http,
    tls: { certificate, key },
    other: byFirstByte((socket) => void read(socket)),
    limits,
  })
  return {
    port: shared.port,
    close: async () => {
      isClosing = true
      await shared.close(closeGraceMs)
      const lines = await lanes.empty(emptyMsMax)
      if (lines > 0) log({ at: 'log-input-lost', lines })
    },
  }
}

const lookUpThrough = ({
  bus,
  node,
  clock,
}: LogInputDeps): ((token: string) => Promise<Destination | undefined>) => {
  const ask = patient(clock, (to, message, options) => node.ask(to, message, options))
  return async (token) => {
    const appId = await nearHolderOf(bus.store, 'token', token)
    if (appId === undefined) return undefined
    try {
      const app = await ask(ref(App, appId), { type: 'info' }, { timeoutMs: lookUpTimeoutMs })
      const found = app.logTokens?.find((one) => one.token === token)
      return found && { appId, name: found.name }
    } catch (error) {
      if (askFailureOf(error)?.kind === 'refused') return undefined
      throw error
    }
  }
}

const letters = /^[A-Za-z]/

/** HTTP begins with a letter. Whatever else comes is a frame, or malformed. */
const byFirstByte =
  (read: (socket: Duplex) => void): Other =>
  (bytes, socket) =>
    letters.test(bytes.toString('latin1', 0, 1)) ? 'http' : { used: 0, next: () => read(socket) }

const healthMount = (isWell: () => boolean): Mount => ({
  at(method, path) {
    if (method !== 'GET' || !/^(?:\/v3)?\/healthcheck$/.test(path)) return undefined
    return (_, res) => (isWell() ? sayText(res, 200, 'OK') : sayText(res, 503, 'SYSTEM BOOTING'))
  },
})

/** What nobody can be told of: counted, and said now and then. */
const countAstray = (log: Log): ((what: Astray) => void) => {
  let all: Astray = { malformed: 0, unknownToken: 0 }
  return ({ malformed, unknownToken }) => {
    all = { malformed: all.malformed + malformed, unknownToken: all.unknownToken + unknownToken }
    log({ at: 'log-input-astray', malformed: all.malformed, unknown_token: all.unknownToken })
  }
}
