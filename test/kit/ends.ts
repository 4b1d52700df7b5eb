/** What ends with a test, or with a program that is none: ended last begun first, one after the other. */

export type Ends = { readonly teardown: (end: () => unknown) => void }

/** For programs. */
export const openEnds = (): Ends & { readonly all: () => Promise<void> } => {
  const ends: (() => unknown)[] = []
  return {
    teardown: (end) => void ends.push(end),
    async all() {
      for (const end of ends.splice(0).toReversed()) await end()
    },
  }
}
