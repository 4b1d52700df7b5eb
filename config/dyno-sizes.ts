/**
 * The dyno sizes of Heroku's Common Runtime (spec/dyno.md §1.9), as everything that sizes a dyno needs them.
 *
 * `processesMax` becomes RLIMIT_NPROC: buildpacks read `ulimit -u` to choose WEB_CONCURRENCY, so it must
 * equal the table.
 */
export type DynoSize = {
  /** Stable id for the API: never changes, for clients keep it. */
  readonly id: string
  /** Canonical spelling; the CLI looks its cost table up by it. */
  readonly name: string
  readonly memoryBytes: number
  /** Shares of a core relative to one Standard-1X. */
  readonly cpuShares: number
  readonly dedicated: boolean
  /** Processes and threads together. */
  readonly processesMax: number
  /** Of one process type. */
  readonly dynosPerTypeMax: number
  readonly centsPerMonth: number
}

const mb = 1024 * 1024
const sized = (
  digit: string,
  name: string,
  memoryMb: number,
  cpuShares: number,
  processesMax: number,
  centsPerMonth: number,
): DynoSize => ({
  id: `5ca1ab1e-0000-4000-8000-00000000000${digit}`,
  name,
  memoryBytes: memoryMb * mb,
  cpuShares,
  dedicated: name.startsWith('Performance'),
  processesMax,
  dynosPerTypeMax: name.startsWith('Performance') ? 10 : 100,
  centsPerMonth,
})

/** Dynos of this size sleep while nobody asks for them, and pay from a pool of hours. */
export const sleepingSize = 'Eco'

/** Smallest first. On one's own machines Eco and Basic scale out like the others. */
export const dynoSizes: readonly DynoSize[] = [
  sized('1', sleepingSize, 512, 1, 256, 500),
  sized('2', 'Basic', 512, 1, 256, 700),
  sized('3', 'Standard-1X', 512, 1, 256, 2_500),
  sized('4', 'Standard-2X', 1024, 2, 512, 5_000),
  sized('5', 'Performance-M', 2560, 12, 16_384, 25_000),
  sized('6', 'Performance-L', 14_336, 50, 32_768, 50_000),
  sized('7', 'Performance-L-RAM', 30_720, 24, 32_768, 50_000),
  sized('8', 'Performance-XL', 63_488, 50, 32_768, 75_000),
  sized('9', 'Performance-2XL', 129_024, 100, 32_768, 150_000),
]

/** What a new process type gets. */
export const dynoSizeDefault = 'Basic'

/** Names that old scripts still use. */
const legacy: Readonly<Record<string, string>> = {
  free: 'eco',
  hobby: 'basic',
  '1x': 'standard-1x',
  '2x': 'standard-2x',
  px: 'performance-l',
}
const byName = new Map(dynoSizes.map((size) => [size.name.toLowerCase(), size]))

/** @param text a size's name in any case, a legacy name, or its id */
export const findDynoSize = (text: string): DynoSize | undefined => {
  const name = text.toLowerCase()
  return byName.get(legacy[name] ?? name) ?? dynoSizes.find((size) => size.id === name)
}

/** Memory that one dyno of that size is promised. Sizes in records were checked when they came in. */
export const memoryBytesOf = (name: string): number =>
  (findDynoSize(name) ?? findDynoSize(dynoSizeDefault)!).memoryBytes
