/**
 * The times of the membership and how they must relate: what makes a lease a lease.
 */
import type { MembershipTimes } from './contract.ts'

export const timesDefault: MembershipTimes = {
  beatMs: 200,
  suspectMs: 1_000,
  fenceMs: 6_000,
  leaseMs: 12_000,
  brakeWindowMs: 12_000,
}

/** The leader repeats the number of its view, and what it heard, every so many beats. */
export const beatsAPulse = 2
/** Every so many beats a host says all of itself; at other times its number in the row is enough. */
export const beatsAFull = 10
/** A host that beats but does not hear the leader is as good as silent after so many times `suspectMs`. */
export const deafSuspects = 2

/** Two leaders that do not hear each other learn of it from the hosts between them well within this. */
const doubleLeadMs = (times: MembershipTimes): number => 2 * times.suspectMs + 4 * times.beatMs

/**
 * A host fences itself `fenceMs` after it sent the last beat that was acknowledged; the lease ends `leaseMs`
 * after that beat was heard, or after another leader began: the difference is what remains for stopping and
 * for the moment in which two lead.
 *
 * @throws RangeError naming the rule that is broken
 */
export const checkTimes = (times: MembershipTimes): MembershipTimes => {
  const rules: readonly (readonly [boolean, string])[] = [
    [times.beatMs > 0, 'beatMs is more than 0'],
    [times.suspectMs >= 4 * times.beatMs, 'suspectMs is at least four beats'],
    [times.fenceMs >= 2 * times.suspectMs, 'fenceMs is at least twice suspectMs'],
    [times.leaseMs >= times.fenceMs + doubleLeadMs(times), 'leaseMs leaves room after fenceMs'],
    [times.brakeWindowMs >= times.suspectMs, 'brakeWindowMs is at least suspectMs'],
  ]
  const broken = rules.find(([holds]) => !holds)
  if (broken !== undefined) throw new RangeError(`membership: ${broken[1]}`)
  return times
}
