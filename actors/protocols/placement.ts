/**
 * Placement: where runs go, and what becomes of those whose host is lost or drained. One on each control host
 * (`refAt(Placement, 'placement', host)`), all of them warm; the view's leader decides.
 */
import { ask, is, protocol, tell } from '../../src/runtime/index.ts'
import { recordSchema } from '../formation/record.ts'
import { announcementShape, fleetRunShape, requiredLabels, viewShape } from './shapes.ts'

const wantedRuns = is.arr(is.obj({ runId: is.str, name: is.str, epoch: is.int }))
const placedRuns = is.arr(is.obj({ runId: is.str, host: is.str }))
/** Why some could not be placed: `no_host`, `no_match`, `no_room`, `occupied`. */
const failure = is.orNull(is.obj({ code: is.str, reason: is.str }))

export const Placement = protocol('placement', 1, {
  /** From the membership of this host. */
  viewChanged: tell({ view: viewShape }),
  /** From each Host over the topic `fleet`, again and again. */
  announced: tell(announcementShape.properties),
  /**
   * Where these runs of one process type go. `held`: its other runs, on record with a place. Repeated for a
   * run, it is answered as before. `relayed`: this host is asked for its own opinion. Refused with
   * `no_view` until there is one.
   */
  place: ask(
    {
      appId: is.str,
      processType: is.str,
      memoryBytes: is.int,
      singleton: is.bool,
      labels: requiredLabels,
      held: placedRuns,
      runs: wantedRuns,
      relayed: is.bool,
    },
    is.obj({ placed: placedRuns, failed: failure }),
  ),
  /** From a Formation: what a `move` asked of these runs is on record, or is no longer asked for. */
  moved: tell({ appId: is.str, runIds: is.arr(is.str) }),
  /**
   * From a Formation: runs on record, of which their hosts have said nothing. Believed of hosts that have
   * said nothing to the leader either. `relayed`: to the leader, by another host's.
   */
  recalled: tell({ runs: is.arr(is.obj({ host: is.str, run: fleetRunShape })), relayed: is.bool }),
  /** For the operator: what hosts announced, and what waits for room. */
  hosts: ask(
    {},
    is.obj({
      hosts: is.arr(
        is.obj({
          name: is.str,
          dynos: is.int,
          memoryBytes: is.int,
          reservedBytes: is.int,
          load: is.num,
          announcedAt: is.int,
        }),
      ),
      waiting: is.arr(is.obj({ appId: is.str, name: is.str, reason: is.str, since: is.int })),
      /** Runs that are being moved now. */
      moving: is.int,
    }),
  ),
  /** Own results. */
  relayed: tell({ relay: is.str, placed: placedRuns, failed: failure }),
  relayFailed: tell({ relay: is.str }),
  looked: tell({ appId: is.str, record: is.orNull(recordSchema) }),
  /** Own timers. */
  tick: tell({}),
  check: tell({}),
  room: tell({}),
})
