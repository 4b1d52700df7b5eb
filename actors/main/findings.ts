/** What the doctor's checks share: what they are given, and how they say what they found. */
import type { Membership } from '../../src/membership/contract.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Feed } from '../../src/ports/feed.ts'
import type { Answer } from '../../src/runtime/index.ts'
import type { Finding, KeysView } from '../api/cluster.ts'
import type { Placement } from '../protocols/placement.ts'
import type { HostFacts } from './host-facts.ts'

/** What the leader's placement knows of the hosts. */
export type Fleet = Answer<typeof Placement, 'hosts'>

export type DoctorDeps = {
  /** Name of this host. */
  readonly self: string
  readonly feed: Pick<Feed, 'since'>
  readonly clock: Clock
  readonly view: Membership
  readonly fleet: () => Promise<Fleet>
  /** What a host says of itself, this one included. */
  readonly facts: (host: string) => Promise<HostFacts>
  /** One write to the record, by its own way. @returns ms until it was acknowledged */
  readonly canaryWrite: () => Promise<number>
  /** Bus servers whose host was removed and whose place is empty. */
  readonly emptyPlaces: () => readonly string[]
  /** The keys that seal, and how far a rotation of them is. */
  readonly keys: { readonly view: () => Promise<KeysView> }
  /** Names of the hosts on record. */
  readonly recorded: () => Promise<readonly string[]>
}

/** What a host said of itself, and how far its clock is from ours, give or take `errorMs`. */
export type Told = { readonly facts: HostFacts; readonly offsetMs: number; readonly errorMs: number }
/** By host: its answer, or why there is none. */
export type Answers = ReadonlyMap<string, Told | string>

export const answered = (answers: Answers): readonly (readonly [string, Told])[] =>
  [...answers].flatMap(([name, said]) => (typeof said === 'string' ? [] : [[name, said] as const]))

export const ok = (what: string, detail: string): Finding => ({ what, level: 'ok', detail, todo: null })
export const warn = (what: string, detail: string, todo: string): Finding => ({
  ...ok(what, detail),
  level: 'warn',
  todo,
})
export const fail = (what: string, detail: string, todo: string): Finding => ({
  ...warn(what, detail, todo),
  level: 'fail',
})

export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : 'unknown reason'
