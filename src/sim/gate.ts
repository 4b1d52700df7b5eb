/**
 * What reaches one life of a host: nothing once it has ended, and everything at once, in order, when it goes
 * on after it stood still (SIGSTOP, a paused virtual machine).
 */
export type Gate = {
  /** Runs it now; later when the host stands still; never when it is gone. */
  readonly pass: (run: () => void) => void
  readonly freeze: () => void
  readonly thaw: () => void
  /** Nothing passes any more. */
  readonly end: () => void
  readonly frozen: () => boolean
}

/** More than that are forgotten, newest first: sockets and timers are bounded too. */
const waitingMax = 100_000

export const createGate = (): Gate => {
  let state: 'open' | 'frozen' | 'ended' = 'open'
  let waiting: (() => void)[] = []
  return {
    pass: (run) => {
      if (state === 'open') run()
      else if (state === 'frozen' && waiting.length < waitingMax) waiting.push(run)
    },
    freeze: () => {
      if (state === 'open') state = 'frozen'
    },
    thaw: () => {
      if (state !== 'frozen') return
      state = 'open'
      const late = waiting
      waiting = []
      for (const run of late) if (state === 'open') run()
    },
    end: () => {
      state = 'ended'
      waiting = []
    },
    frozen: () => state === 'frozen',
  }
}
