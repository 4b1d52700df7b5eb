/** Sees to it that there is a platform certificate on record, and that it is renewed in time. */
import type { Authority } from '../../src/certs/certificate.ts'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Certificates } from '../effects/perform/certificates.ts'

const renewEveryMs = 6 * 3_600_000
/** When the record could not be read or written. */
const againMs = 5_000

export const keepPlatformCertificate = (deps: {
  readonly certificates: Certificates
  readonly authority: Authority
  readonly domain: string
  readonly clock: Clock
  readonly log: Log
}): { readonly close: () => void } => {
  const { certificates, authority, domain, clock, log } = deps
  let timer: Timer | undefined
  let closed = false
  const next = (ms: number): void => {
    if (!closed) timer = clock.after(ms, renew)
  }
  const renew = (): void => {
    certificates.renewPlatform(authority, domain, clock.now()).then(
      () => next(renewEveryMs),
      (error: unknown) => {
        log({ at: 'platform-certificate-failed', reason: error instanceof Error ? error.message : 'unknown' })
        next(againMs)
      },
    )
  }
  renew()
  return {
    close: () => {
      closed = true
      timer?.cancel()
    },
  }
}
