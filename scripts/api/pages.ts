/**
 * What is written of the API from its endpoints' own definitions: a page for people, and the contract of the
 * typed client.
 */
import { answerOf } from '../../actors/api/answers.ts'
import { paramNames, type Endpoint } from '../../actors/api/endpoint.ts'
import { errorStatus } from '../../actors/api/errors.ts'
import { needsBody, needsOf } from '../../actors/api/metadata.ts'
import { typeText } from './type-text.ts'

const byName = (endpoints: readonly Endpoint[]): readonly Endpoint[] =>
  [...endpoints].sort((a, b) => (a.name < b.name ? -1 : 1))

const bodyOf = ({ body }: Endpoint): string => (body === undefined ? '' : typeText(body))
/** People need not be told that they may not write to it. */
const plainly = (type: string): string => type.replaceAll('readonly ', '')

/** Markdown takes a bar for the end of a cell. */
const cell = (text: string): string => text.replaceAll('|', '\\|')

export const pageOf = (endpoints: readonly Endpoint[]): string => {
  const rows = byName(endpoints).flatMap((endpoint) => {
    const { name, http, summary, scope } = endpoint
    const answer = answerOf(name)
    const body = bodyOf(endpoint)
    return [
      `### ${name}`,
      '',
      `${summary}.`,
      '',
      `- \`${http.method} ${http.path}\`${(http.also ?? []).map((path) => `, \`${path}\``).join('')}`,
      `- needs ${needsOf(endpoint)}, scope \`${scope}\``,
      ...(body === '' ? [] : [`- body: \`${cell(plainly(body))}\``]),
      ...(answer === undefined ? [] : [`- answers: \`${answer}\``]),
      '',
    ]
  })
  return `# The Platform API of this Manifold

Written by \`npm run api-page\` from the endpoints themselves; do not edit.

Each is an HTTP call as Heroku's API has it, and a NATS request \`manifold.v1.api.<name>\` with
\`{"params":{…},"body":{…},"query":{…},"range":"…"}\`, or flat: \`{"app":"shop","maintenance":true}\`.
An answer over NATS has the HTTP status in the header \`Manifold-Status\`; a failure has it in
\`Nats-Service-Error-Code\`, and \`{"id","message"}\` for its body. Names of answers are those of Heroku's
published schema.

${rows.join('\n')}`
}

/** The keys of the contract, in files that people can look at. */
export const contractFiles = (endpoints: readonly Endpoint[]): ReadonlyMap<string, string> => {
  const all = byName(endpoints)
  const half = Math.ceil(all.length / 2)
  const [first, second] = [all.slice(0, half), all.slice(half)]
  return new Map([
    ['calls-first.ts', callsFile('FirstCalls', first)],
    ['calls-second.ts', callsFile('SecondCalls', second)],
    ['errors.ts', errorsFile()],
    ['routes.ts', routesFile(all)],
  ])
}

const header = '/** Written by `npm run api-page` from the endpoints themselves; do not edit. */\n'

const callsFile = (type: string, endpoints: readonly Endpoint[]): string => `${header}export type ${type} = {
${endpoints.map((endpoint) => `  '${endpoint.name}': ${callText(endpoint)}`).join('\n')}
}
`

const callText = (endpoint: Endpoint): string => {
  const names = paramNames(endpoint.http.path)
  const body = bodyOf(endpoint)
  const params = names.map((name) => `readonly ${name}: string`).join('; ')
  const fields = [
    ...(params === '' ? [] : [`readonly params: { ${params} }`]),
    ...(body === '' ? [] : [`readonly body${needsBody(endpoint.body) ? '' : '?'}: ${body}`]),
  ]
  return fields.length === 0 ? 'object' : `{ ${fields.join('; ')} }`
}

const routesFile = (endpoints: readonly Endpoint[]): string => `${header}export const routes = {
${endpoints.map(({ name, http }) => `  '${name}': '${http.method} ${http.path}',`).join('\n')}
} as const
`

const errorsFile = (): string => `${header}export const errorIds = [
${Object.keys(errorStatus)
  .map((id) => `  '${id}',`)
  .join('\n')}
] as const
export type ErrorId = (typeof errorIds)[number]
`
