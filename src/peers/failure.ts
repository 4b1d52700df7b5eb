/** What went wrong between two hosts, from what Node, OpenSSL and the HTTP client call it. */
import { PeerFailed, type PeerCode } from './contract.ts'

const codes: Readonly<Record<string, PeerCode>> = {
  ECONNREFUSED: 'peer_unreachable',
  EHOSTUNREACH: 'peer_unreachable',
  ENETUNREACH: 'peer_unreachable',
  EHOSTDOWN: 'peer_unreachable',
  ENOTFOUND: 'peer_unreachable',
  EAI_AGAIN: 'peer_unreachable',
  ETIMEDOUT: 'peer_unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'peer_unreachable',
  UND_ERR_HEADERS_TIMEOUT: 'peer_timeout',
  UND_ERR_BODY_TIMEOUT: 'peer_timeout',
  UND_ERR_ABORTED: 'peer_timeout',
  ERR_TLS_CERT_ALTNAME_INVALID: 'peer_untrusted',
}
/** OpenSSL's verdicts on a chain: X509_V_ERR_* without their prefix. */
const verdict = /CERT|SIGNATURE|INVALID_CA|INVALID_PURPOSE|ISSUER/

/** @param who the host, or an address */
export const asPeerFailure = (who: string, error: unknown): PeerFailed => {
  if (error instanceof PeerFailed) return error
  const { code, message, name } = error as NodeJS.ErrnoException
  const known = typeof code === 'string' ? codes[code] : undefined
  // An AbortSignal that ran out of time has a code of another kind.
  const late = name === 'TimeoutError' || name === 'AbortError' ? 'peer_timeout' : undefined
  const untrusted = typeof code === 'string' && verdict.test(code) ? 'peer_untrusted' : undefined
  return new PeerFailed(known ?? late ?? untrusted ?? 'peer_broken', `${who}: ${message}`, { cause: error })
}
