/**
 * What all connections of one proxy share: its settings, the coarse clock that deadlines are kept by,
 * load, and the set of live clients that the sweep goes through.
 */
import type { Bare } from '../wire/bare.ts'
import type { AccessRecord, Decision, ProxyClock } from './contract.ts'
import type { ProxyLimits } from './limits.ts'
import type { Link } from './link.ts'
import { Backlogs, type BacklogOf } from './backlogs.ts'
import { LoadTable, type AppLoad, type TargetLoad } from './load.ts'
import { Shares } from './shares.ts'
import type { SiblingMessage, Siblings } from './siblings.ts'

/** What a proxy is made with; `createProxy` fills in the rest. */
export type ProxySettings = {
  /** Where requests to this host go: lower case, no port. May take up to `limits.resolveMs`. */
  readonly resolve: (host: string) => Decision | Promise<Decision>
  /** Called once for each request whose head could be read, when its last byte has gone. */
  readonly onDone: (record: AccessRecord) => void
  readonly limits: ProxyLimits
  readonly clock: ProxyClock
  /** Numbers in [0, 1). */
  readonly random: () => number
  /** A new request id, a lower-case UUID. */
  readonly newId: () => string
  /** How the proxy calls itself in Via and, where the target sent none, in Server. */
  readonly name: string
  /** Whether a connection that was made for one name may carry requests for another. */
  readonly isServedTogether: (name: string, other: string) => boolean | Promise<boolean>
  /** Called for each connection that is closed for not beginning as its listener wants. */
  readonly onBadOpening: (peer: string, reason: string) => void
  /** Other processes that serve the same limits on this host; null: none. */
  readonly siblings: Siblings | null
  /** How many wait in the backlog of a target, where that can be told; null: nowhere. */
  readonly backlogOf: BacklogOf | null
  /** Node's own TCP handles; null: public sockets do the work. */
  readonly bare: Bare | null
}

/** A client connection as far as the whole proxy deals with it. */
export type Member = {
  /** Looks whether its deadline has passed. */
  readonly sweep: (nowMs: number) => void
  /** Ends an idle connection; a busy one ends with its request. */
  readonly drain: () => void
  readonly cut: () => void
}

/** A client connection as far as the limits of apps go. */
export type Requester = {
  /** What its last request was for. */
  app: AppLoad<Link> | null
  requests: number
}

export type Counters = {
  connections: number
  requests: number
  /** Requests whose head could not be read. */
  badHeads: number
  /** Connections that did not begin as their listener wants. */
  badOpenings: number
  connectRetries: number
  /** Targets tried beside others that were slow to answer. */
  hedges: number
  /** Resolvers that threw or were too slow: always someone's bug or outage. */
  resolveFailures: number
}

export class Core {
  readonly settings: ProxySettings
  readonly limits: ProxyLimits
  readonly load: LoadTable<Link>
  readonly shares: Shares
  readonly backlogs: Backlogs
  readonly clients = new Set<Member>()
  readonly counters: Counters = {
    connections: 0,
    requests: 0,
    badHeads: 0,
    badOpenings: 0,
    connectRetries: 0,
    hedges: 0,
    resolveFailures: 0,
  }
  draining = false
  /** Called when the last client has gone. */
  emptied: (() => void) | null = null
  /** Clients whose responses are waiting for them to read. */
  stalled = 0
  /** Monotonic time at the last sweep: exact enough for rolling deadlines, and free. */
  tickMs: number
  readonly #stop: () => void
  #dateSecond = -1
  #date = ''

  constructor(settings: ProxySettings) {
    this.settings = settings
    this.limits = settings.limits
    this.load = new LoadTable(settings.clock.nowMs)
    this.shares = new Shares({
      ...(settings.siblings ?? alone),
      usedOf: ({ kind, app }) => this.load.get(app)?.[kind === 'clients' ? 'clients' : 'inFlight'] ?? 0,
      nowMs: settings.clock.nowMs,
    })
    this.backlogs = new Backlogs(settings.backlogOf)
    this.tickMs = settings.clock.nowMs()
    this.#stop = settings.clock.every(settings.limits.sweepMs, () => this.#sweep())
  }

  /**
   * The limit of its app that a request breaks; its client counts for that app from now on. `wait`: that is
   * known after `shares.wait`.
   */
  brokenLimit(client: Requester, app: AppLoad<Link>, targets: number): 'H11' | 'H22' | 'wait' | null {
    const { connectionsPerAppMax, inFlightPerTargetMax, requestsPerConnectionMax } = this.limits
    if (client.app !== app) {
      if (client.app !== null) this.load.part(client.app)
      client.app = null
      const may = this.shares.may('clients', app.id, app.clients + 1, connectionsPerAppMax)
      if (may === 'wait') return 'wait'
      if (may === 'no') {
        // Its last one: it may not stay and count for nobody.
        client.requests = requestsPerConnectionMax
        return 'H22'
      }
      app.clients += 1
      client.app = app
    }
    const may = this.shares.may('requests', app.id, app.inFlight, targets * inFlightPerTargetMax)
    if (may === 'wait') return 'wait'
    return may === 'yes' ? null : 'H11'
  }

  /** Leaves a target alone that could not be connected to, here and in the other processes. */
  quarantine(target: TargetLoad<Link>): void {
    const { siblings } = this.settings
    const forMs = this.limits.quarantineMs
    target.shut(this.nowMs() + forMs)
    if (siblings === null) return
    for (let peer = 0; peer < siblings.count; peer++)
      if (peer !== siblings.index)
        siblings.send(peer, { type: 'shut', app: target.app.id, upstream: target.upstream, forMs })
  }

  /** What another process of this host says. */
  heard(peer: number, message: SiblingMessage): void {
    if (message.type !== 'shut') this.shares.heard(peer, message)
    else this.load.shut(message.app, message.upstream, this.nowMs() + message.forMs)
  }

  leave(client: Member & { app?: Requester['app'] }): void {
    this.clients.delete(client)
    if (client.app) this.load.part(client.app)
    client.app = null
    if (this.clients.size === 0) this.emptied?.()
  }

  nowMs(): number {
    return this.settings.clock.nowMs()
  }

  /** Value for a Date header, made once a second. */
  httpDate(): string {
    const second = Math.floor(this.settings.clock.epochMs() / 1000)
    if (second !== this.#dateSecond) {
      this.#dateSecond = second
      this.#date = new Date(second * 1000).toUTCString()
    }
    return this.#date
  }

  /** How much of a response may wait for one slow client right now. */
  responseBufferBytesMax(): number {
    const { responseBufferBytesMax, totalBufferBytesMax, slowBufferBytesMax } = this.limits
    return this.stalled * responseBufferBytesMax < totalBufferBytesMax
      ? responseBufferBytesMax
      : slowBufferBytesMax
  }

  stop(): void {
    this.#stop()
    for (const app of this.load.apps()) {
      for (const target of app.targets.values()) for (const link of target.idle.splice(0)) link.close()
    }
  }

  #sweep(): void {
    const now = this.nowMs()
    this.tickMs = now
    for (const client of this.clients) client.sweep(now)
    this.shares.sweep()
    this.backlogs.look(now)
    for (const app of this.load.apps()) {
      for (const target of app.targets.values()) {
        for (const link of target.idle.filter((idle) => idle.idleUntilMs <= now)) link.close()
      }
      this.load.tidy(app)
    }
  }
}

const alone = { index: 0, count: 1, send: () => undefined }
