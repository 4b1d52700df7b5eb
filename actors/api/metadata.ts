/**
 * What an endpoint says of itself where services are looked up (`nats micro info manifold`), and in the page
 * of all endpoints (scripts/api-page.ts): from the definition that it runs by.
 */
import { answerOf, answerSchema } from './answers.ts'
import { paramNames, type Endpoint } from './endpoint.ts'

/** What a request is: JSON of path params, body, query and range. */
export const requestSchema = ({ http, body }: Endpoint): object => {
  const names = paramNames(http.path)
  const text = { type: 'string' }
  return {
    type: 'object',
    ...(names.length > 0 || body !== undefined
      ? { required: [...(names.length > 0 ? ['params'] : []), ...(needsBody(body) ? ['body'] : [])] }
      : {}),
    properties: {
      ...(names.length > 0 && {
        params: {
          type: 'object',
          required: names,
          properties: Object.fromEntries(names.map((name) => [name, text])),
        },
      }),
      ...(body !== undefined && { body }),
      query: { type: 'object', additionalProperties: text },
      range: text,
    },
  }
}

/** Whether something of it has to be said. */
export const needsBody = (body: Endpoint['body']): boolean =>
  body !== undefined && 'required' in body && Array.isArray(body['required']) && body['required'].length > 0

/** Who may call it: whether it takes an operator, or what at the app that it is about. */
export const needsOf = ({ open, needs, http }: Endpoint): string =>
  open === true
    ? 'nothing'
    : open === 'exchange'
      ? 'the secret of an OAuth client'
      : needs === 'operator' || http.path.includes('/:app')
        ? needs
        : 'an account'

export const metadataOf = (endpoint: Endpoint): Readonly<Record<string, string>> => {
  const answer = answerOf(endpoint.name)
  return {
    summary: endpoint.summary,
    http: `${endpoint.http.method} ${endpoint.http.path}`,
    needs: needsOf(endpoint),
    scope: endpoint.scope,
    request: JSON.stringify(requestSchema(endpoint)),
    ...(answer && { response: JSON.stringify(answerSchema(answer)) }),
  }
}
