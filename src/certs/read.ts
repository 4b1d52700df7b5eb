/**
 * A certificate that somebody gives us with its key: checked as a server would use it, and what it says.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { createSecureContext, rootCertificates } from 'node:tls'
import type { Pair } from './certificate.ts'

/** What a certificate says of itself. Names as in openssl's one-line form: `/CN=www.example.com`. */
export type CertificateFacts = {
  readonly names: readonly string[]
  readonly issuer: string
  readonly subject: string
  /** Epoch milliseconds. */
  readonly startsAt: number
  readonly expiresAt: number
  /** Its chain leads to an authority that is trusted everywhere. */
  readonly isTrusted: boolean
  readonly isSelfSigned: boolean
}

/** Why it can't be used; the message is for whoever gave it. */
export class PairRefused extends Error {
  override readonly name = 'PairRefused'
  readonly code = 'pair_refused'
}

const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g
const chainMax = 10
const namesMax = 100
const textMax = 65_536

/**
 * @param chain PEM certificates in any order
 * @param key PEM, not encrypted
 * @returns the pair with the server's own certificate first, and what that says
 * @throws PairRefused
 */
export const readPair = (
  chain: string,
  key: string,
  nowMs: number,
): { pair: Pair; facts: CertificateFacts } => {
  if (chain.length > textMax || key.length > textMax)
    throw new PairRefused('Certificate or key is too large.')
  const privateKey = readKey(key)
  const found = (chain.match(block) ?? []).map(readCertificate)
  if (found.length === 0) throw new PairRefused('No certificate given is a domain name certificate in PEM.')
  if (found.length > chainMax)
    throw new PairRefused(`A chain cannot have more than ${chainMax} certificates.`)
  const own = found.find((certificate) => certificate.checkPrivateKey(privateKey))
  if (own === undefined) throw new PairRefused('Key does not match the certificate.')
  const facts = factsOf(own, found)
  if (facts.names.length > namesMax)
    throw new PairRefused(`A certificate cannot name more than ${namesMax} domains.`)
  if (facts.expiresAt <= nowMs) throw new PairRefused('The certificate has expired.')
  const others = found.filter((certificate) => certificate !== own)
  const pair = {
    certificate: [own, ...others].map((certificate) => certificate.toString()).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
  try {
    createSecureContext({ cert: pair.certificate, key: pair.key })
  } catch (error) {
    // Keys that are too short, and whatever else a server refuses to show to anybody.
    throw new PairRefused(`The certificate cannot be used: ${(error as Error).message}`, { cause: error })
  }
  return { pair, facts }
}

const readKey = (text: string): KeyObject => {
  if (/ENCRYPTED/.test(text)) throw new PairRefused('Key is protected by a passphrase: remove it first.')
  try {
    return createPrivateKey(text)
  } catch (error) {
    throw new PairRefused('No key found in the given text.', { cause: error })
  }
}

const readCertificate = (text: string): X509Certificate => {
  try {
    return new X509Certificate(text)
  } catch (error) {
    throw new PairRefused('A certificate of the chain cannot be read.', { cause: error })
  }
}

const factsOf = (own: X509Certificate, chain: readonly X509Certificate[]): CertificateFacts => ({
  names: namesOf(own),
  issuer: oneLine(own.issuer),
  subject: oneLine(own.subject),
  startsAt: own.validFromDate.getTime(),
  expiresAt: own.validToDate.getTime(),
  isTrusted: isTrusted(own, chain),
  isSelfSigned: own.checkIssued(own) && own.verify(own.publicKey),
})

const namesOf = (certificate: X509Certificate): readonly string[] => {
  const listed = [...(certificate.subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(
    ([, name]) => name ?? '',
  )
  const common = /^CN=(.+)$/m.exec(certificate.subject)?.[1]
  const names = listed.length > 0 ? listed : common === undefined ? [] : [common]
  return [...new Set(names.map((name) => name.toLowerCase()))]
}

/** `C=US\nCN=a` as `/C=US/CN=a`. */
const oneLine = (name: string | undefined): string => (name ? `/${name.replaceAll('\n', '/')}` : '')

/** Each is signed by the next, and the last by an authority that comes with every system. */
const isTrusted = (own: X509Certificate, chain: readonly X509Certificate[]): boolean => {
  let at = own
  for (let steps = 0; steps < chain.length; steps += 1) {
    const issuer = chain.find((one) => one !== at && isSignedBy(at, one))
    if (issuer === undefined) break
    at = issuer
  }
  return rootCertificates.some((root) => isSignedBy(at, new X509Certificate(root)))
}

const isSignedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
