/** Shapes that several protocols share. Times are epoch milliseconds; ids are lower-case UUIDs. */
import { is, type Static } from '../../src/runtime/index.ts'

/** Labels that a host must have; absent where none are required, and in what older builds wrote. */
export const requiredLabels = is.opt(is.map(is.str))

/** What runs: an unpacked slug by its sum, and what it was built from. */
export const slugShape = is.obj({
  id: is.str,
  /** Hex sha256 of the packed slug: its name in the object store, unless `object` says another. */
  sha256: is.str,
  object: is.opt(is.str),
  /** Hex sha256 that was promised for it, when that is another: it cannot be run (R17). */
  promised: is.opt(is.str),
  bytes: is.int,
  stack: is.str,
  commit: is.str,
  description: is.str,
  /** Type to command. */
  processTypes: is.map(is.str),
  buildpackDescription: is.str,
  createdAt: is.int,
})
export type Slug = Static<typeof slugShape>

/** Addresses of the pages shown for errors and in maintenance; empty: the built-in one. */
export const pagesShape = is.obj({ error: is.str, maintenance: is.str })
export type Pages = Static<typeof pagesShape>

export const releaseShape = is.obj({
  id: is.str,
  version: is.int,
  description: is.str,
  status: is.oneOf('pending', 'succeeded', 'failed', 'expired'),
  userId: is.str,
  userEmail: is.str,
  /** Names the sealed config vars of this release (see effects/vault.ts). */
  configId: is.str,
  /** Of these config vars; a ledger of an older build says nothing of them. */
  pages: is.opt(pagesShape),
  slug: is.orNull(slugShape),
  /** A release command was or is to be run for it: it has output. */
  hasPhase: is.opt(is.bool),
  createdAt: is.int,
  updatedAt: is.int,
})
export type Release = Static<typeof releaseShape>

export const dynoStates = ['starting', 'up', 'crashed', 'down', 'idle', 'complete'] as const
export const dynoState = is.oneOf(...dynoStates)

/** One process type of an app. */
export const processTypeShape = is.obj({
  id: is.str,
  type: is.str,
  command: is.str,
  quantity: is.int,
  size: is.str,
  /** At most one life at a time, whatever happens; otherwise at least one. */
  singleton: is.bool,
  labels: requiredLabels,
  createdAt: is.int,
  updatedAt: is.int,
})
export type ProcessType = Static<typeof processTypeShape>

/** One slot (`web.1`, `run.4711`) as the API shows it. */
export const dynoShape = is.obj({
  /** The id of the run that holds the slot now. */
  id: is.str,
  name: is.str,
  type: is.str,
  command: is.str,
  size: is.str,
  state: dynoState,
  releaseId: is.str,
  releaseVersion: is.int,
  host: is.orNull(is.str),
  /** Why it has no place to start in. */
  waiting: is.opt(is.str),
  createdAt: is.int,
  updatedAt: is.int,
})
export type DynoView = Static<typeof dynoShape>

/** How a one-off is attached: the token is what the client presents at the rendezvous. */
export const attachShape = is.obj({
  /** The host whose API the client talks to. */
  host: is.str,
  token: is.str,
  terminal: is.orNull(is.obj({ columns: is.int, rows: is.int })),
})

/**
 * How a process type was scaled when a run of it was decided: of its last change, at `at`
 * (`processTypeShape.updatedAt`). Absent: a one-off, or decided by an older build.
 */
export const scaleShape = is.obj({
  quantity: is.int,
  size: is.str,
  singleton: is.bool,
  labels: requiredLabels,
  at: is.int,
})

/**
 * Everything a host must know to run one process once. Config vars are not in it: the host unseals
 * `configId`.
 */
export const runShape = is.obj({
  /** Unique for ever: the container's name. */
  id: is.str,
  appId: is.str,
  appName: is.str,
  /** The slot: `web.1`, `run.4711`. */
  name: is.str,
  type: is.str,
  command: is.str,
  size: is.str,
  releaseId: is.str,
  releaseVersion: is.int,
  configId: is.str,
  slug: slugShape,
  /** Extra environment of a one-off, over the config vars. */
  env: is.map(is.str),
  attach: is.orNull(attachShape),
  /** Stopped by its host before another may start it: see placement. */
  singleton: is.bool,
  /** Carried so that a record that lost it can have it back from what runs. */
  scale: is.opt(scaleShape),
  /** Of config/features.ts, those for dynos that were on when it was decided; absent: none. */
  features: is.opt(is.arr(is.str)),
  /** When its release was made; absent in what older builds decided. */
  releasedAt: is.opt(is.int),
  /** The release command of its release: what it says is kept as the release's output. */
  isPhase: is.opt(is.bool),
  /** One-offs end after this; null for the formation's own. */
  timeToLiveMs: is.orNull(is.int),
  /** Revision of the formation's record that decided this run: hosts refuse older ones for the same slot. */
  epoch: is.int,
})
export type Run = Static<typeof runShape>

