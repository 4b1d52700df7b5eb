/**
 * Signals: sends one to many processes; a process that is gone needs none.
 */
import { isErrno } from './errors.ts'

/** Sends `signal` to each pid (a negative one is a process group). */
export const killAll = (pids: readonly number[], signal: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error
    }
  }
}
