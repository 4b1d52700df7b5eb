/** The README's table of the stock CLI's commands, made of what came of each. */
import type { Row, Verdict } from './transcript.ts'

const [from, to] = ['<!-- commands: made by test/e2e/cli.test.ts -->', '<!-- end of commands -->']

const topicOf = (command: string): string => command.split(':')[0] ?? ''
const said = (rows: readonly Row[], verdict: Verdict): string =>
  rows
    .filter((row) => row.verdict === verdict)
    .map(({ command, remark }) => {
      const name = command.includes(':') ? `\`${command.slice(command.indexOf(':'))}\`` : `\`${command}\``
      return remark === '' ? name : `${name} (${remark})`
    })
    .join(', ')

const tableOf = (rows: readonly Row[]): string => {
  const topics = [...new Set(rows.map(({ command }) => topicOf(command)))]
  const lines = topics.map((topic) => {
    const own = rows.filter(({ command }) => topicOf(command) === topic)
    const isOut = own.every(({ verdict, remark }) => verdict === 'refused' && remark === '')
    const refused = isOut && own.length > 4 ? `all ${own.length}` : said(own, 'refused')
    return `| \`${topic}\` | ${said(own, 'works')} | ${said(own, 'differs')} | ${refused} |`
  })
  return ['| topic | works | differs | refused |', '|---|---|---|---|', ...lines].join('\n')
}

/** The README with the table between its two marks. */
export const withTable = (readme: string, rows: readonly Row[]): string => {
  const [start, end] = [readme.indexOf(from), readme.indexOf(to)]
  if (start < 0 || end < start) throw new Error(`README.md lacks ${from} … ${to}`)
  return `${readme.slice(0, start)}${from}\n${tableOf(rows)}\n${readme.slice(end)}`
}
