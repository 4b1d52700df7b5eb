/**
 * Lines of an app's log as `manifold logs --output` prints them. Pure.
 *
 * `classic` is what "How Heroku Works" shows: a syslog server's view of a drain of 2012, when lines of the
 * router were not yet pairs from end to end. Of today's they leave out what was not there then; `queue` and
 * `wait` are ours where there was a wait, and 0 where there was none. An error is as the manual of those days
 * has it: `Error H12 (Request timeout) -> GET …`.
 */

type Line = {
  /** `2026-11-23T02:53:10.425123+00:00` */
  readonly at: string
  readonly source: string
  readonly process: string
  readonly text: string
}
/** @param app its name */
export type Output = (line: string, app: string) => string

const linePattern = /^(\d{4}-\S+) ([^\s[]+)\[([^\]]*)\]: (.*)$/s
const fieldPattern = /(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const parse = (line: string): Line | undefined => {
  const [, at, source, process, text] = linePattern.exec(line) ?? []
  if (at === undefined || source === undefined || process === undefined || text === undefined)
    return undefined
  return { at, source, process, text }
}

/** Another line than a line of a log is printed as it is. */
const ofLines =
  (print: (line: Line, app: string) => string): Output =>
  (text, app) => {
    const line = parse(text)
    return line === undefined ? text : print(line, app)
  }

/** `Jul 19 19:37:30`, in UTC as all lines are. */
const syslogTime = (at: string): string =>
  `${months[Number(at.slice(5, 7)) - 1]} ${String(Number(at.slice(8, 10))).padStart(2)} ${at.slice(11, 19)}`

const routerText = (text: string): string => {
  const fields = new Map<string, string>()
  for (const [, name = '', quoted, bare = ''] of text.matchAll(fieldPattern))
    fields.set(name, quoted?.replaceAll(/\\(["\\])/g, '$1') ?? bare)
  const of = (name: string, none: string): string => fields.get(name) || none
  if (!fields.has('method')) return text
  const [at, code] = [fields.get('at'), fields.get('code')]
  const fault =
    code === undefined ? '' : `${at === 'error' ? 'Error' : 'Warning'} ${code} (${of('desc', '')}) -> `
  return (
    `${fault}${of('method', '')} ${of('host', '')}${of('path', '')} dyno=${of('dyno', 'none')}` +
    ` queue=${of('queue', '0')} wait=${of('wait', '0ms')} service=${of('service', '0ms')}` +
    ` status=${of('status', '')} bytes=${of('bytes', '0')}`
  )
}

const isOfRouter = ({ source, process }: Line): boolean => source === 'heroku' && process === 'router'

export const outputs: Readonly<Record<string, Output>> = {
  default: (line) => line,
  classic: ofLines((line, app) => {
    const text = isOfRouter(line) ? routerText(line.text) : line.text
    return `${syslogTime(line.at)} ${app} ${line.source}/${line.process}:  ${text}`
  }),
  json: ofLines((line) => JSON.stringify(line)),
}
