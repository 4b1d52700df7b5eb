/**
 * Heroku's numbers, in one place (spec/dyno.md §1; where its pages are silent the value chosen here is the
 * platform's own).
 *
 * Milliseconds unless the name says otherwise.
 */
import assert from 'node:assert/strict'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const gb = 1024 ** 3

export const heroku = {
  /** A web process binds $PORT within this, or R10. */
  bootTimeoutMs: 60 * second,
  /** Between a web dyno's leaving the routers' tables and its SIGTERM: about what Heroku's logs show. */
  routersFirstMs: 700,
  /** SIGTERM to SIGKILL, with R12. */
  exitTimeoutMs: 30 * second,
  /** An attached one-off waits this long for its client, or R13. */
  attachTimeoutMs: 30 * second,
  /** Between two looks at a dyno's memory: R14 is said again with each that finds too much. */
  sampleMs: 20 * second,
  /** Of its quota: more than this and it is killed, with R15. */
  memoryKillRatio: 2,
  /** Neither side of an attached one-off says anything for this long: its client is sent away. */
  attachedIdleMs: hour,
  /** Without its client it gets this many SIGHUPs, so far apart; R16 that long after the last. */
  hangupsMax: 3,
  hangupPauseMs: 5 * second,
  /** A crash after this long up is not a boot crash: the count starts anew. */
  steadyMs: 10 * minute,
  /**
   * Upper bounds of the cool-off after the 2nd, 3rd, … crash in a row; the last one repeats. The first
   * restarts at once.
   */
  coolOffMsMax: [20 * minute, 40 * minute, 60 * minute, 180 * minute, 320 * minute],
  /** A dyno is replaced after a day, and up to so much more: not all at once. */
  cycleMs: 24 * hour,
  cycleSpreadMs: 216 * minute,
  /** Preboot: after a release the old web dynos serve for this long beyond the boot timeout. */
  prebootSettleMs: 2 * minute,
  /** Preboot: after a restart the old ones are stopped this long after it, and up to so much more. */
  prebootKeptMs: 4 * minute,
  prebootKeptSpreadMs: 2 * minute,
  /**
   * When the platform itself failed to start a dyno (R99, R17): the app is not to blame, it is tried again
   * soon.
   */
  platformRetryMs: 10 * second,
  /** Of all types together: what one record holds with ease. */
  dynosPerAppMax: 500,
  oneOffsMax: 50,
  oneOffTimeToLiveMsMax: 24 * hour,
  oneOffNumberMin: 1_000,
  oneOffNumberMax: 9_999,
  /** An Eco app sleeps after this long without a request. */
  idleAfterMs: 30 * minute,
  /** Routers say at most so often that an app is used: by so much later it may go to sleep. */
  usedEveryMs: minute,
  /** A release command that runs for longer has failed. */
  releasePhaseMsMax: hour,
  /** A finished one-off stays visible for this long. */
  completeKeptMs: 15 * second,
  /** The whole list of an app travels in one message. */
  releasesMax: 400,
  /** Slugs kept for rollback; the releases of older ones are `expired`. */
  slugsMax: 200,
  /** Of a packed slug: Heroku's 500 MB. */
  slugBytesMax: 500 * 1024 ** 2,
  /**
   * What a dyno may write, to /app and /tmp together; Heroku names no figure. A build's caches and compilers
   * need more.
   */
  dynoDiskBytes: 4 * gb,
  buildDiskBytes: 20 * gb,
  descriptionCharsMax: 500,
  commandCharsMax: 4_096,
  domainsMax: 1_000,
  /** What one record holds with ease. */
  collaboratorsMax: 100,
  /** What one record holds with ease, which is read at each call at an app of the team. */
  teamMembersMax: 500,
  /** Teams of a user. */
  teamsMax: 100,
  /** Apps that are on their way to a team at one time. */
  teamArrivalsMax: 100,
  /** Of an app (devcenter "Limits"). */
  drainsMax: 5,
  /** Of an app: what one record holds with ease. */
  logTokensMax: 100,
  /** Each with the names of its certificate: what one record holds with ease. */
  sniEndpointsMax: 25,
  buildpacksMax: 20,
  /** Apps of a pipeline: what one record and one promotion hold with ease. */
  couplingsMax: 200,
  processTypesMax: 100,
  /** Of Eco dynos, an account and month (UTC). */
  ecoPoolMs: 1_000 * hour,
} as const

assert(heroku.bootTimeoutMs > heroku.attachTimeoutMs)
assert(heroku.coolOffMsMax.every((ms, at, all) => at === 0 || ms > all[at - 1]!))
assert(heroku.oneOffNumberMax - heroku.oneOffNumberMin > 10 * heroku.oneOffsMax)
