/** What the ways in which source comes in have in common. */
import type { ApiClient } from '../../../../src/client/client.ts'
import type { Builders } from '../../world.ts'
import type { Cluster } from './cluster.ts'
import type { Lab } from './lab.ts'

export type Site = {
  readonly lab: Lab
  readonly cluster: Cluster
  /** Hosts whose API can be asked now. */
  readonly apis: () => readonly string[]
  readonly log: (line: string) => void
}
/** Asks a host that can be reached; rejects with OpFailed. */
export type Read = <T>(ask: (api: ApiClient) => Promise<T>) => Promise<T>
export type Begun = Awaited<ReturnType<Builders['begin']>>

/** A buildpack of the operator's own, on every host. */
export const slowPack = 'chaos/slow'
/** Said when a compilation is under way. */
export const mark = 'chaos: compiling'
/** From the moment when source was sent in. */
export const underWayMsMax = 60_000

/** The last that was said, for people. */
export const endOf = (text: string): string => text.trimEnd().split('\n').slice(-2).join(' | ')
