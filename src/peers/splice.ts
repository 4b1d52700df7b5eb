/**
 * Two byte streams joined as one: what one says the other hears, with back-pressure and half-close; when one
 * is gone, so is the other.
 */
import type { Duplex } from 'node:stream'

/** How long the last words may take to leave when nobody is there any more to hear an answer. */
const lastWordsMs = 10_000

/** Resolves when both are closed. Never rejects. */
export const splice = async (a: Duplex, b: Duplex): Promise<void> => {
  const gone = [follow(a, b), follow(b, a)]
  // The end of one side is passed on as the end of that direction alone.
  a.pipe(b)
  b.pipe(a)
  await Promise.all(gone)
}

/** Resolves when `from` is closed, with `to` on its way there. */
const follow = (from: Duplex, to: Duplex): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      resolve()
      // It broke off, or nothing is left to be said: there is nothing to wait for.
      if (!from.readableEnded || to.writableFinished) return void to.destroy()
      const late = setTimeout(() => to.destroy(), lastWordsMs)
      to.once('close', () => clearTimeout(late))
      to.end(() => to.destroy())
    }
    from.on('error', () => from.destroy())
    if (from.closed) end()
    else from.once('close', end)
  })
