/**
 * The brake on mass death. Pure.
 *
 * When more than half of three or more hosts fall silent at once, it is the observer or the bus that is more
 * likely lost than they are (wasmCloud#5502: an outage of the bus deleted every host): nobody is declared
 * dead until they are back or an operator removes them.
 */
export type Silence = {
  /** It is gone long enough to be a suspect. */
  readonly isSuspect: boolean
  /** Silent for less than that, but already longer than chance explains: those that vanish together do. */
  readonly isQuiet: boolean
  readonly isDead: boolean
  /** Since when it has not been heard. */
  readonly sinceMs: number
}

const membersMin = 3

/**
 * @param silences of every member that is not known to have left
 * @param wasBraked keeps the brake on for as long as more than half of those not dead are suspects
 */
export const isBraked = (silences: readonly Silence[], wasBraked: boolean, windowMs: number): boolean => {
  const living = silences.filter(({ isDead }) => !isDead)
  const suspects = living.filter(({ isSuspect }) => isSuspect)
  if (wasBraked) return suspects.length * 2 > living.length
  if (suspects.length === 0) return false
  const newestMs = Math.max(...suspects.map(({ sinceMs }) => sinceMs))
  const together = silences.filter(
    ({ isSuspect, isQuiet, isDead, sinceMs }) =>
      (isSuspect || isQuiet || isDead) && sinceMs > newestMs - windowMs,
  )
  const together0 = together.filter(({ isDead }) => isDead).length
  const count = living.length + together0
  return count >= membersMin && together.length * 2 > count
}
