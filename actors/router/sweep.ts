/** Work on each of many things, a bounded number at once. */

/** In order. Rejects with the first failure; nothing is begun after it. */
export const sweep = async <T>(
  things: readonly T[],
  atOnceMax: number,
  work: (thing: T) => Promise<void>,
): Promise<void> => {
  let next = 0
  let isBroken = false
  const worker = async (): Promise<void> => {
    while (next < things.length) {
      if (isBroken) return
      const thing = things[next++] as T
      await work(thing).catch((error: unknown) => {
        isBroken = true
        throw error
      })
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnceMax, things.length) }, worker))
}
