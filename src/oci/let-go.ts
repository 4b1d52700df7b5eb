/**
 * Lets a created container run, as `runc start` does, without a process for it: the container's first process
 * opens a fifo and waits there for a reader, writes one byte and becomes the program. Whoever has read that
 * byte removes the fifo, which is how runc tells `running` from `created`.
 */
import { constants, openSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Socket } from 'node:net'

import { isErrno } from './errors.ts'

const answerMsMax = 10_000

/**
 * @returns whether it runs. False leaves everything to `runc start`, which also knows to say why it does not.
 */
export const letGo = async (fifo: string): Promise<boolean> => {
  const fd = openFifo(fifo)
  if (fd === undefined || !(await answers(fd))) return false
  await rm(fifo, { force: true })
  return true
}

/** Undefined: this runc has none. Not blocking: else a thread would be held until somebody writes. */
const openFifo = (fifo: string): number | undefined => {
  try {
    return openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Whether somebody wrote. Not when the container died before, which nothing here would tell. */
const answers = (fd: number): Promise<boolean> =>
  new Promise((resolve) => {
    const reader = new Socket({ fd, readable: true, writable: false })
    const end = (is: boolean) => () => {
      reader.destroy()
      resolve(is)
    }
    reader.setTimeout(answerMsMax, end(false))
    reader.once('data', end(true)).once('error', end(false)).once('end', end(false))
  })
