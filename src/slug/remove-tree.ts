/**
 * Removes what a stranger's program may have made: also directories so deep that the path of what is in them
 * is longer than the system takes, where Node's own way ends and leaves everything.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const exec = promisify(execFile)

/** With all that is in it; links are not followed. What is not there is removed. */
export const removeTree = async (path: string): Promise<void> => {
  await exec('rm', ['-rf', '--one-file-system', '--', path])
}
