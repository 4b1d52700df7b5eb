/** Placement: where a run goes. Keyed (one, key `placement`); holds no truth of its own. */
import { ask, is, protocol, tell } from '../../src/runtime/index.ts'

export const Placement = protocol('placement', 1, {
  /** Refused with `no_room` and the reason when no host can take it. */
  place: ask(
    { runId: is.str, appId: is.str, memoryBytes: is.int, avoid: is.arr(is.str) },
    is.obj({ host: is.str }),
  ),
  /** From each Host, again and again. */
  announced: tell({ host: is.str, memoryBytes: is.int, reservedBytes: is.int, runs: is.int }),
})
