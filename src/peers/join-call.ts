/**
 * A joiner's one question, before it has a certificate or knows the authority: it knows the authority's sum
 * from the join URL.
 *
 * First it only looks: the certificate with that sum must be in the chain that is shown. Then it asks,
 * trusting that authority alone. Nothing secret is sent before.
 */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { connect, type DetailedPeerCertificate } from 'node:tls'
import { certificateSum } from '../certs/certificate.ts'
import { PeerFailed, peerLimits as limits } from './contract.ts'
import { asPeerFailure } from './failure.ts'
import { readText, refusalIn } from './json.ts'

export type Pinned = {
  /** PEM. */
  readonly authority: string
  /** The address of this machine from which that host is reached. */
  readonly localAddress: string
}

/** The authority with that sum, as shown by who listens there. @throws PeerFailed */
export const pinAuthority = (host: string, port: number, sum: string): Promise<Pinned> =>
  new Promise((resolve, reject) => {
    const where = `${host}:${port}`
    const socket = connect({ host, port, minVersion: 'TLSv1.3', rejectUnauthorized: false })
    const end = (outcome: () => void): void => {
      clearTimeout(late)
      socket.destroy()
      outcome()
    }
    const fail = (failure: PeerFailed): void => end(() => reject(failure))
    const late = setTimeout(
      () => fail(new PeerFailed('peer_unreachable', `${where} does not answer`)),
      limits.connectMs + limits.handshakeMs,
    )
    socket.once('error', (error) => fail(asPeerFailure(where, error)))
    socket.once('close', () => fail(new PeerFailed('peer_broken', `${where} hung up`)))
    socket.once('secureConnect', () => {
      const { localAddress = '' } = socket
      const raw = chain(socket.getPeerCertificate(true)).find((each) => certificateSum(each) === sum)
      if (raw === undefined)
        return fail(new PeerFailed('peer_untrusted', `${where} is of another authority than the URL says`))
      end(() => resolve({ authority: new X509Certificate(raw).toString(), localAddress }))
    })
  })

/** A joiner's question and its answer. @throws PeerFailed; `peer_refused` with the reason */
export const askToJoin = async (
  host: string,
  port: number,
  path: string,
  authority: string,
  body: unknown,
): Promise<unknown> => {
  const where = `${host}:${port}`
  const text = JSON.stringify(body)
  try {
    const request = httpsRequest({
      host,
      port,
      path,
      method: 'POST',
      ca: authority,
      minVersion: 'TLSv1.3',
      agent: false,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      signal: AbortSignal.timeout(limits.joinMs),
    })
    request.end(text)
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    const said = await readText(answer, limits.joinBytesMax)
    if (said === undefined) throw new PeerFailed('peer_broken', `${where} answered more than it may`)
    if (answer.statusCode === 200) return JSON.parse(said)
    const [reason = String(answer.statusCode), message = 'no reason given'] = refusalIn(said)
    throw new PeerFailed('peer_refused', message, { reason })
  } catch (error) {
    throw asPeerFailure(where, error)
  }
}

const chainMax = 8

const chain = (leaf: DetailedPeerCertificate): readonly Uint8Array[] => {
  const found: Uint8Array[] = []
  let at: DetailedPeerCertificate | undefined = leaf
  while (at?.raw !== undefined && found.length < chainMax) {
    found.push(at.raw)
    at = at.issuerCertificate === at ? undefined : at.issuerCertificate
  }
  return found
}
