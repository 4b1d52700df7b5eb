/** Adding up what dynos cost. Pure. */
import type { Spent } from '../protocols/usage.ts'

/** More kinds a day than any app has: made-up types of one-offs make no record longer than that. */
const kindsMax = 200
const others = 'other'

/** The sum of both; kinds beyond what a record holds are added up by size alone. */
export const plus = (a: Spent, b: Spent): [string, string, number][] => {
  const sum = a.map(([type, size, ms]): [string, string, number] => [type, size, ms])
  for (const [type, size, ms] of b) {
    if (ms === 0) continue
    const known = sum.find((row) => row[0] === type && row[1] === size)
    const rest = sum.length < kindsMax ? undefined : sum.find((row) => row[0] === others && row[1] === size)
    if (known !== undefined) known[2] += ms
    else if (rest !== undefined) rest[2] += ms
    else sum.push([sum.length < kindsMax ? type : others, size, ms])
  }
  return sum
}
