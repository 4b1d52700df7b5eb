/**
 * The certificate that apps have without doing anything: for the platform's app domain and every name
 * directly below it.
 *
 * No verifier takes a wildcard directly below a top-level name (`*.localhost`), so for such a domain there is
 * also an authority that may sign names below it and nothing else: it makes a certificate for each name when
 * it is asked for.
 */
import { issueFor, makeDomainAuthority, makeKey, type Authority, type Pair } from './certificate.ts'
import { isGoodFor, serverDays } from './keep.ts'

/** PEM texts; `certificate` is a chain, the server's own first. */
export type PlatformCertificate = Pair & {
  readonly domain: string
  /** Signs single names below a domain of one label; null for a domain that a wildcard serves. */
  readonly signer: Authority | null
}

export const makePlatformCertificate = (
  authority: Authority,
  domain: string,
  nowMs: number,
): PlatformCertificate => {
  const key = makeKey()
  return {
    domain,
    key,
    certificate: issueFor(authority, key, [`*.${domain}`, domain], nowMs, serverDays),
    signer: domain.includes('.') ? null : makeDomainAuthority(authority, domain, nowMs, serverDays),
  }
}

/** Whether it serves that domain for a good while yet. */
export const isCurrent = (platform: PlatformCertificate, domain: string, nowMs: number): boolean =>
  platform.domain === domain && isGoodFor(platform.certificate, [domain], nowMs)

/** What a client that asks for `name` is shown: lower case. */
export const platformPairFor = (platform: PlatformCertificate, name: string, nowMs: number): Pair => {
  const { domain, key, signer } = platform
  if (signer === null || !isDirectlyBelow(name, domain)) return platform
  const own = issueFor(signer, key, [name], nowMs, serverDays)
  return { key, certificate: own + signer.certificate }
}

/** Whether the platform's certificate names it. */
export const isDirectlyBelow = (name: string, domain: string): boolean => {
  const label = name.endsWith(`.${domain}`) ? name.slice(0, -domain.length - 1) : ''
  return /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label)
}
