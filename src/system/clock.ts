/**
 * The machine's clock (ports/clock.ts).
 */
import type { Clock, Timer } from '../ports/clock.ts'

/** Node's timers fire at once beyond 2^31 - 1 ms, about 25 days. */
const timeoutMsMax = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, run): Timer {
    let timer: NodeJS.Timeout
    const wait = (leftMs: number): void => {
      timer =
        leftMs > timeoutMsMax
          ? setTimeout(() => wait(leftMs - timeoutMsMax), timeoutMsMax)
          : setTimeout(run, Math.max(0, leftMs))
    }
    wait(ms)
    return { cancel: () => clearTimeout(timer) }
  },
  soon(run) {
    setImmediate(run)
  },
}
