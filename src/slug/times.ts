/**
 * Times of files: a tree that is built twice from one commit shall pack to the same bytes, so what a build
 * writes is as old as its source.
 *
 * Not older than that: servers tell clients by these times whether a file has changed since a deploy.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const outputBytesMax = 256 * 1024 ** 2

/** Gives every file, directory and link beneath one time, in seconds since 1970. */
export const setTimes = async (dir: string, seconds: number): Promise<void> => {
  await exec('find', [dir, '-exec', 'touch', '-h', '-d', `@${seconds}`, '{}', '+'])
}

/** When the newest thing beneath was changed, in whole seconds since 1970, rounded up. */
export const newestTime = async (dir: string): Promise<number> => {
  const { stdout } = await exec('find', [dir, '-mindepth', '1', '-printf', '%T@\n'], {
    maxBuffer: outputBytesMax,
  })
  let newest = 0
  for (const line of stdout.split('\n')) newest = Math.max(newest, Number(line))
  return Math.ceil(newest)
}

/** What is newer than that becomes so old. */
export const boundTimes = async (dir: string, seconds: number): Promise<void> => {
  const newer = ['-newermt', `@${seconds}`]
  await exec('find', [dir, ...newer, '-exec', 'touch', '-h', '-d', `@${seconds}`, '{}', '+'])
}
