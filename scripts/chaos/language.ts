/**
 * The language of the chaos scenarios: a scenario is data, and knows nothing of the world it happens in.
 *
 * Hosts, apps and load, then a timeline of faults and waits, then the bounds that what clients saw is held
 * against (see check.ts). Times are ms: virtual in the simulation, real elsewhere.
 */

export const worldNames = ['sim', 'netns', 'compose'] as const
export type WorldName = (typeof worldNames)[number]

/** A machine. Hosts are named h1, h2, … in the order of the list; the first one starts the cluster. */
export type HostSpec = {
  /** Of `control`, `dyno`, `router`, `logplex`; all of them when left out. */
  readonly roles?: readonly string[]
  readonly zone?: string
}

/**
 * What a process does, the same in every world.
 *
 * `web`: answers each request with a JSON object that says who answered (`Answered` in history.ts). `worker`:
 * runs on. `ticker`: says numbered lines, `chaos life=<life> n=<from 0>`, as many a second as `load.lines`.
 */
export type Behaviour = 'web' | 'worker' | 'ticker'

export type AppSpec = {
  readonly name: string
  /** Type name to what it does and how many; a web type is called `web`. */
  readonly types: Readonly<
    Record<string, { readonly does: Behaviour; readonly quantity: number; readonly singleton?: boolean }>
  >
}

export type Load = {
  /**
   * Closed loops: each asks one app after the other through the routers of the hosts that it can reach, and
   * pauses between two requests.
   */
  readonly clients: number
  readonly pauseMs: number
  /** One config var of each app is set this often, each time to a fresh value; left out: never. */
  readonly configEveryMs?: number
  /** The web type of the last app is scaled up and down by one this often; left out: never. */
  readonly scaleEveryMs?: number
  /** Lines a second that each ticker says. */
  readonly linesPerSecond?: number
  /** Logs of apps that tick go on to a receiver that is on none of the hosts. */
  readonly drained?: boolean
}

/**
 * Whom a fault hits: a host by name, or one or more by what they are when the fault strikes.
 *
 * - `placement-leader`: the leader of the view.
 * - `store-leader`: the host of the bus server that leads the record.
 * - `busiest`: most dynos.
 * - `bystander`: the last host (by name) that leads neither and runs dynos.
 * - `builder`: the host that compiles the source that came last.
 * - `half-and-more`: the last hosts, the fewest that are more than half.
 * - `minority`: the store's leader, and the last hosts besides it that make just fewer than half.
 * - `all`; `same`: whom the fault before it hit; `rest`: all but those.
 */
export type Target =
  | string
  | { readonly the: 'placement-leader' | 'store-leader' | 'busiest' | 'bystander' | 'builder' }
  | { readonly the: 'half-and-more' | 'minority' | 'all' | 'rest' | 'same' }