/**
 * How another host reaches a dyno: its own host's address and a port that leads to this dyno and no other.
 * Null: only its own host does.
 */
export const outerShape = is.orNull(is.obj({ address: is.str, port: is.int }))
export type Outer = Static<typeof outerShape>

/** What a host says of one run of its own. */
export const runReportShape = is.obj({
  id: is.str,
  appId: is.str,
  name: is.str,
  epoch: is.int,
  releaseVersion: is.int,
  /** Tells two releases of one version apart: the first was lost with the end of the record. */
  releaseId: is.opt(is.str),
  scale: is.opt(scaleShape),
  phase: is.oneOf('starting', 'up', 'stopping', 'exited'),
  /** Where it listens once up; null otherwise. */
  address: is.orNull(is.str),
  port: is.orNull(is.int),
  outer: outerShape,
  startedAt: is.orNull(is.int),
  /** Exit status (128+signal), once exited. */
  code: is.orNull(is.int),
  /** R10, R12, R15, R17, R99 … when the platform ended it. */
  error: is.orNull(is.str),
})
export type RunReport = Static<typeof runReportShape>

/** Who did it, for releases and `app[api]` lines. */
export const actorShape = is.obj({ id: is.str, email: is.str })
export type Who = Static<typeof actorShape>

const targetShape = is.obj({
  runId: is.str,
  dyno: is.str,
  address: is.str,
  port: is.int,
  outer: outerShape,
  epoch: is.int,
  host: is.str,
})

/** Where a route leads: what a router shard needs of one app. */
export const routeShape = is.obj({
  appId: is.str,
  appName: is.str,
  /** Grows with each change: older announcements are ignored. */
  version: is.int,
  maintenance: is.bool,
  /** The app was destroyed: forget it. */
  gone: is.bool,
  /** Names that lead here besides `<appName>.<domain>`. */
  hostnames: is.arr(is.str),
  /** Those of config/features.ts that are on; a formation of an older build says nothing of them. */
  features: is.opt(is.arr(is.str)),
  /** Of the hostnames that have a certificate of their own: the id of its sealed pair. */
  certificates: is.opt(is.map(is.str)),
  /** Signs the cookies of session affinity, while that is on. */
  affinityKey: is.opt(is.str),
  pages: is.opt(pagesShape),
  /** It sleeps while nobody uses it: the formation is to be told who does. Absent: it never does. */
  idles: is.opt(is.oneOf('awake', 'asleep')),
  /** No release with a web process yet: H81 (`blank`); scaled to zero: H14 (`none`); all crashed: H10. */
  web: is.oneOf('blank', 'none', 'crashed', 'booting', 'up'),
  targets: is.arr(targetShape),
})
export type Route = Static<typeof routeShape>
export type Target = Static<typeof targetShape>

/**
 * A dyno that serves in the place of an older life of it, before its formation could put that on record; or
 * does so no more.
 */
export const standInShape = is.obj({ appId: is.str, target: targetShape, over: is.bool })
export type StandIn = Static<typeof standInShape>

/** The membership's view as actors are told it (src/membership/contract.ts): who is there, and who leads. */
export const viewShape = is.obj({
  /** Grows with every change. */
  number: is.int,
  /** The host that places. */
  leader: is.str,
  /** Most hosts vanished at once: nobody is moved. */
  braked: is.bool,
  members: is.arr(
    is.obj({
      name: is.str,
      incarnation: is.int,
      roles: is.arr(is.str),
      labels: is.map(is.str),
      state: is.oneOf('joining', 'up', 'suspect', 'draining', 'dead', 'left'),
    }),
  ),
})
export type FleetView = Static<typeof viewShape>
export type FleetMember = FleetView['members'][number]

/** A run as its host announces it to placement: what it takes, and whose it is. */
export const fleetRunShape = is.obj({
  id: is.str,
  appId: is.str,
  name: is.str,
  bytes: is.int,
  epoch: is.int,
  singleton: is.bool,
  labels: requiredLabels,
})
export type FleetRun = Static<typeof fleetRunShape>

/**
 * What a host says of its runs to every placement at once: in full now and then, else what changed since the
 * announcement before.
 */
export const announcementShape = is.obj({
  host: is.str,
  /** The host actor's incarnation. */
  since: is.int,
  /** One more than that of the announcement before. */
  seq: is.int,
  full: is.bool,
  memoryBytes: is.int,
  /** Processes that wait for a processor, over a minute. */
  load: is.num,
  /** Live runs there are, so that whoever counts otherwise asks for all of them. */
  count: is.int,
  runs: is.arr(fleetRunShape),
  gone: is.arr(is.str),
})
export type Announcement = Static<typeof announcementShape>
