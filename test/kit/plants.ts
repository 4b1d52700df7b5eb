/** Deliberate bugs, put between the runtime and its ports, to show that the simulation's checks find them. */
import type { Store } from '../../src/ports/store.ts'

/**
 * Acknowledges a write before the record has it: what a write-behind cache without a journal does. A crash,
 * or a race that is lost later, then loses what was answered.
 */
export const acknowledgesBeforeItStores = (store: Store): Store => {
  let nextGuess = 1_000_000
  const real = new Map<number, Promise<number>>()
  const answerNow = (write: Promise<number>): number => {
    nextGuess++
    write.catch(() => undefined)
    real.set(nextGuess, write)
    return nextGuess
  }
  return {
    ...store,
    create: (key, value) => Promise.resolve(answerNow(store.create(key, value))),
    update: (key, value, revision) =>
      Promise.resolve(
        answerNow(
          Promise.resolve(real.get(revision) ?? revision).then((actual) => store.update(key, value, actual)),
        ),
      ),
    remove: async (key, revision) =>
      store.remove(key, revision === undefined ? undefined : await (real.get(revision) ?? revision)),
  }
}
