/**
 * What this host asks of others over HTTPS (contract.ts). A door to undici.
 *
 * A peer is known by its name: whatever address it has at the moment, its certificate must be of our
 * authority and bear that name. Every wait has a bound, and every failure is a `PeerFailed`.
 */
import { createHash } from 'node:crypto'
import type { Duplex, Readable } from 'node:stream'
import { Pool, type Dispatcher } from 'undici'
import { attachProtocol, PeerFailed, peerLimits as limits } from './contract.ts'
import { asPeerFailure } from './failure.ts'
import { framed } from './frames.ts'
import { isHost } from './identity.ts'
import { readText, refusalIn } from './json.ts'

export type PeersOptions = {
  /** PEM: whom to trust, and who we are. */
  readonly authority: string
  readonly certificate: string
  readonly key: string
  /** Where a host listens for others now. Undefined: nobody of that name. */
  readonly addressOf: (host: string) => { readonly address: string; readonly port: number } | undefined
}

export type Peers = {
  /**
   * A packed tree from the first of `hosts` that has it; when one fails on the way, the next goes on where it
   * stopped. Undefined: none of them has it (or answers). The stream throws `slug_corrupt` at its end when
   * the sum is wrong, and `peer_broken` when nobody was left to go on.
   */
  readonly fetchSlug: (
    sha256: string,
    hosts: readonly string[],
  ) => Promise<AsyncIterable<Uint8Array> | undefined>
  /**
   * Raw bytes to and from the client that waits on that host for this token; resolves, paused, when it has
   * come. `end` ends one direction alone; `close` without it: the client, or the way to it, is gone. Fails
   * with `peer_refused` (`reason`: `timeout`, `taken`…).
   */
  readonly attach: (host: string, token: string) => Promise<Duplex>
  /** The other side of it: bytes to and from the process that this token's client, here, meets there. */
  readonly meet: (host: string, token: string) => Promise<Duplex>
  /** POSTs JSON, gets JSON. @param timeoutMs for all of it; 10 s when left out */
  readonly call: (
    host: string,
    path: string,
    body: unknown,
    options?: { readonly timeoutMs?: number },
  ) => Promise<unknown>
  /** Closes every connection; what is under way fails. */
  readonly close: () => Promise<void>
}

export const openPeers = (options: PeersOptions): Peers => {
  const pools = new Map<string, { readonly origin: string; readonly pool: Pool }>()

  const poolOf = (host: string): Pool => {
    const found = options.addressOf(host)
    const known = pools.get(host)
    const origin = found && `https://${found.address}:${found.port}`
    if (known !== undefined && known.origin === origin) return known.pool
    // It moved, or is gone: what it still answers may come, no more is asked there.
    if (known !== undefined) void known.pool.close()
    pools.delete(host)
    if (origin === undefined) throw new PeerFailed('peer_unknown', `no host ${host} is known`)
    const pool = openPool(origin, host, options)
    pools.set(host, { origin, pool })
    return pool
  }

  /** @throws PeerFailed, `peer_refused` for every status but 200 and 206 */
  const ask = async (host: string, request: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> => {
    const answer = await poolOf(host)
      .request(request)
      .catch((error: unknown) => {
        throw asPeerFailure(host, error)
      })
    if (answer.statusCode === 200 || answer.statusCode === 206) return answer
    throw refusedBy(host, answer.statusCode, await bodyOf(host, answer.body))
  }

  const fetchSlug: Peers['fetchSlug'] = async (sha256, hosts) => {
    const left = hosts.slice(0, limits.peersMax)
    const signal = AbortSignal.timeout(limits.transferMs)
    /** Undefined: nobody left who has it. */
    const next = async (from: number): Promise<Source | undefined> => {
      for (let host = left.shift(); host !== undefined; host = left.shift()) {
        const headers = from === 0 ? {} : { range: `bytes=${from}-` }
        const path = `/slugs/${sha256}`
        const request = { method: 'GET', path, headers, signal, headersTimeout: limits.slugAnswerMs } as const
        const answer = await ask(host, request).catch(ignorePeerFailure)
        if (answer === undefined) continue
        if (answer.statusCode === (from === 0 ? 200 : 206)) return { host, body: answer.body }
        answer.body.destroy()
      }
      return undefined
    }
    const first = await next(0)
    return first && wholeSlug(sha256, first, next)
  }

  const call: Peers['call'] = async (host, path, body, { timeoutMs = limits.callMs } = {}) => {
    const text = JSON.stringify(body ?? null)
    const headers = { 'content-type': 'application/json' }
    const signal = AbortSignal.timeout(timeoutMs)
    // How long an answer may take is the caller's matter, and bounded by the signal.
    const patience = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs }
    const answer = await ask(host, { method: 'POST', path, headers, body: text, signal, ...patience })
    const said = await bodyOf(host, answer.body)
    try {
      return JSON.parse(said)
    } catch (error) {
      throw new PeerFailed('peer_broken', `${host} answered no JSON`, { cause: error })
    }
  }

  const upgraded = (host: string, path: string): Promise<Duplex> =>
    new Promise((resolve, reject) => {
      const pool = poolOf(host)
      const said: Buffer[] = []
      let bytes = 0
      let status = 0
      let late: NodeJS.Timeout | undefined
      const end = (): void => clearTimeout(late)
      pool.dispatch(
        {
          method: 'POST',
          path,
          upgrade: attachProtocol,
          headersTimeout: limits.attachMs,
        },
        {
          onRequestStart(controller) {
            late = setTimeout(() => controller.abort(new Error('no answer in time')), limits.attachMs)
          },
          onRequestUpgrade(_controller, _status, _headers, socket) {
            end()
            resolve(framed(socket))
          },
          onResponseStart(_controller, statusCode) {
            status = statusCode
          },
          onResponseData(_controller, chunk) {
            bytes += chunk.length
            if (bytes <= limits.headBytesMax) said.push(chunk)
          },
          onResponseEnd() {
            end()
            reject(refusedBy(host, status, Buffer.concat(said).toString('utf8')))
          },
          onResponseError(_controller, error) {
            end()
            reject(asPeerFailure(host, error))
          },
        },
      )
    })

  return {
    fetchSlug,
    call,
    attach: async (host, token) => upgraded(host, `/attach/${token}`),
    meet: async (host, token) => upgraded(host, `/client/${token}`),
    async close() {
      const all = [...pools.values()]
      pools.clear()
      await Promise.all(all.map(({ pool }) => pool.destroy()))
    },
  }
}

