/**
 * Who is in the cluster, as data: what a host says of itself, what observers conclude, and the numbered view
 * that everybody follows.
 */
import type { Directory } from '../ports/directory.ts'

/**
 * `joining`: announced, its lease not yet proven. `suspect`: silent for a moment; nothing is taken away from
 * it, replacements start elsewhere. `draining`: well, and being emptied. `dead`: its lease is over. `left`:
 * went on purpose.
 */
export const memberStates = ['joining', 'up', 'suspect', 'draining', 'dead', 'left'] as const
export type MemberState = (typeof memberStates)[number]

/** What a host says of itself with every beat. */
export type MemberInfo = {
  readonly name: string
  /** This life of its host process: a later one is larger. */
  readonly incarnation: number
  /** `control`, `dyno`, `router`, `logplex`. */
  readonly roles: readonly string[]
  /** Where other hosts reach it. */
  readonly address: string
  /** `zone=a`. */
  readonly labels: Readonly<Record<string, string>>
  /** Of the software. */
  readonly version: string
  /** Of what it says to other hosts; a difference in the first number does not mix. */
  readonly protocol: number
  /** The operator wants it emptied. */
  readonly draining: boolean
  /** Name of the bus server it is connected to: what observers count to prove their own connection. */
  readonly server: string
}
export type Member = MemberInfo & {
  readonly state: MemberState
  /** Wall-clock ms since when. */
  readonly since: number
}

export type Membership = {
  /** Grows with every change, whoever leads. */
  readonly number: number
  /** The observer that published it, and the host that places. */
  readonly leader: string
  /** Most hosts vanished at once: nobody is moved until an operator or their return settles it. */
  readonly braked: boolean
  readonly members: readonly Member[]
}

/** A host's own side of the membership. */
export type Members = {
  /** The last view heard; number 0 before the first. */
  view(): Membership
  onChange(changed: (view: Membership) => void): void
  /** For the runtime: owners of keyed actors are the hosts that are up or draining. */
  readonly directory: Directory
  /** What this host says of itself from now on. */
  change(self: Partial<Pick<MemberInfo, 'draining' | 'labels' | 'roles' | 'server'>>): void
  /** The bus says that this host's connection ended: observers look at once instead of after its silence. */
  disconnected(host: string): void
  /**
   * Hosts that were there before this process began, whether they are still or not: one that is never heard
   * is `joining` for a whole lease and then `dead`, so that its work is not waited for. Told once.
   */
  known(hosts: readonly MemberInfo[]): void
  /** The operator took it out for good. */
  remove(host: string): void
  /** Says goodbye: others need not wait for silence. Resolves when it is said. */
  leave(): Promise<void>
  /**
   * Called when the lease of this host may soon be over elsewhere (`true`) and when it is held again
   * (`false`): what must not run twice is stopped by then.
   */
  onFence(fence: (isFenced: boolean) => void): void
  /**
   * Called each time it changes until when the lease is held, by the monotonic clock (`-Infinity`: it is
   * over). For a watchdog outside of this process, which stops what must not run twice when this process
   * cannot.
   */
  onLease(held: (untilMs: number) => void): void
  close(): void
}

/** All of them, and how they must relate: `checkTimes` in times.ts asserts it. */
export type MembershipTimes = {
  readonly beatMs: number
  /** Silence that makes a suspect. */
  readonly suspectMs: number
  /** After its last acknowledged beat a host stops its singletons within this. */
  readonly fenceMs: number
  /** Silence that ends a lease; longer than `fenceMs` and the time to stop. */
  readonly leaseMs: number
  /** Hosts that vanish within this of each other count as one event for the brake. */
  readonly brakeWindowMs: number
}
