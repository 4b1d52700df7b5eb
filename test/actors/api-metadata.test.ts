/** What endpoints say of themselves is what they are, and fits in the answer that shows it. */
import t from 'tap'
import { answerOf, answerSchema, resources } from '../../actors/api/answers.ts'
import { metadataOf, requestSchema } from '../../actors/api/metadata.ts'
import { endpoints, served } from '../../actors/api/resources/index.ts'
import { checker } from '../../src/runtime/schema.ts'
import { openApi } from '../kit/api.ts'
import { calls, openStage } from '../kit/calls.ts'

/** As the NATS server takes by itself; ours takes eight times that. */
const payloadBytesMax = 1024 ** 2

t.test(
  'each endpoint that is served says what it answers, by the shape that Heroku has for it',
  async (t) => {
    for (const { name } of served) {
      const answer = answerOf(name)
      t.type(answer && answerSchema(answer), 'object', name)
      const { shape } = calls[name] ?? {}
      if (shape !== undefined) t.equal(answer?.resource, shape, name)
    }
    const names = new Set(served.map(({ name }) => answerOf(name)?.resource))
    t.strictSame(
      resources.filter((one) => !names.has(one)),
      [],
      'there is no shape that nobody answers with',
    )
  },
)

t.test('a good request fits the schema that is said of it', async (t) => {
  const api = await openApi(t)
  const done = async (name: string, sent: Readonly<Record<string, unknown>>) =>
    (await api.call(name, sent)).json
  for (const name of [
    'apps.create',
    'config-vars.update',
    'webhooks.create',
    'domains.create',
    'releases.info',
  ]) {
    const endpoint = endpoints.find((one) => one.name === name)!
    const fault = checker(requestSchema(endpoint))
    const sent = await calls[name]!.sent(await openStage(api, done))
    t.equal(fault(sent), undefined, name)
    if (Object.keys(sent).length > 0) t.ok(fault({ params: 7, body: 7 }), name)
  }
})

t.test('all that is said of endpoints fits in one answer of the server', async (t) => {
  const info = endpoints.map((endpoint) => ({
    name: endpoint.name,
    subject: `manifold.v1.api.${endpoint.name}`,
    queue_group: 'q',
    metadata: metadataOf(endpoint),
  }))
  const bytes = Buffer.byteLength(JSON.stringify(info))
  t.comment(`${bytes} bytes`)
  t.ok(bytes < payloadBytesMax / 2, `${bytes} bytes`)
})
