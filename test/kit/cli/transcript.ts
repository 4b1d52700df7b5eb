/** What the runs of the stock CLI came to: pinned as they were printed, and judged command by command. */
import type { HerokuRun } from './runs.ts'

export type Case = {
  readonly line: string
  readonly command: string
  readonly remark: string
  /** What it lists comes in any order. */
  readonly isMixed: boolean
  /** Two of its asks are refused at once: which of the refusals it tells is chance. */
  readonly isRaced: boolean
}
export type Verdict = 'works' | 'refused' | 'differs'
export type Row = { readonly command: string; readonly verdict: Verdict; readonly remark: string }

/** `? ` before a line: isMixed; `! `: isRaced. `# …` after it: how it differs from Heroku's. */
export const casesOf = (text: string): readonly Case[] =>
  text
    .trim()
    .split(/\s*\n\s*/)
    .map((whole) => {
      const [marked = '', remark = ''] = whole.split(/\s+#\s+/)
      const line = marked.replace(/^[?!] /, '')
      const isMixed = marked.startsWith('? ')
      return { line, command: line.split(' ')[0] ?? '', remark, isMixed, isRaced: marked.startsWith('! ') }
    })

/** Addresses of the machine and of the run, times and ids are another each time. */
export const normalised = (text: string, own: Readonly<Record<string, string>>): string => {
  let plain = text.replaceAll('\r', '')
  for (const [name, value] of Object.entries(own)) plain = plain.replaceAll(value, `<${name}>`)
  return (
    plain
      .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>')
      .replaceAll(/HRKU-[\w-]+(?:\*+\w+)?/g, '<token>')
      .replaceAll(/\b[A-Za-z0-9]{64}\b/g, '<secret>')
      .replaceAll(/SHA256:[0-9a-f]+/g, 'SHA256:<sum>')
      // Its output may be there already, or not yet.
      .replaceAll(/\s*›\s+Warning: Release command starting[^]*?to view the log\.|(?<=\n)migrated$/g, '')
      .replaceAll(
        /\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| UTC| ?\+\d\d:?\d\d)?(?: \(~[^)]*\))?/g,
        '<time>',
      )
      .replaceAll(/\w{3} \w{3} \d\d \d{4} [\d:]+ GMT\S+ \([^)]*\) \([^)]*ago\)/g, '<time>')
      .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d UTC/g, '<time>')
      // Columns are as wide as what is in them.
      .replaceAll(/─{3,}/g, '───')
      .replaceAll(/(?<=\S) {2,}/g, '  ')
      .replaceAll(/\(~ [^)]*ago\)/g, '<ago>')
      .replaceAll(/\b(run|release)\.\d{4}/g, '$1.<n>')
      // How far a one-off was when it was looked at.
      .replaceAll(/Running [^\n]*?\.\.\. (?:starting|connecting), \w+\.[\w<>]+?(?=Running|\s)\s*/g, '')
      .replaceAll(/ linux-\w+ node-v/g, ' linux-<arch> node-v')
      // What of the environment goes through the test's own proxy.
      .replaceAll(/^ ?› {2,3}Warning: (?:HTTPS?_PROXY|SSL_CERT_FILE|NO_PROXY) set to .*\n/gm, '')
      .replaceAll(/[ \t]+$/gm, '')
      .replaceAll(/\n{3,}/g, '\n\n')
      .trim()
  )
}

const linesMax = 60
const shortened = (text: string): string => {
  const lines = text.split('\n')
  const rest = lines.length - linesMax
  return rest > 0 ? [...lines.slice(0, linesMax), `… ${rest} lines more`].join('\n') : text
}

/** As a session at a terminal looks. */
export const transcript = (
  cases: readonly Case[],
  runs: readonly HerokuRun[],
  own: Readonly<Record<string, string>>,
): string =>
  cases
    .map(({ line, isMixed, isRaced }, n) => {
      const { code, output, hung } = runs[n]!
      const plain = normalised(output, own)
      if (isRaced && code !== 0 && plain.includes('Error: ')) return `$ heroku ${line}\n[refused]`
      const printed = isMixed ? plain.split('\n').sort().join('\n') : plain
      const end = hung ? '[never ends]' : code === 0 ? '' : `[exit ${code}]`
      return [`$ heroku ${line}`, shortened(printed), end].filter((part) => part !== '').join('\n')
    })
    .join('\n\n')
    .concat('\n')

/** A program's own words for an error of its own. */
const crash = /\n\s+at .+:\d+:\d+\)?|TypeError|ReferenceError|UnhandledPromise/

export const faultsOf = (cases: readonly Case[], runs: readonly HerokuRun[]): readonly string[] =>
  cases.flatMap(({ line }, n) => {
    const { output, hung } = runs[n]!
    if (hung) return [`heroku ${line}: does not end`]
    return crash.test(output) ? [`heroku ${line}: crashes`] : []
  })

/** Of a command that is there more than once, the first says what it comes to. */
export const rowsOf = (cases: readonly Case[], runs: readonly HerokuRun[]): readonly Row[] => {
  const rows = new Map<string, Row>()
  for (const [n, { command, remark }] of cases.entries()) {
    const verdict = runs[n]!.code !== 0 ? 'refused' : remark === '' ? 'works' : 'differs'
    if (!rows.has(command)) rows.set(command, { command, verdict, remark })
  }
  return [...rows.values()]
}
