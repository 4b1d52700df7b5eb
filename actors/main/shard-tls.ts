/** A shard's TLS: its certificates from the record, as soon as there is one of the platform. */
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Certificates } from '../effects/perform/certificates.ts'
import type { TicketKeys } from '../../src/tls/accept.ts'
import type { Route } from '../protocols/shapes.ts'
import { createShardCertificates, type ShardCertificates } from '../router/certificates.ts'

/** Until there is one: a control host makes it at its first start. */
const firstLookMs = 250
const renewLookMs = 600_000
const contextsMax = 2_000
const lookupMsMax = 2_000

export type ShardTls = {
  readonly isServedTogether: (name: string, other: string) => boolean | Promise<boolean>
}

/** @param listen called once, when there are certificates to serve with */
export const openShardTls = (deps: {
  /** Undefined: this host has not been given the key of certificates, as yet. */
  readonly certificates: () => Certificates | undefined
  readonly tickets: TicketKeys
  readonly appDomain: string
  readonly routeFor: (hostname: string) => Promise<Route | undefined>
  readonly clock: Clock
  readonly log: Log
  readonly listen: (certificates: ShardCertificates) => Promise<void>
}): ShardTls => {
  const { clock, log } = deps
  let certificates: Certificates | undefined
  let shown: ShardCertificates | undefined
  let isSaid = false
  const look = async (): Promise<void> => {
    certificates ??= deps.certificates()
    if (certificates === undefined) {
      if (!isSaid) log({ at: 'tls-off', reason: 'this host was never given the key of certificates' })
      isSaid = true
      return
    }
    const opened = certificates
    const platform = await certificates.platform()
    if (platform === undefined) return
    if (shown !== undefined) return shown.renewed(platform)
    shown = createShardCertificates({
      ...deps,
      platform,
      open: (appId, pairId) => opened.open(appId, pairId),
      now: () => clock.now(),
      after: (ms, run) => {
        const timer = clock.after(ms, run)
        return () => timer.cancel()
      },
      contextsMax,
      lookupMsMax,
    })
    await deps.listen(shown)
  }
  const again = (): void => {
    look()
      .catch((error: unknown) =>
        log({ at: 'tls-failed', reason: error instanceof Error ? error.message : 'unknown' }),
      )
      .finally(() => void clock.after(shown === undefined ? firstLookMs : renewLookMs, again))
  }
  again()
  return { isServedTogether: (name, other) => shown?.isServedTogether(name, other) ?? true }
}
