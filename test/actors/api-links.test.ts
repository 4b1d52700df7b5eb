/**
 * Every link of Heroku's published schema that is served here: what Heroku takes is taken, and what is not of
 * the type that the schema says is refused with nothing changed.
 */
import t from 'tap'
import { callReader } from '../../actors/api/call.ts'
import { paramNames, type Endpoint } from '../../actors/api/endpoint.ts'
import { served } from '../../actors/api/resources/index.ts'
import { openApi, type Json } from '../kit/api.ts'
import { calls, openStage } from '../kit/calls.ts'
import { isServedBy, links, takenBy, type Taken } from '../kit/heroku-links.ts'

t.setTimeout(300_000)

const written = links.flatMap((link): { endpoint: Endpoint; taken: Taken }[] => {
  const taken = takenBy(link)
  const endpoint = served.find((one) => isServedBy(link, one))
  return endpoint === undefined || taken.fields.length === 0 ? [] : [{ endpoint, taken }]
})

/** What Heroku must be told and this platform need not. */
const mayBeLeftOut: Readonly<Record<string, readonly string[]>> = {
  'domains.create': ['sni_endpoint'],
  'oauth-authorizations.create': ['scope'],
  'oauth-authorizations.update': ['client'],
  'oauth-tokens.create': ['refresh_token'],
  'releases.create': ['slug'],
  'team-apps.update': ['owner'],
}
/** Sizes by name, which clients send as well; and how one would pay for a team, which nobody looks at. */
const alsoTaken: Readonly<Record<string, (field: string) => boolean>> = {
  'formation.update': (field) => field === 'dyno_size',
  'teams.create': (field) => field !== 'name',
}

t.test('what Heroku takes is taken: each field of each link, by the example of the schema', (t) => {
  t.ok(written.length > 45, `${written.length} links`)
  for (const { endpoint, taken } of written) {
    const read = callReader(endpoint)
    const params = Object.fromEntries(paramNames(endpoint.http.path).map((name) => [name, 'x']))
    const needed = Object.fromEntries(taken.fields.map(({ name, example }) => [name, example]))
    const bytes = Buffer.from(JSON.stringify({ params, body: needed }))
    t.doesNotThrow(() => read(bytes), `${endpoint.name}: ${JSON.stringify(needed)}`)
  }
  t.end()
})

for (const { endpoint, taken } of written) {
  const { name } = endpoint
  const call = calls[name]
  if (call === undefined) continue
  t.test(`${name} (${endpoint.http.path}) refuses what is not as Heroku's schema has it`, async (t) => {
    const api = await openApi(t)
    const own = async (what: string, sent: object): Promise<Json> => (await api.call(what, sent)).json
    const sent = await call.sent(await openStage(api, own))
    const ask = async (body: object) => {
      const { json, headers } = await api.call(name, { params: {}, ...sent, body })
      return { status: Number(headers['Manifold-Status']), id: json['id'], message: json['message'] }
    }
    const good = sent['body'] as object
    for (const field of taken.fields)
      for (const value of field.wrong) {
        if (alsoTaken[name]?.(field.name) === true) continue
        const { status, id, message } = await ask({ ...good, [field.name]: value })
        const said = `${field.name}: ${JSON.stringify(value)} ${status} ${message}`
        t.ok(['invalid_params', 'not_found'].includes(id) && status >= 404 && status <= 422, said)
      }
    for (const field of taken.required) {
      const { [field]: _left, ...rest } = good as Record<string, unknown>
      const isLeftOut = mayBeLeftOut[name]?.includes(field) === true
      if (isLeftOut) t.notMatch((await ask(rest)).message, /^Require params/, `without ${field}`)
      else t.match(await ask(rest), { status: 422, id: 'invalid_params' }, `without ${field}`)
    }
  })
}
