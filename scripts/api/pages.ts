/**
 * What is written of the API from its endpoints' own definitions: a page for people, and the contract of the
 * typed client.
 */
import { answerOf, resources } from '../../actors/api/answers.ts'
import { paramNames, type Endpoint } from '../../actors/api/endpoint.ts'
import { errorStatus } from '../../actors/api/errors.ts'
import { needsBody, needsOf } from '../../actors/api/metadata.ts'
import { typeText } from './type-text.ts'

type Shapes = Readonly<Record<string, object>>

const byName = (endpoints: readonly Endpoint[]): readonly Endpoint[] =>
  [...endpoints].sort((a, b) => (a.name < b.name ? -1 : 1))

const bodyOf = ({ body }: Endpoint): string => (body === undefined ? '' : typeText(body))
/** People need not be told that they may not write to it. */
const plainly = (type: string): string => type.replaceAll('readonly ', '')

/** Markdown takes a bar for the end of a cell. */
const cell = (text: string): string => text.replaceAll('|', '\\|')

export const pageOf = (endpoints: readonly Endpoint[], shapes: Shapes): string => {
  const rows = byName(endpoints).flatMap((endpoint) => {
    const { name, http, summary, scope } = endpoint
    const answer = answerName(name)
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
published
schema, where it has them; their shapes are at the end.

${rows.join('\n')}
## Answers

${resources.map((name) => shapeText(name, shapes)).join('\n')}`
}

const shapeText = (name: string, shapes: Shapes): string =>
  `### ${anchor(name)}\n\n\`${plainly(typeText(shapes[name] ?? {}))}\`\n`

/** There may be a call of that name. */
const anchor = (resource: string): string => `${resource} (answer)`

const answerName = (endpoint: string): string | undefined => {
  const answer = answerOf(endpoint)
  return answer && `${answer.resource}${answer.isList ? '[]' : ''}`
}

/** The keys of the contract, in files that people can look at. */
export const contractFiles = (
  endpoints: readonly Endpoint[],
  shapes: Shapes,
): ReadonlyMap<string, string> => {
  const all = byName(endpoints)
  const half = Math.ceil(all.length / 2)
  const [first, second] = [all.slice(0, half), all.slice(half)]
  return new Map([
    ['answers.ts', answersFile(all)],
    ['calls-first.ts', callsFile('FirstCalls', first)],
    ['calls-second.ts', callsFile('SecondCalls', second)],
    ['errors.ts', errorsFile()],
    ['routes.ts', routesFile(all)],
    ...resources.map((name): [string, string] => [`answers/${name}.ts`, shapeFile(name, shapes)]),
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

const typeOf = (resource: string): string =>
  resource.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase())

const shapeFile = (resource: string, shapes: Shapes): string =>
  `${header}export type ${typeOf(resource)} = ${typeText(shapes[resource] ?? {})}\n`

const answersFile = (endpoints: readonly Endpoint[]): string => {
  const rows = endpoints.flatMap(({ name }) => {
    const { resource, isList } = answerOf(name) ?? {}
    if (resource === undefined) return []
    const one = typeOf(resource)
    return [`  '${name}': ${isList === true ? `readonly ${one}[]` : one}`]
  })
  const used = new Set(endpoints.flatMap(({ name }) => answerOf(name)?.resource ?? []))
  const imports = [...used].map((name) => `import type { ${typeOf(name)} } from './answers/${name}.ts'`)
  return `${header}${imports.toSorted().join('\n')}

export type Answers = {
${rows.join('\n')}
}
`
}
