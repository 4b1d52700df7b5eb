/** How far long work is, on one line of a terminal that is gone in the end; elsewhere nothing. */
import type { Told } from './client.ts'

const clearLine = '\r\u{1b}[K'

type Terminal = { readonly isTTY?: boolean; readonly write: (text: string) => unknown }

export const shown = async <T>(
  work: (told: Told) => Promise<T>,
  to: Terminal = process.stderr,
): Promise<T> => {
  const told = (progress: string): void => {
    const [done = '', total = ''] = progress.split('/')
    if (to.isTTY === true) to.write(`${clearLine}${done} of ${total} records`)
  }
  try {
    return await work(told)
  } finally {
    if (to.isTTY === true) to.write(clearLine)
  }
}
