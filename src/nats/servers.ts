/**
 * The servers a client may connect to: a list that changes while it is connected, and TLS where the way
 * leaves this machine.
 *
 * The client library takes one list and one TLS setting for good; both are read again by it at each attempt,
 * so they are replaced in place here (its version is pinned, and the tests would notice). A server on the
 * loopback address is used without TLS unless the URL says `tls:`; elsewhere a certificate of our authority
 * is required once there is one.
 */
import assert from 'node:assert/strict'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import type { NatsConnection, TlsOptions } from 'nats'

type ListedServer = { readonly listen: string; readonly hostname: string }
type ServerList = {
  readonly getServers: () => ListedServer[]
  readonly getCurrentServer: () => ListedServer
  readonly addServer: (hostAndPort: string) => void
}
type Internals = {
  readonly options: { readonly tls?: unknown }
  readonly protocol: { readonly servers: ServerList }
}

/** `host:port` of a URL. */
export const hostAndPort = (url: string): string => new URL(url).host

/** What the client is to do about TLS with this server; null: plain. */
export const tlsFor = (url: string, ca: string | undefined): TlsOptions | null | undefined => {
  const { protocol, hostname } = new URL(url)
  if (protocol !== 'tls:') {
    if (isLoopback(hostname)) return null
    // An external bus decides by itself, with the machine's own authorities.
    if (ca === undefined) return undefined
  }
  // The library leaves the name out where it dials an address, and Node then checks for "localhost".
  const check = (_: string, certificate: PeerCertificate) =>
    checkServerIdentity(hostname.replace(/^\[|\]$/g, ''), certificate)
  return { ...(ca === undefined ? {} : { ca }), checkServerIdentity: check } as TlsOptions
}

/** @returns a function that replaces the list; what is connected stays until it breaks */
export const listServers = (
  client: NatsConnection,
  urls: readonly string[],
  ca: string | undefined,
): ((urls: readonly string[]) => void) => {
  const { options, protocol } = client as unknown as Internals
  const { servers } = protocol
  let tls = new Map<string, TlsOptions | null | undefined>()
  const set = (next: readonly string[]): void => {
    assert(next.length > 0, 'a client needs a server')
    tls = new Map(next.map((url) => [hostAndPort(url), tlsFor(url, ca)]))
    const listed = servers.getServers()
    for (let at = listed.length - 1; at >= 0; at -= 1) if (!tls.has(listed[at]!.listen)) listed.splice(at, 1)
    for (const one of tls.keys()) {
      if (!listed.some(({ listen }) => listen === one)) servers.addServer(one)
    }
    // It goes on after the one it has: the first of the list comes first again.
    const order = [...tls.keys()]
    listed.sort((a, b) => order.indexOf(a.listen) - order.indexOf(b.listen))
  }
  set(urls)
  Object.defineProperty(options, 'tls', {
    configurable: true,
    enumerable: true,
    get: () => {
      const { listen } = servers.getCurrentServer()
      return tls.has(listen) ? tls.get(listen) : tlsFor(`nats://${listen}`, ca)
    },
  })
  return set
}

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
