/**
 * The account of an app's log: every line that a source took is there once and in order, or was told to be
 * lost, or was in the memory of what died. Pure.
 */

/** Whoever took numbered lines for an app's log. */
export type Source = {
  readonly name: string
  /** Lines that it took, numbered from 0. */
  readonly said: number
  /** Lines that it held when it died, and those that it had dropped and not told; 0: it lives. */
  readonly held: number
}

/** A numbered line's mark, whatever stands around it. */
export const lineMark = (name: string, n: number): string => `/line/${name}/${n}`
const markOf = (text: string): { readonly name: string; readonly n: number } | undefined => {
  const [, name = '', n] = /\/line\/([^/\s"]+)\/(\d+)/.exec(text) ?? []
  return n === undefined ? undefined : { name, n: Number(n) }
}

/** How many lines a line says are missing: `Error L12: 3 messages dropped since …`. */
export const lossIn = (text: string): { readonly code: string; readonly count: number } | undefined => {
  const [, code = '', count] =
    /Error (L1[0-3])\b[^:]*: (\d+) messages (?:dropped|lost) since /.exec(text) ?? []
  return count === undefined ? undefined : { code, count: Number(count) }
}

export type Account = {
  readonly violations: readonly string[]
  readonly missing: number
  readonly reported: number
  readonly twice: number
}

/**
 * @param kept what is in the log, as text
 * @param undone lines that a store lost which came back without its last seconds
 */
export const checkLog = (sources: readonly Source[], kept: readonly string[], undone: number): Account => {
  const numbers = new Map(sources.map(({ name }) => [name, [] as number[]]))
  const violations: string[] = []
  let reported = 0
  for (const text of kept) {
    const mark = markOf(text)
    reported += mark === undefined ? (lossIn(text)?.count ?? 0) : 0
    if (mark === undefined) continue
    const own = numbers.get(mark.name)
    if (own === undefined) violations.push(`a line of nobody: ${text}`)
    else own.push(mark.n)
  }
  let [missing, twice] = [0, 0]
  const gone: string[] = []
  for (const { name, said, held } of sources) {
    const own = numbers.get(name) ?? []
    const once = new Set(own)
    const doubles = own.length - once.size
    if (doubles > 0) violations.push(`${name}: ${doubles} lines are there twice`)
    if (doubles === 0 && own.some((n, at) => n < (own[at - 1] ?? 0))) violations.push(`${name}: out of order`)
    const beyond = own.filter((n) => n >= said).length
    if (beyond > 0) violations.push(`${name}: ${beyond} lines that it never said`)
    twice += doubles
    missing += said - once.size
    if (said > once.size) gone.push(`${name} lacks ${said - once.size}, held ${held}`)
  }
  const sum = (of: (source: Source) => number): number => sources.reduce((all, one) => all + of(one), 0)
  const excused = sum(({ held }) => held) + undone
  const who = gone.join('; ')
  if (missing > reported + excused)
    violations.push(`${missing} lines are missing, ${reported} are told, ${excused} excused (${who})`)
  // The platform's own lines, which have no number here, are undone and told as well.
  if (reported > missing + undone)
    violations.push(`${reported} lines are told to be lost, ${missing} are missing (${who})`)
  return { violations, missing, reported, twice }
}

const isOfDrain = /^heroku\[logplex\]: Error (?:L10 .*: drain '|L14 )/
export type Frame = { readonly id: string; readonly texts: readonly string[] }

/**
 * What a receiver took of a log: each of its lines, or it was told how many it lacks; once, but for frames
 * that come again under their id.
 *
 * @param kept the log since the drain was opened
 * @param repeats whether its owner may have died or moved: lines of a frame under way may come in another one
 */
export const checkDrain = (
  kept: readonly string[],
  frames: readonly Frame[],
  repeats: boolean,
): readonly string[] => {
  const seen = new Map<string, string>()
  const got = new Map<string, number>()
  const violations: string[] = []
  let reported = 0
  for (const { id, texts } of frames) {
    const text = texts.join('\n')
    if (seen.has(id) && seen.get(id) !== text) violations.push(`frame ${id} came twice, and not the same`)
    if (seen.has(id)) continue
    seen.set(id, text)
    for (const one of texts) {
      const loss = lossIn(one)
      if (loss?.code === 'L10') reported += loss.count
      else got.set(one, (got.get(one) ?? 0) + 1)
    }
  }
  const wanted = new Map<string, number>()
  for (const one of kept) {
    // What is said of drains goes to none.
    if (isOfDrain.test(one)) continue
    const text = one.replace(/^\w+\[[\w.-]+\]: /, '')
    wanted.set(text, (wanted.get(text) ?? 0) + 1)
  }
  const ofDrains = kept.filter((one) => isOfDrain.test(one)).length
  let [missing, twice] = [0, 0]
  for (const [text, times] of wanted) missing += Math.max(0, times - (got.get(text) ?? 0))
  for (const [text, times] of got) {
    const more = times - (wanted.get(text) ?? 0)
    if (!wanted.has(text)) violations.push(`the drain got what is not there: ${text}`)
    else if (more > 0) twice += more
  }
  if (twice > 0 && !repeats) violations.push(`the drain got ${twice} lines twice`)
  // What is refused or cut may have been taken before, or be among what goes to no drain.
  const isTold = reported >= missing && (repeats || reported <= missing + ofDrains)
  if (!isTold) violations.push(`the drain lacks ${missing} lines, ${reported} were told to it`)
  return violations
}
