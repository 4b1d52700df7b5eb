/**
 * Children: how a process that we hold by its streams ended.
 */
import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'

import { killAll } from './signal.ts'

/** The status as a shell tells it: 128 and the signal's number when one ended it. */
export const statusOf = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + (signal ? constants.signals[signal] : 0)

const notFound = 127

/**
 * Resolves with the status of a child that leads its process group. Its end is the end of all of them, as in
 * a container; else a straggler would hold the streams.
 */
export const groupEnd = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    child.on('error', () => resolve(notFound))
    child.on('exit', (code, signal) => {
      if (child.pid !== undefined) killAll([-child.pid], 'SIGKILL')
      resolve(statusOf(code, signal))
    })
  })
