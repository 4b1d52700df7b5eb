/**
 * The house rules about one file at a time: words, ambient powers, size, comments, titles, host names.
 *
 * Each rule is a pure function from sources to breaches, so that the tidy test can prove it with planted
 * sources.
 */
import type { Breach } from './arrows.ts'
import { bareCode, finds, importsOf, uncommented, type Source } from './source.ts'

const linesMax = 400
const columnsMax = 110

const isCode = ({ path }: Source): boolean => path.endsWith('.ts')
const isScript = ({ path, text }: Source): boolean => isCode({ path, text }) || text.startsWith('#!')

const nouns = 'dyno|heroku|slug|procfile|buildpack|formation|logplex|router'
const capitalised = nouns.replaceAll(/\b\w/g, (letter) => letter.toUpperCase())
const nounPattern = new RegExp(
  `(?<![A-Za-z])(?:${nouns})s?(?![a-z])|(?:${capitalised})s?(?![a-z])|\\b(?:${nouns.toUpperCase()})S?\\b`,
  'g',
)

/** The runtime knows no word of the platform that stands on it, not even in a comment. */
export const nounBreaches = (sources: readonly Source[]): readonly Breach[] =>
  sources
    .filter(({ path }) => /^src\/(?:runtime|ports|nats|sim)\//.test(path))
    .flatMap(({ path, text }) =>
      finds(text, nounPattern).map(({ found, line }) => `${path}:${line}: the runtime knows no '${found}'`),
    )

type Power = { readonly what: string; readonly uses: RegExp; readonly allowed: RegExp }

const edges =
  /^(?:src\/(?!runtime\/|ports\/|sim\/)|actors\/effects\/perform\/|actors\/main\/|scripts\/|bin\/|test\/)/

/** Where time, chance and the environment may be reached for; everywhere else they are handed in. */
const powers: readonly Power[] = [
  {
    what: 'wall-clock time',
    uses: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b|\bprocess\.hrtime\b/g,
    allowed: edges,
  },
  {
    what: 'a timer',
    uses: /(?<!\.)\b(?:setTimeout|setInterval|setImmediate)\s*\(/g,
    // The virtual world lets real promises settle between two of its steps.
    allowed: new RegExp(`${edges.source}|^src/sim/world\\.ts$`),
  },
  {
    what: 'chance',
    uses: /\bMath\.random\b|\brandom(?:UUID|Bytes|Int)\s*\(|\bgetRandomValues\b/g,
    allowed: edges,
  },
  {
    what: 'the environment',
    uses: /\bprocess\.env\b/g,
    // A git hook is a program that git starts: its environment is how git speaks to it.
    allowed: /^(?:config\/load\.ts$|src\/git\/hook\.ts$|scripts\/|test\/)/,
  },
]

/** The sample app and the buildpacks run inside dynos: they are the platform's guests, not its code. */
const guests = /^config\/(?:sample|buildpacks)\//

export const ambientBreaches = (sources: readonly Source[]): readonly Breach[] =>
  sources
    .filter((source) => isCode(source) && !guests.test(source.path))
    .flatMap((source) =>
      powers
        .filter(({ allowed }) => !allowed.test(source.path))
        .flatMap(({ what, uses }) =>
          finds(bareCode(source), uses).map(
            ({ found, line }) => `${source.path}:${line}: ${what} (${found}) is handed in, not reached for`,
          ),
        ),
    )

const pauses = /(?<!\.)\bset(?:Timeout|Interval)\s*\(|\bsleep\s*\(/g
/** A helper may hold a deadline (`const deadline = setTimeout(...)`), never wait for one. */
const kitPauses = /=>\s*setTimeout\s*\(|\bsleep\s*\(/g

/** Tests await conditions (test/kit/until.ts): waiting for time is slow when it works, and flaky besides. */
export const sleepBreaches = (sources: readonly Source[]): readonly Breach[] =>
  sources
    .filter(({ path }) => path.startsWith('test/') && path.endsWith('.ts') && path !== 'test/kit/until.ts')
    .flatMap((source) => {
      const pattern = source.path.startsWith('test/kit/') ? kitPauses : pauses
      const timers = importsOf(source).filter(({ specifier }) => specifier.startsWith('node:timers'))
      return [
        ...finds(bareCode(source), pattern).map(
          ({ found, line }) => `${source.path}:${line}: a test waits with until, not ${found})`,
        ),
        ...timers.map(({ line, specifier }) => `${source.path}:${line}: a test does not import ${specifier}`),
      ]
    })

/** A line that is one literal (a text quoted whole, an expression) is not torn. */
const isLiteral = (source: Source, at: number): boolean =>
  isCode(source) && /^[\s,;:+()[\]]*$/.test(bareCode(source).split('\n')[at] ?? '') && !isComment(source, at)
const isComment = (source: Source, at: number): boolean =>
  (uncommented(source).split('\n')[at] ?? '').trim() === ''

export const sizeBreaches = (sources: readonly Source[]): readonly Breach[] =>
  sources.filter(isScript).flatMap((source) => {
    const { path, text } = source
    const lines = text.split('\n')
    const long = lines.flatMap((line, at) =>
      line.length > columnsMax && !isLiteral(source, at)
        ? [`${path}:${at + 1}: ${line.length} columns, ${columnsMax} at most`]
        : [],
    )
    const count = lines.length - 1
    return count > linesMax ? [`${path}: ${count} lines, ${linesMax} at most`, ...long] : long
  })

/** Every file says first what it is. */
export const headBreaches = (sources: readonly Source[]): readonly Breach[] =>
  sources.filter(isScript).flatMap(({ path, text }) => {
    const first = text.replace(/^#![^\n]*\n/, '')
    return /^(?:\/\*|\/\/|# )/.test(first)
      ? []
      : [`${path}:1: does not begin with a comment that says what it is`]
  })

export const nameBreaches = (sources: readonly Source[]): readonly Breach[] =>
  sources
    .filter(isCode)
    .filter(
      ({ path }) =>
        !/^(?:[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test)?(?:\.d)?\.ts|)$/.test(path.split('/').at(-1) ?? ''),
    )
    .map(({ path }) => `${path}: file names are kebab-case`)

const unfinished = /\b(?:TOD[O]|FIXM[E])\b/g

export const unfinishedBreaches = (sources: readonly Source[]): readonly Breach[] =>
  sources
    .filter(isScript)
    .flatMap(({ path, text }) =>
      finds(text, unfinished).map(
        ({ found, line }) => `${path}:${line}: ${found}: finish it or open an issue`,
      ),
    )

const titlePattern = /\b(?:t|tt)\.test\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`([^`]*)`)/g
const titleWordsMin = 4

/** A title is a sentence about behaviour, and no test is left alone by `only`. */
export const titleBreaches = (sources: readonly Source[]): readonly Breach[] =>
  sources
    .filter(({ path }) => path.endsWith('.test.ts'))
    .flatMap((source) => {
      const text = uncommented(source)
      const short = [...text.matchAll(titlePattern)]
        .map((match) => ({ title: match[1] ?? match[2] ?? match[3] ?? '', index: match.index }))
        .filter(({ title }) => title.trim().split(/\s+/).length < titleWordsMin)
        .map(({ title, index }) => {
          const line = text.slice(0, index).split('\n').length
          return `${source.path}:${line}: '${title}' is no sentence about behaviour`
        })
      const only = finds(bareCode(source), /\.only\s*\(|\bonly:\s*true/g)
      return [...short, ...only.map(({ line }) => `${source.path}:${line}: leaves the other tests out`)]
    })

const machinePaths = /(?<![\w.$}~-])\/(?:work|root)\/[\w.]/g

/**
 * No path of somebody's machine, no package registry or mirror: they are read from the machine's own
 * settings.
 */
export const hostBreaches = (sources: readonly Source[], hosts: readonly string[]): readonly Breach[] =>
  sources.flatMap(({ path, text }) => [
    ...finds(text, machinePaths).map(
      ({ found, line }) => `${path}:${line}: a path of some machine: ${found}`,
    ),
    ...hosts
      .filter((host) => text.includes(host))
      .map(() => `${path}: names a package registry or mirror of this machine`),
  ])

const rowPattern = /^\|\s*`([A-Za-z]\w+)`\s*\|/gm

/** The README's section "## Errors" and the table in the code name the same codes. */
export const errorTableBreaches = (codes: readonly string[], readme: string): readonly Breach[] => {
  const section = readme.split(/^## /m).find((part) => part.startsWith('Errors')) ?? ''
  const written = [...section.matchAll(rowPattern)].map((match) => match[1] ?? '')
  return [
    ...codes
      .filter((code) => !written.includes(code))
      .map((code) => `README.md: ${code} is not in ## Errors`),
    ...written
      .filter((code) => !codes.includes(code))
      .map((code) => `README.md: ${code} is in ## Errors and nowhere in the code`),
  ]
}
