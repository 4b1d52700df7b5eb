/**
 * What a world offers to the runner: hosts that can be hurt, clients that use the platform as anybody would,
 * and observers that see what truly runs.
 *
 * The runner (run.ts) drives load and timeline and writes the history; a world only does and tells. Nothing
 * of it may outlive `close`, however a scenario ended.
 */
import type { Answered, FinalApp, FinalBuild, Frame, Life, LogEvent, Said } from './history.ts'
import type { BuildStep, Condition, Fault, Scenario, WorldName } from './language.ts'

/** An operation of a client that was not acknowledged. */
export class OpFailed extends Error {
  override readonly name = 'OpFailed'
  /** `refused`: surely not done. */
  readonly outcome: 'refused' | 'failed'
  readonly code: string
  /** The host whose router or API was asked, when one was. */
  readonly via: string | undefined
  constructor(
    outcome: 'refused' | 'failed',
    code: string,
    message: string,
    via?: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.outcome = outcome
    this.code = code
    this.via = via
  }
}

/**
 * Apps go by their names in the scenario. Every call ends within 30 s, and rejects with `OpFailed` when it
 * was not acknowledged.
 */
export type Clients = {
  /**
   * One GET through the router of a host that a client can reach now (as a load balancer with health checks
   * would choose it). A router that refuses the connection is no failure: the next one is asked.
   */
  readonly request: (app: string) => Promise<{
    readonly answered: Answered
    readonly via: string
    readonly status: number
    readonly requestId?: string
  }>
  /** @returns the version of the release that it made */
  readonly setConfig: (app: string, key: string, value: string) => Promise<{ readonly version: number }>
  readonly scale: (app: string, type: string, quantity: number) => Promise<void>
  /** What the API says now. */
  readonly info: (app: string) => Promise<FinalApp>
}

/** Who sends source in. */
export type Builders = {
  /**
   * Resolves when it is being compiled. `ended`: when its sender has been told that it is released, by
   * whatever way was left to ask; rejects with `OpFailed`, `refused` when told that it failed.
   */
  readonly begin: (step: BuildStep) => Promise<{
    readonly version: string
    readonly host: string
    readonly ended: Promise<void>
  }>
  /** The host that compiles what was begun last. */
  readonly last: () => string | undefined
  /** What the API says of an app's builds now; rejects with `OpFailed`. */
  readonly builds: (app: string) => Promise<readonly FinalBuild[]>
}

/** A process that runs now, as the machines tell: not as the record does. */
export type LiveProcess = {
  readonly app: string
  readonly dyno: string
  readonly run: string
  readonly host: string
  /** Bound its port, when it is a web process; runs, when it is not. */
  readonly up: boolean
  /** Its machine is not frozen, and not cut off from most others. */
  readonly reachable: boolean
}

export type World = {
  readonly name: WorldName
  /** Ms since it was booted; virtual in the simulation. */
  now(): number
  sleep(ms: number): Promise<void>
  readonly clients: Clients
  /** Left out where nothing is compiled. */
  readonly builders?: Builders
  /** Does it, on whom the target means now. @returns the names of the hosts it hit */
  fault(fault: Fault): Promise<readonly string[]>
  /** Repairs everything that is still hurt: links, clocks, disks, servers, frozen and dead hosts. */
  heal(): Promise<void>
  /**
   * What exists now, on machines that have power; frozen and cut off ones too (`reachable: false`).
   */
  processes(): Promise<readonly LiveProcess[]>
  /** Hosts whose routers clients can reach now. */
  routers(): Promise<readonly string[]>
  /**
   * Whether a condition on the membership holds: `emptied`, `suspected`, `dead` of these hosts, `braked` of
   * all. (`serving` and `settled` are the runner's, from the clients and `processes`.)
   */
  holds(condition: Condition, hosts: readonly string[]): Promise<boolean>
  /**
   * Everything observed since boot; asked once, at the end. Stops the tickers first, and waits until the sink
   * of their lines is quiet.
   */
  observed(): Promise<{
    readonly lives: readonly Life[]
    readonly log: readonly LogEvent[]
    readonly said: readonly Said[]
    readonly frames?: readonly Frame[]
  }>
  /** Ends and removes everything. Never throws for what is already gone. */
  close(): Promise<void>
}

export type WorldOptions = {
  /** Simulation only: what chance is drawn from. */
  readonly seed: number
  /** A planted bug by name (plants.ts), to show that its scenario finds it; simulation only. */
  readonly plant?: string
  readonly log: (line: string) => void
}

/**
 * Boots the scenario's hosts as one cluster, creates its apps and deploys them, and returns when every wanted
 * dyno is up.
 */
export type Boot = (scenario: Scenario, options: WorldOptions) => Promise<World>

/** One world as the entry point knows it: each has its line in worlds.ts. */
export type Door = {
  readonly boot: Boot
  /** Why it cannot run on this machine (no root, no engine); undefined: it can. */
  readonly whyNot: () => string | undefined
}
