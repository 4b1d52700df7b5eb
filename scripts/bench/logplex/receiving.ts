/** The receiver's process as the bench drives it. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Order, Said } from './receiver.ts'
import type { Tally } from './tally.ts'

export type Port = {
  readonly port: number
  /** What came since the last reset. */
  readonly tally: (reset?: 'reset') => Promise<Tally>
  /**
   * Resolves when so many lines have come or were told as lost; or nothing more has for `quietMs`.
   */
  readonly whole: (lines: number, quietMs: number) => Promise<Tally>
  /** Resolves when nothing has come for so long. */
  readonly settled: (quietMs: number) => Promise<Tally>
}
export type Receiving = { readonly open: () => Promise<Port>; readonly close: () => Promise<void> }

const pollMs = 50

export const startReceiver = (): Promise<Receiving> => {
  const child = fork(join(import.meta.dirname, 'receiver.ts'), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  return Promise.resolve(receivingOf(child))
}

const receivingOf = (child: ChildProcess): Receiving => {
  let last: Promise<unknown> = Promise.resolve()
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the receiver ended')))
  ended.catch(() => undefined)
  /** One at a time: answers come in the order of the questions. */
  const ask = (order: Order): Promise<Said> => {
    const answer = last.then(async () => {
      const said = once(child, 'message')
      child.send(order)
      const [message] = (await Promise.race([said, ended])) as [Said]
      return message
    })
    last = answer.catch(() => undefined)
    return answer
  }
  const portOf = (port: number): Port => {
    const tally = async (reset?: 'reset'): Promise<Tally> => {
      const said = await ask({ what: 'tally', port, reset: reset !== undefined })
      if (said.what !== 'tally') throw new Error('the receiver said something else')
      return said.tally
    }
    const whole = async (lines: number, quietMs: number): Promise<Tally> => {
      let [seen, sinceMs] = [-1, performance.now()]
      for (;;) {
        const now = await tally()
        if (now.lines + now.told >= lines) return now
        if (now.frames !== seen) [seen, sinceMs] = [now.frames, performance.now()]
        else if (performance.now() - sinceMs > quietMs) return now
        await pause(pollMs)
      }
    }
    return { port, tally, whole, settled: (quietMs) => whole(Number.POSITIVE_INFINITY, quietMs) }
  }
  return {
    open: async () => {
      const said = await ask({ what: 'open' })
      if (said.what !== 'opened') throw new Error('the receiver said something else')
      return portOf(said.port)
    },
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await ended.catch(() => undefined)
    },
  }
}
