/**
 * Edge: what the API is given by the composition root. The API itself keeps nothing but open log sessions;
 * whatever it says is asked from actors or read from the record at that moment.
 */
import type { StackName } from '../../config/stacks.ts'
import type { Answer, Message, QuestionName, QuestionOf, Ref } from '../../src/runtime/index.ts'
import type { Pair } from '../../src/certs/certificate.ts'
import type { EventLog } from '../../src/ports/events.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Store } from '../../src/ports/store.ts'
import type { AppLists } from '../effects/perform/access.ts'
import type { Teams } from '../effects/perform/teams.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Registry } from '../../src/slug/registry.ts'
import type { UsageReports } from '../protocols/usage.ts'
import type { LostBuilds } from '../lost-builds.ts'
import type { Audit } from './audit.ts'
import type { Authenticate } from './accounts/slowed.ts'
import type { Accounts } from './accounts/accounts.ts'
import type { User } from './accounts/users.ts'
import type { ClusterOperator } from './cluster.ts'
import type { LogSessions } from './log-sessions.ts'
import type { Retries } from './retries.ts'
import type { RateLimits } from './rate-limits.ts'
import type { SignedAddresses } from './signed.ts'

export type AskOptions = { readonly timeoutMs: number; readonly traceparent?: string }

/** Keys with which users ask the API over the bus, as themselves. */
export type BusKeys = {
  /** Another than before ends. */
  readonly create: (user: Pick<User, 'id' | 'operator'>) => Promise<{
    /** A secret. */
    readonly seed: string
    readonly urls: readonly string[]
    /** What the subjects of its requests and its inboxes begin with. */
    readonly subjects: string
    readonly inbox: string
    /** And those of the events that it is told. */
    readonly events: string
  }>
  readonly remove: (userId: string) => Promise<void>
}

export type Edge = {
  /** This host: what is asked here is built here. */
  readonly host: string
  /** Builds as they stand, also when their host is gone. */
  readonly lostBuilds: Pick<LostBuilds, 'view'>
  /** Addresses of single objects, good for a while and for whoever has them. */
  readonly signed: SignedAddresses
  /** Rejects with an `AskFailure` (`kind`, `reason`, `code`). */
  readonly ask: <Q, K extends QuestionName<Q>>(
    to: Ref<Q>,
    message: QuestionOf<Q, K>,
    options: AskOptions,
  ) => Promise<Answer<Q, K>>
  readonly tell: <Q>(to: Ref<Q>, message: Message<Q>, options?: { readonly traceparent?: string }) => void
  readonly store: Store
  /** Of apps, by user. */
  readonly lists: AppLists
  readonly teams: Teams
  readonly random: Random
  /** Wall-clock milliseconds. */
  readonly now: () => number
  readonly log: Log
  readonly vault: {
    readonly open: (appId: string, configId: string) => Promise<Readonly<Record<string, string>>>
    /** Answers under which id it can be opened. */
    readonly seal: (appId: string, vars: Readonly<Record<string, string>>) => Promise<string>
  }
  /** Certificates with their keys, sealed at rest. */
  readonly certificates: {
    readonly keep: (appId: string, pairId: string, pair: Pair) => Promise<void>
    readonly open: (appId: string, pairId: string) => Promise<Pair | undefined>
  }
  readonly repositories: { readonly reset: (appId: string) => Promise<void> }
  readonly accounts: Accounts
  readonly authenticate: Authenticate
  /** Undefined: the bus is not this platform's own. */
  readonly busKeys: BusKeys | undefined
  readonly audit: Audit
  /** What happened to apps. */
  readonly events: Pick<EventLog, 'read'>
  readonly sessions: LogSessions
  readonly rates: RateLimits
  readonly retries: Retries
  readonly rendezvous: { readonly reserve: (token: string, ttlMs: number) => void }
  readonly cluster: ClusterOperator
  /** Whether dynos of that host are kept apart; yes when it is not known any more. */
  readonly isolates: (host: string) => boolean
  readonly usage: UsageReports
  /** The buildpacks that have a short name. */
  readonly buildpacks: Registry
  readonly settings: ApiSettings
}

type Watching = { readonly close: () => void } | undefined

/** Live output of builds and releases by their ids, which nobody can guess. */
export type OutputStreams = {
  /**
   * Undefined: no such stream (yet). `onText` may be called before this returns.
   * @param where it may be, and of which app's builds, as far as the address says so
   */
  readonly watch: (
    id: string,
    watcher: { readonly onText: (text: string) => void; readonly onEnd: () => void },
    where: { readonly host: string | undefined; readonly appId: string | undefined },
  ) => Watching | Promise<Watching>
}

/** Where things of this platform are, as the API shows it. */
export type Addresses = Omit<ApiSettings, 'stack'>

export type ApiSettings = {
  /** `http://localhost:5000`, without a slash at its end. */
  readonly apiUrl: string
  /** `localhost:5000`: where git and attached runs are reached, by TLS. */
  readonly secureHost: string
  /** `localhost`: apps answer at `<name>.<domain>`. */
  readonly appDomain: string
  readonly routerPort: number
  /** Of an app that is made now and says none. */
  readonly stack: () => StackName
}
