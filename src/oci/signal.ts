/**
 * Signals: sends one to many processes; a process that is gone needs none.
 */
import assert from 'node:assert/strict'
import { isErrno } from './errors.ts'

/**
 * Sends `signal` to each pid (a negative one is a process group). 0 and -1 are the group of who asks and
 * everybody: what stands for no process elsewhere (cgroups(7) writes one that cannot be seen as 0) never gets
 * this far.
 */
export const killAll = (pids: readonly number[], signal: NodeJS.Signals): void => {
  for (const pid of pids) {
    assert(pid > 0 || pid < -1, `${pid} is no process`)
    try {
      process.kill(pid, signal)
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error
    }
  }
}
