/**
 * Formation: which processes an app wants, which run hold its slots, and what became of them. Keyed by app
 * id, durable.
 */
import { ask, is, protocol, tell } from '../../src/runtime/index.ts'
import { outboxMessages } from './event.ts'
import {
  actorShape,
  dynoShape,
  processTypeShape,
  releaseShape,
  requiredLabels,
  routeShape,
  runReportShape,
} from './shapes.ts'

/** Refusal codes: `not_found`, `invalid_params`. */
export const Formation = protocol('formation', 1, {
  open: ask({ appName: is.str }, is.obj({})),
  /**
   * From App: name, hostnames, maintenance, features or certificates changed (a part of the route). Answered
   * when it is on record.
   */
  appChanged: ask(
    {
      appName: is.str,
      hostnames: is.arr(is.str),
      maintenance: is.bool,
      features: is.opt(is.arr(is.str)),
      certificates: is.opt(is.map(is.str)),
      at: is.int,
    },
    is.obj({}),
  ),
  /** From Releases: work towards this one. Idempotent by version. */
  released: tell({ release: releaseShape, by: actorShape }),
  /**
   * From Releases: run the command of type `release` of this one, once, and tell how it ended (`phaseEnded`)
   * as often as this is said.
   */
  runPhase: tell({ release: releaseShape, by: actorShape }),
  /**
   * quantity: `3`, `+1`, `-1` as text; size in any case; singleton: never two lives at once; labels: all that
   * its host must have, none when empty. All or none.
   */
  scale: ask(
    {
      updates: is.arr(
        is.obj({
          type: is.str,
          quantity: is.opt(is.str),
          size: is.opt(is.str),
          singleton: is.opt(is.bool),
          labels: requiredLabels,
        }),
      ),
      by: actorShape,
    },
    is.obj({ types: is.arr(processTypeShape) }),
  ),
  types: ask({}, is.obj({ types: is.arr(processTypeShape) })),
  dynos: ask({}, is.obj({ dynos: is.arr(dynoShape) })),
  /** All, those of one type, or one by name. */
  restart: ask(
    { processType: is.opt(is.str), dyno: is.opt(is.str), by: actorShape },
    is.obj({ restarted: is.int }),
  ),
  /** ps:stop: ends the run; a formation slot is restarted by the crash policy, a one-off is over. */
  stopDyno: ask(
    { processType: is.opt(is.str), dyno: is.opt(is.str), by: actorShape },
    is.obj({ stopped: is.int }),
  ),
  /** A one-off on the current release. `attachToken` null: detached. */
  run: ask(
    {
      command: is.str,
      env: is.map(is.str),
      size: is.opt(is.str),
      processType: is.opt(is.str),
      attachToken: is.orNull(is.str),
      terminal: is.orNull(is.obj({ columns: is.int, rows: is.int })),
      timeToLiveMs: is.opt(is.int),
      by: actorShape,
    },
    dynoShape,
  ),
  /** From a router: the app, which sleeps while nobody uses it, is asked for. Wakes it. */
  used: tell({}),
  /** Puts an app whose web dynos are Eco to sleep now. */
  idle: ask({}, is.obj({})),
  route: ask({}, routeShape),
  /** Stops every run; answered when none is left. */
  destroy: ask({}, is.obj({})),
  /** From Placement (as an answer turned into one's own message). */
  placed: tell({
    /** Every run that was asked for; those that are not in `runs` failed. */
    asked: is.arr(is.str),
    runs: is.arr(is.obj({ runId: is.str, host: is.str })),
    /** `full`: there are hosts of the kind, but none has room. */
    failed: is.orNull(is.obj({ code: is.str, reason: is.str, full: is.bool })),
  }),
  /** From Placement: what waits for a place may find one now. */
  room: tell({}),
  /**
   * From the Placement of `by`, which leads in that view: these runs go from a host to others, each under a
   * new id and epoch; confirmed with `moved` when on record, and said again until then. `host` null: there
   * is no room yet. `suspect`: the old run serves until the new one is up. `dead`: it is gone.
   */
  move: tell({
    by: is.str,
    view: is.int,
    why: is.oneOf('suspect', 'dead', 'drain', 'rebalance'),
    from: is.str,
    runs: is.arr(is.obj({ runId: is.str, newRunId: is.str, epoch: is.int, host: is.orNull(is.str) })),
  }),
  /** From a Dyno, at once on each change; at-most-once, so it is said again in `announced`. */
  dynoChanged: tell({ host: is.str, report: runReportShape }),
  /**
   * From a Host: everything of this app that lives there, in full: what is missing is gone. `since` is the
   * host's incarnation.
   */
  announced: tell({ host: is.str, since: is.int, runs: is.arr(runReportShape) }),
  /** Own timers. */
  reconcile: tell({}),
  publish: tell({}),
  retry: tell({}),
  recall: tell({}),
  idleDue: tell({}),
  /** Own effect: the usage record has everything up to this day (since the epoch); or not yet. */
  entered: tell({ through: is.int }),
  unentered: tell({}),
  ...outboxMessages,
})
