/** Hosts of a cluster for a test: an authority, certificates by it, listeners and clients on loopback. */
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import { issueHost, makeAuthority, makeKey, publicHalf, type Authority } from '../../src/certs/certificate.ts'
import { openPeers, type Peers, type PeersOptions } from '../../src/peers/client.ts'
import { PeerRefusal, type PeerHandlers } from '../../src/peers/contract.ts'
import { openPeerServer } from '../../src/peers/server.ts'

export const testAuthority = (commonName = 'Test authority'): Authority => ({
  ...makeAuthority(commonName, Date.now(), 10),
  commonName,
})

/** A host's certificate and key. */
export const identity = (authority: Authority, name: string) => {
  const key = makeKey()
  const names = ['localhost', '127.0.0.1']
  const wish = { commonName: name, publicKey: publicHalf(key), names, nowMs: Date.now(), days: 5 }
  return { certificate: issueHost(authority, wish), key }
}

const none = (): never => {
  throw new PeerRefusal('not_found', 'nothing here')
}

/** Listens as the host `name`; what it is not given it has nothing of. */
export const serveAs = async (
  t: Test,
  authority: Authority,
  name: string,
  handlers: Partial<PeerHandlers> = {},
): Promise<{ readonly port: number; readonly failures: unknown[] }> => {
  const failures: unknown[] = []
  const server = await openPeerServer({
    listen: { host: '127.0.0.1', port: 0 },
    ...identity(authority, name),
    authority: authority.certificate,
    handlers: {
      admits: () => true,
      join: async () => none(),
      slug: () => undefined,
      attach: async (): Promise<Duplex> => none(),
      client: () => false,
      api: () => false,
      call: async () => none(),
      failed: (_path, error) => failures.push(error),
      ...handlers,
    },
  })
  t.teardown(() => server.close(0))
  return { port: server.port, failures }
}

/** A client that is the host `name`, of hosts at these ports. */
export const peersAs = (
  t: Test,
  authority: Authority,
  name: string,
  ports: Readonly<Record<string, number>>,
  more: Partial<PeersOptions> = {},
): Peers => {
  const peers = openPeers({
    authority: authority.certificate,
    ...identity(authority, name),
    addressOf: (host) => {
      const port = ports[host]
      return port === undefined ? undefined : { address: '127.0.0.1', port }
    },
    ...more,
  })
  t.teardown(() => peers.close())
  return peers
}
