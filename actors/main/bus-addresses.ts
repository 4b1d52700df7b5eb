/**
 * The addresses of an external bus, for the firewall: no dyno reaches its servers (invariant 6).
 *
 * Names are resolved again and again, and servers that the cluster announces are followed. An address that
 * was one of the bus stays one for this life of the process: a name may give another part of its addresses
 * at each question, and no answer at all says nothing.
 */
import { lookup } from 'node:dns/promises'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'

export type BusAddressesDeps = {
  /** Of the settings. */
  readonly urls: readonly string[]
  /** Servers that the bus names by itself now: `host:port`. */
  readonly announced: () => readonly string[]
  /** IPv4 addresses of a name or an address; rejects when there is no answer. */
  readonly resolve: (host: string) => Promise<readonly string[]>
  readonly clock: Clock
  readonly log: Log
}
export type BusAddresses = {
  now(): readonly string[]
  /** Calls back with all of them whenever there are more. */
  follow(changed: (addresses: readonly string[]) => void): void
  close(): void
}

const lookMs = 15_000
/** As many rules has the firewall for them at most. */
const addressesMax = 1_024

/** By way of the system's resolver, its hosts file included. */
export const resolveHost = async (host: string): Promise<readonly string[]> =>
  (await lookup(host, { all: true, family: 4 })).map(({ address }) => address)

/** Resolves when each name was asked for once. */
export const openBusAddresses = async (deps: BusAddressesDeps): Promise<BusAddresses> => {
  const { clock, log } = deps
  const known = new Set<string>()
  let changed: ((addresses: readonly string[]) => void) | undefined
  let timer: Timer | undefined
  let isClosed = false
  const look = async (): Promise<void> => {
    const before = known.size
    const urls = [...deps.urls, ...deps.announced().map((listen) => `nats://${listen}`)]
    const hosts = new Set(urls.map((url) => new URL(url).hostname))
    await Promise.all(
      [...hosts].map(async (host) => {
        try {
          for (const address of await deps.resolve(host)) if (known.size < addressesMax) known.add(address)
        } catch (error) {
          log({ at: 'bus-not-resolved', host, reason: error instanceof Error ? error.message : 'unknown' })
        }
      }),
    )
    if (isClosed) return
    if (known.size > before) changed?.([...known])
    timer = clock.after(lookMs, () => void look())
  }
  await look()
  return {
    now: () => [...known],
    follow: (listener) => {
      changed = listener
    },
    close() {
      isClosed = true
      timer?.cancel()
    },
  }
}
