/** What endpoints say of themselves is what they are, and fits in the answer that shows it. */
import t from 'tap'
import { answerOf } from '../../actors/api/answers.ts'
import { metadataOf, requestSchema } from '../../actors/api/metadata.ts'
import { endpoints } from '../../actors/api/resources/index.ts'
import { checker } from '../../src/runtime/schema.ts'
import { openApi } from '../kit/api.ts'
import { calls, openStage } from '../kit/calls.ts'

/** As the NATS server takes by itself; ours takes eight times that. */
const payloadBytesMax = 1024 ** 2

t.test('each endpoint answers with what is said of it', async (t) => {
  for (const { name } of endpoints) {
    const call = calls[name]
    if (call !== undefined) t.equal(answerOf(name), call.shape, name)
  }
})

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
