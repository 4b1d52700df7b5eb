/**
 * Round: looks at each of many things every so often, a few at a time, so that a thousand of them neither
 * wake the process a thousand times nor hold it up once.
 */

export type Round = {
  /** @returns how to leave it again */
  join(look: () => void): () => void
}

const slices = 12

/** Each look is called once within `everyMs`, and as late again. */
export const openRound = (everyMs: number): Round => {
  const looks = new Set<{ look: () => void }>()
  let going = looks.values()
  let timer: NodeJS.Timeout | undefined
  const next = (): { look: () => void } | undefined => {
    const { done, value } = going.next()
    if (done !== true) return value
    going = looks.values()
    return going.next().value
  }
  const slice = (): void => {
    for (let left = Math.ceil(looks.size / slices); left > 0; left--) next()?.look()
  }
  return {
    join: (look) => {
      // The same function may look for two.
      const entry = { look }
      looks.add(entry)
      timer ??= setInterval(slice, everyMs / slices)
      return () => {
        looks.delete(entry)
        if (looks.size > 0) return
        clearInterval(timer)
        timer = undefined
      }
    },
  }
}
