/** Which of many apps the next request is for: a few get most, as on any platform. Pure. */

/**
 * Zipf's law with exponent 1 over `count` things, the most asked for first.
 * @param chance from 0 to less than 1, uniform
 */
export const zipf = (count: number): ((chance: number) => number) => {
  const sums = new Float64Array(count)
  let sum = 0
  for (let at = 0; at < count; at++) {
    sum += 1 / (at + 1)
    sums[at] = sum
  }
  return (chance) => {
    const wanted = chance * sum
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] ?? 0) <= wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The middle and the 99th of a hundred. */
export const quantiles = (values: Float64Array): { readonly p50: number; readonly p99: number } => {
  const sorted = values.slice().sort()
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50: at(0.5), p99: at(0.99) }
}