const openPool = (origin: string, host: string, options: PeersOptions): Pool =>
  new Pool(origin, {
    connections: limits.connectionsPerPeerMax,
    headersTimeout: limits.callMs,
    bodyTimeout: limits.silenceMs,
    keepAliveTimeout: limits.idleMs,
    keepAliveMaxTimeout: limits.idleMs,
    maxHeaderSize: limits.headBytesMax,
    connect: {
      ca: options.authority,
      cert: options.certificate,
      key: options.key,
      minVersion: 'TLSv1.3',
      timeout: limits.connectMs,
      keepAliveInitialDelay: limits.keepAliveMs,
      // A resumed session would not ask again who is there.
      maxCachedSessions: 0,
      checkServerIdentity: isHost(host),
    },
  })

type Source = { readonly host: string; readonly body: Readable }

async function* wholeSlug(
  sha256: string,
  first: Source,
  next: (from: number) => Promise<Source | undefined>,
): AsyncIterable<Uint8Array> {
  const sum = createHash('sha256')
  let from = 0
  let cause: unknown
  for (let source: Source | undefined = first; source !== undefined; source = await next(from)) {
    try {
      for await (const chunk of source.body as AsyncIterable<Uint8Array>) {
        sum.update(chunk)
        from += chunk.length
        yield chunk
      }
    } catch (error) {
      cause = asPeerFailure(source.host, error)
      continue
    }
    if (sum.digest('hex') === sha256) return
    throw new PeerFailed('slug_corrupt', `what ${source.host} sent is not ${sha256}`)
  }
  throw new PeerFailed('peer_broken', `nobody could send the rest of ${sha256}`, { cause })
}

const ignorePeerFailure = (error: unknown): undefined => {
  if (!(error instanceof PeerFailed)) throw error
}

const bodyOf = async (host: string, body: Readable): Promise<string> => {
  const text = await readText(body as AsyncIterable<Uint8Array>, limits.bodyBytesMax).catch(
    (error: unknown) => {
      throw asPeerFailure(host, error)
    },
  )
  if (text === undefined) throw new PeerFailed('peer_broken', `${host} answered more than it may`)
  return text
}

const refusedBy = (host: string, status: number, said: string): PeerFailed => {
  const [reason, message] = refusalIn(said)
  return new PeerFailed('peer_refused', `${host} refused: ${message ?? `status ${status}`}`, {
    ...(reason !== undefined && { reason }),
  })
}
