/**
 * Where the cases of test/proxy are played: a router between raw sockets, be it the engine alone, the router
 * of a host as it runs, or another program. Each case gets a place of its own: a host name and a dyno.
 */
import { connect } from 'node:net'
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import type { Decision } from '../../src/proxy/contract.ts'
import type { Ends } from './ends.ts'
import { Peer, startProxy, startTarget, upstream, type Target } from './proxy.ts'
import { startRouterHost } from './router-host.ts'
import { until } from './until.ts'

export type PlaceOptions = {
  /** Connections to the dyno are kept between requests; default true. */
  readonly keepAlive?: boolean
  /** `Expect: 100-continue` is the dyno's affair. */
  readonly endToEndContinue?: boolean
  /** Called for each connection to the dyno. */
  readonly onDyno?: (peer: Peer) => void
}

/** A router that can be told of dynos. */
export type Stage = {
  readonly name: string
  readonly open: (options?: PlaceOptions) => Promise<Place>
}

export type Place = {
  /** The name that leads to the dyno; what stands for HOST in raw texts. */
  readonly host: string
  readonly port: number
  readonly dyno: Target
  /** Opens a client connection and sends raw text, as `raw` writes it. */
  readonly client: (text?: string) => Peer
  /** The router's access line of a request to this place that matches, once it is there; null: has none. */
  readonly line: ((pattern: RegExp) => Promise<string>) | null
  /** From now on the app's dyno is the one at this port; null: nobody can tell it so. */
  readonly moveTo: ((port: number) => Promise<void>) | null
  readonly close: () => Promise<void>
}

/** Raw text as cases write it: a line end is CRLF, ␊ a bare LF, ␍ a bare CR, HOST the place's name. */
export const raw = (text: string, host: string): string =>
  text.replaceAll('\n', '\r\n').replaceAll('␊', '\n').replaceAll('␍', '\r').replaceAll('HOST', host)

const placeAt = async (
  where: { readonly host: string; readonly port: number; readonly dyno: Target },
  told: Pick<Place, 'line' | 'moveTo'>,
): Promise<Place> => {
  const peers: Peer[] = []
  return {
    ...where,
    ...told,
    client: (text = '') => {
      const peer = new Peer(connect({ port: where.port, host: '127.0.0.1', allowHalfOpen: true }))
      peers.push(peer)
      return text === '' ? peer : peer.send(raw(text, where.host))
    },
    close: async () => {
      for (const peer of peers) peer.socket.destroy()
      await where.dyno.close()
    },
  }
}

/** A program that listens somewhere and forwards to the dyno it was told of at its start. */
export const placeBefore = (port: number, dyno: Target): Promise<Place> =>
  placeAt({ host: 'localhost', port, dyno }, { line: null, moveTo: null })

/** The engine by itself, in this process. */
export const engineStage = async (t: Ends): Promise<Stage> => {
  const routes = new Map<string, Decision>()
  const world = await startProxy(
    t,
    (host) => routes.get(host) ?? { kind: 'refuse', app: null, code: '', status: 404, description: 'none' },
  )
  let places = 0
  return {
    name: 'engine',
    async open({ keepAlive = true, endToEndContinue = false, onDyno } = {}) {
      const dyno = await startTarget(onDyno)
      const host = `app-${(places += 1)}.example`
      const moveTo = async (port: number): Promise<void> => {
        const targets = [upstream(port, 'web.1', port)]
        routes.set(host, { kind: 'route', app: host, targets, keepAlive, endToEndContinue })
      }
      await moveTo(dyno.port)
      const lines = () => world.records.filter(({ app }) => app === host).map(formatAccessLine)
      const line = (pattern: RegExp): Promise<string> =>
        until(() => lines().find((one) => pattern.test(one)), {
          what: `${pattern} in ${JSON.stringify(lines())}`,
        })
      return placeAt({ host, port: world.port, dyno }, { line, moveTo })
    },
  }
}

/** The router of a host as it runs: its processes, bus and record. */
export const routerStage = async (t: Ends): Promise<Stage> => {
  const router = await startRouterHost(t)
  let apps = 0
  return {
    name: 'router',
    async open({ keepAlive = true, endToEndContinue = false, onDyno } = {}) {
      const dyno = await startTarget(onDyno)
      const number = (apps += 1)
      const features = [
        ...(keepAlive ? [] : ['http-disable-keepalive-to-dyno']),
        ...(endToEndContinue ? ['http-end-to-end-continue'] : []),
      ]
      const plan = (port: number) => router.app(number, { dynos: [{ port }], features })
      const host = await plan(dyno.port)
      return placeAt(
        { host, port: router.port, dyno },
        {
          line: (pattern) => router.line(number, pattern),
          moveTo: async (port) => void (await plan(port)),
        },
      )
    },
  }
}