export type Fault =
  /** kill -9 of the host process: its dynos and routers live on. */
  | { readonly do: 'kill'; readonly on: Target }
  /** Everything on the machine is gone at once, as without power. Hosts hit together go together. */
  | { readonly do: 'power-off'; readonly on: Target }
  /**
   * Everything everywhere loses power, and each store comes back without the writes of its last `undoneMs`;
   * hosts are started again.
   */
  | { readonly do: 'rollback'; readonly undoneMs: number }
  /** Dead hosts start again, in this order of names when it is given. */
  | { readonly do: 'start'; readonly on: Target }
  /** SIGSTOP of everything on the machine. */
  | { readonly do: 'freeze'; readonly on: Target }
  | { readonly do: 'thaw'; readonly on: Target }
  /**
   * Nothing passes between the target and the rest. `out`: only what the target sends is lost. `in`: only
   * what is sent to it.
   */
  | { readonly do: 'cut'; readonly on: Target; readonly way: 'both' | 'out' | 'in' }
  /** Every link of the target is late and lossy (0 to 1). */
  | { readonly do: 'slow-link'; readonly on: Target; readonly delayMs: number; readonly loss: number }
  /** What is sent to the target over the bus comes a second time, that much later; simulation only. */
  | { readonly do: 'replay'; readonly on: Target; readonly afterMs: number }
  /** All links are well again. */
  | { readonly do: 'mend' }
  /** kill -9 of bus servers: those on the target hosts. They stay down. */
  | { readonly do: 'bus-kill'; readonly on: Target }
  | { readonly do: 'bus-start'; readonly on: Target }
  /** kill -9 of all router shards there; their host starts them again at once. */
  | { readonly do: 'router-kill'; readonly on: Target }
  /** SIGSTOP of the router shards there, or of the bus server, alone. */
  | { readonly do: 'router-freeze' | 'bus-freeze'; readonly on: Target }
  | { readonly do: 'router-thaw' | 'bus-thaw'; readonly on: Target }
  | { readonly do: 'disk-full'; readonly on: Target }
  | { readonly do: 'disk-free'; readonly on: Target }
  /** Whoever writes or syncs there waits for `stallMs`, again and again with 0.3 s in between. */
  | { readonly do: 'disk-slow'; readonly on: Target; readonly stallMs: number }
  | { readonly do: 'disk-fast'; readonly on: Target }
  /** Of the receiver of drains: kill -9, SIGSTOP, no packet to it and from it; and all is well with it. */
  | { readonly do: 'receiver-kill' | 'receiver-freeze' | 'receiver-cut' | 'receiver-mend' }
  /** The host's wall clock jumps; simulation only. */
  | { readonly do: 'clock-jump'; readonly on: Target; readonly byMs: number }
  /** The operator's words. */
  | { readonly do: 'drain'; readonly on: Target }
  | { readonly do: 'undrain'; readonly on: Target }
  /** SIGTERM, and a start when it has ended: one host of a rolling upgrade. */
  | { readonly do: 'upgrade'; readonly on: Target }

/**
 * Source comes in at that host's API or git, and takes its compilation so long. Over when it is being
 * compiled; who sent it waits for its end, as `until: 'built'` does for the ends of all.
 */
export type BuildStep = {
  readonly build: string
  /** `setup`: the app is made from it. */
  readonly by: 'api' | 'push' | 'setup'
  readonly via: string
  readonly seconds: number
}

/**
 * `serving`: every wanted dyno has a process that is up on a reachable machine, and each web app answers a
 * request. `settled`: that, the API says the same of the same runs, of the newest release, and nothing else
 * runs anywhere. `emptied`: no dyno on the hosts the last fault hit. `suspected`, `dead`:
 * the leader's view says so of the hosts that the last fault hit. `braked`: the view is. `built`: whoever
 * sent source has been told what became of it.
 */
export type Condition = 'serving' | 'settled' | 'emptied' | 'suspected' | 'dead' | 'braked' | 'built'

export type Step =
  | Fault
  | BuildStep
  /** `simulated`: how long instead where time costs nothing. */
  | { readonly wait: number; readonly simulated?: number }
  | { readonly until: Condition; readonly withinMs: number }

export type Bounds = {
  /** From the last fault that was not a repair, or from the last `until`, to `serving`. */
  readonly servingMs: number
  /** From the end of the timeline to `settled`. */
  readonly settledMs: number
  /**
   * A request may fail when it was on its way within this of a fault that hit (`via`, or a host with a dyno
   * of the app). 0: none may fail, whatever happens.
   */
  readonly detectionMs: number
  /** A fault keeps on hurting until it is repaired (all routers cut off, say), not only when it strikes. */
  readonly hurtsUntilRepaired?: boolean
  /** Dynos started between the first fault and the end, beyond what scales and config changes asked for. */
  readonly startsMax?: number
  /** Lines not delivered and not counted: of a dyno whose machine lost power, what was still in its pipe. */
  readonly linesInFlightMax?: number
  /** Lines that a receiver may have twice, of each dyno whose host was hit; 0 when left out. */
  readonly linesTwiceMax?: number
}

export type Scenario = {
  readonly name: string
  /** One sentence: what happens, and what must hold. */
  readonly what: string
  readonly worlds: readonly WorldName[]
  readonly hosts: readonly HostSpec[]
  readonly apps: readonly AppSpec[]
  readonly load: Load
  readonly timeline: readonly Step[]
  readonly bounds: Bounds
}

/** Faults that end trouble instead of making it. */
export const repairs: ReadonlySet<Fault['do']> = new Set([
  'start',
  'thaw',
  'mend',
  'bus-start',
  'bus-thaw',
  'router-thaw',
  'disk-free',
  'disk-fast',
  'undrain',
  'receiver-mend',
])
