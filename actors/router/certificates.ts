/**
 * The certificates that one shard shows, by the name that a client asks for: the pair that the name's route
 * says, opened on a miss and kept, bounded. A pair never changes, so what is kept is never stale; which pair
 * it is comes with the route, and is as fresh as that.
 *
 * Static stability: what is kept is shown whatever happens to NATS. A name whose certificate can't be had in
 * time is shown the platform's.
 */
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Pair } from '../../src/certs/certificate.ts'
import { isDirectlyBelow, platformPairFor, type PlatformCertificate } from '../../src/certs/platform.ts'
import { sessionIdContext, type TicketKeys, type TlsCertificates } from '../../src/tls/accept.ts'
import type { Route } from '../protocols/shapes.ts'
import { wildcardsOf } from './hostnames.ts'

export type ShardCertificates = TlsCertificates & {
  /** Another certificate of the platform. */
  readonly renewed: (platform: PlatformCertificate) => void
  /** Whether a connection that was made for one name may carry requests for another. */
  readonly isServedTogether: (name: string, other: string) => Promise<boolean>
}

export type CertificateDeps = {
  readonly appDomain: string
  readonly platform: PlatformCertificate
  readonly tickets: TicketKeys
  /** Undefined: the name leads nowhere. Rejects when that cannot be known. */
  readonly routeFor: (hostname: string) => Promise<Route | undefined>
  /** Undefined: there is no such pair (any more). */
  readonly open: (appId: string, pairId: string) => Promise<Pair | undefined>
  /** Wall-clock milliseconds. */
  readonly now: () => number
  /** Calls back once after that long; the returned function calls it off. */
  readonly after: (ms: number, run: () => void) => () => void
  /** A context takes some tens of kilobytes. */
  readonly contextsMax: number
  readonly lookupMsMax: number
}

export const createShardCertificates = (deps: CertificateDeps): ShardCertificates => {
  const { appDomain, contextsMax } = deps
  let platform = deps.platform
  const listeners = new Set<() => void>()
  /** In the order of their last use. */
  const contexts = new Map<string, Promise<SecureContext | undefined>>()

  /** Concurrent misses share one question; a failed one is asked again. */
  const contextOf = (
    id: string,
    read: () => Promise<Pair | undefined>,
  ): Promise<SecureContext | undefined> => {
    const known = contexts.get(id)
    const context = known ?? read().then(contextFrom)
    if (known === undefined) {
      const forget = (): void => {
        if (contexts.get(id) === context) contexts.delete(id)
      }
      context.then((found) => found ?? forget(), forget)
    }
    contexts.delete(id)
    contexts.set(id, context)
    for (const oldest of contexts.keys()) {
      if (contexts.size <= contextsMax) break
      contexts.delete(oldest)
    }
    return context
  }

  const find = async (name: string): Promise<SecureContext | undefined> => {
    if (isDirectlyBelow(name, appDomain)) {
      if (platform.signer === null) return undefined
      return contextOf(`name/${name}`, async () => platformPairFor(platform, name, deps.now()))
    }
    const route = await deps.routeFor(name)
    const pairId = route && pairOf(route, name)
    if (route === undefined || pairId === undefined) return undefined
    return contextOf(`pair/${pairId}`, () => deps.open(route.appId, pairId))
  }

  const inTime = <T>(found: Promise<T>): Promise<T | undefined> =>
    new Promise((resolve, reject) => {
      const callOff = deps.after(deps.lookupMsMax, () => resolve(undefined))
      found.then(resolve, reject).finally(callOff)
    })

  return {
    contextFor: (name) => inTime(find(name)),
    tickets: deps.tickets,
    fallback: () => platform,
    onFallback: (changed) => {
      listeners.add(changed)
      return () => void listeners.delete(changed)
    },
    renewed: (other) => {
      if (other.certificate === platform.certificate) return
      platform = other
      for (const id of contexts.keys()) if (id.startsWith('name/')) contexts.delete(id)
      for (const changed of listeners) changed()
    },
    isServedTogether: async (name, other) => {
      try {
        const [own, asked] = await Promise.all([deps.routeFor(name), deps.routeFor(other)])
        if (own === undefined || asked === undefined) return true
        return own.appId === asked.appId && pairOf(own, name) === pairOf(asked, other)
      } catch {
        // Nobody knows: then it is not said that it is wrong.
        return true
      }
    },
  }
}

/** The pair of a hostname: its own, else that of the closest wildcard. */
export const pairOf = ({ certificates = {} }: Route, hostname: string): string | undefined => {
  const name = [hostname, ...wildcardsOf(hostname)].find((one) => certificates[one] !== undefined)
  return name === undefined ? undefined : certificates[name]
}

const contextFrom = (pair: Pair | undefined): SecureContext | undefined =>
  pair &&
  createSecureContext({ cert: pair.certificate, key: pair.key, minVersion: 'TLSv1.2', sessionIdContext })
