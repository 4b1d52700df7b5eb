/** The platform about itself: its state and the schema of its API. */
import { answerOf, shapes } from '../answers.ts'
import { endpoint, ok, paramNames, type Endpoint } from '../endpoint.ts'

const green = ['Apps', 'Data', 'Tools'].map((system) => ({ system, status: 'green' }))

/** @param table every other endpoint */
export const platform = (table: readonly Endpoint[]): readonly Endpoint[] => [
  endpoint({
    name: 'status.info',
    http: { method: 'GET', path: '/api/v4/current-status' },
    summary: 'Answers at all: green',
    open: true,
    run: () => ok({ status: green, incidents: [], scheduled: [] }),
  }),
  endpoint({
    name: 'schema.info',
    http: { method: 'GET', path: '/schema' },
    summary: 'This API as a JSON hyper-schema',
    open: true,
    run: () => ok(hyperSchema(table)),
  }),
]

const hyperSchema = (table: readonly Endpoint[]): object => ({
  $schema: 'http://json-schema.org/draft-04/hyper-schema',
  title: 'Manifold Platform API',
  type: ['object'],
  definitions: shapes,
  links: table.map(({ name, http, summary, body }) => ({
    title: name,
    description: summary,
    method: http.method,
    href: paramNames(http.path).reduce((path, param) => path.replace(`:${param}`, `{${param}}`), http.path),
    ...(body === undefined ? {} : { schema: body }),
    ...targetOf(name),
  })),
})

/** What it answers. */
const targetOf = (name: string): object => {
  const answer = answerOf(name)
  if (answer === undefined) return {}
  const one = { $ref: `#/definitions/${answer.resource}` }
  return { targetSchema: answer.isList ? { type: ['array'], items: one } : one }
}
