/** Work on each of many things that come one by one, so many at a time. */

/**
 * The first failure, of the work or of where they come from, ends it: once all that was begun has ended.
 * @throws it
 */
export const eachAtOnce = async <T>(
  things: AsyncIterable<T>,
  most: number,
  work: (thing: T) => Promise<unknown>,
): Promise<void> => {
  const underWay = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  const begin = async (thing: T): Promise<void> => {
    try {
      await work(thing)
    } catch (error) {
      failure ??= { error }
    }
  }
  const isFailed = (): boolean => failure !== undefined
  try {
    for await (const thing of things) {
      const one: Promise<void> = begin(thing).then(() => void underWay.delete(one))
      underWay.add(one)
      if (underWay.size >= most) await Promise.race(underWay)
      if (isFailed()) break
    }
  } finally {
    await Promise.all(underWay)
  }
  if (failure !== undefined) throw failure.error
}
