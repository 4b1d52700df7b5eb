/**
 * Every endpoint against what nobody should send: wrong types, odd names, huge and deep values. Whatever
 * comes, the answer is Heroku's error or a success, never a fault of ours, and nothing is let in.
 */
import fc from 'fast-check'
import t from 'tap'
import { endpoints } from '../../actors/api/resources/index.ts'
import { paramNames, type Endpoint } from '../../actors/api/endpoint.ts'
import { deployed, openApi, type OpenedApi } from '../kit/api.ts'

t.setTimeout(300_000)

const oddTexts = [
  '',
  ' ',
  '~',
  '.',
  '..',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'null',
  'undefined',
  '-1',
  '1e309',
  '٣',
  'ｓｈｏｐ',
  '\u0000',
  '\u202Eshop',
  '💥'.repeat(50),
  'a'.repeat(5_000),
  "'; DROP TABLE apps; --",
  '../../etc/passwd',
  '%2e%2e%2f',
  '${7*7}',
  'name/app/shop',
  'shop.>',
  'shop\r\nInjected: 1',
  '*',
  '>',
]
const text = fc.oneof(fc.constantFrom(...oddTexts), fc.string({ unit: 'binary', maxLength: 40 }))
const name = fc.oneof(fc.constantFrom('shop', 'web', 'web.1', '1', 'v1', 'heroku-24', 'us'), text)
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    text,
    fc.constantFrom(null, true, false, 0, -0, -1, 2 ** 31, 2 ** 53, 1e308, 0.1),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(text, fc.constantFrom('name', 'id', 'type', 'updates')), tie('any'), {
      maxKeys: 4,
    }),
  ),
})).any

type Shape = {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Shape>>
  readonly required?: readonly string[]
  readonly items?: Shape
  readonly anyOf?: readonly Shape[]
  readonly const?: unknown
}
/** Close to what the endpoint wants: right in most of its parts, odd in some. */
const near = (shape: Shape): fc.Arbitrary<unknown> => {
  const right = (): fc.Arbitrary<unknown> => {
    if (shape.const !== undefined) return fc.constant(shape.const)
    if (shape.anyOf !== undefined) return fc.oneof(...shape.anyOf.map(near))
    switch (shape.type) {
      case 'string':
        return name
      case 'integer':
      case 'number':
        return fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, 1e6))
      case 'boolean':
        return fc.boolean()
      case 'array':
        return fc.array(near(shape.items ?? {}), { maxLength: 3 })
      case 'object':
        return fc.record(
          Object.fromEntries(Object.entries(shape.properties ?? {}).map(([key, one]) => [key, near(one)])),
          { requiredKeys: [] },
        )
      default:
        return value
    }
  }
  return fc.oneof({ weight: 6, arbitrary: right() }, { weight: 1, arbitrary: value })
}

/** What is there, mostly: what lies behind an app that is not there is never reached. */
const paramOf = (param: string): fc.Arbitrary<string> => {
  const there: Readonly<Record<string, readonly string[]>> = {
    app: ['shop'],
    dyno: ['web.1'],
    type: ['web', 'worker'],
    release: ['v3', '1'],
    collaborator: ['stranger@example.com', 'owner@example.com'],
    account: ['~', 'stranger@example.com'],
    authorization: ['~'],
  }
  const known = there[param]
  if (known === undefined) return name
  return fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: name })
}

const callOf = ({ http, body }: Endpoint) =>
  fc.record({
    params: fc.record(Object.fromEntries(paramNames(http.path).map((param) => [param, paramOf(param)]))),
    body: fc.oneof({ weight: 5, arbitrary: near((body ?? {}) as Shape) }, { weight: 1, arbitrary: value }),
    query: fc.dictionary(fc.constantFrom('month', 'app', 'eq[name]', 'in', 'start'), text, { maxKeys: 2 }),
    range: fc.option(
      fc.oneof(
        text,
        fc.constantFrom(
          'id ..; max=0',
          'id ]x..y[; max=1000;',
          'name ..; order=desc',
          'nothing ..',
          'version 9..1',
        ),
      ),
      { nil: undefined },
    ),
  })

/** Of a kit that stands for actors: it says so itself where it has no answer. */
const isOfTheKit = (log: readonly Readonly<Record<string, unknown>>[]): boolean =>
  /nobody answers/.test(String(log.at(-1)?.['error']))

const runsPerEndpoint = 60
/** The same calls in each run of the tests; another finds others. */
const seed = 20_261_128

t.test('no endpoint answers what nobody should send with a fault, whoever asks', async (t) => {
  const logged: Readonly<Record<string, unknown>>[] = []
  const opened: OpenedApi = await openApi(t, { log: (entry) => void logged.push(entry) })
  const { call, as } = opened
  await deployed(opened, 'shop')
  const owner = {}
  for (const endpoint of endpoints) {
    // What was called before may have ended the one of before.
    await call('users.unsuspend', { account: 'stranger@example.com' })
    const stranger = { Authorization: `Bearer ${(await as('stranger@example.com')).token}` }
    const property = fc.asyncProperty(callOf(endpoint), fc.boolean(), async (sent, isOwner) => {
      const { bytes, headers, json } = await call(endpoint.name, sent, isOwner ? owner : stranger)
      const status = Number(headers['Manifold-Status'])
      if (isOfTheKit(logged)) return true
      const isError = status >= 400
      if (status >= 500 || status < 200) throw new Error(`${status}: ${JSON.stringify(logged.at(-1))}`)
      if (isError && !(typeof json['id'] === 'string' && typeof json['message'] === 'string'))
        throw new Error(`no error of Heroku's: ${Buffer.from(bytes).toString().slice(0, 300)}`)
      if (isError && /node_modules|\.ts:\d+|Error:/.test(json['message'])) throw new Error(json['message'])
      return true
    })
    const result = await fc.check(property, { numRuns: runsPerEndpoint, endOnFailure: true, seed })
    t.notOk(
      result.failed,
      `${endpoint.name}: ${JSON.stringify(result.counterexample)} ${String(result.errorInstance)}`,
    )
    // What it destroyed is there for the next.
    const there = await call('apps.info', { app: 'shop' })
    if (Number(there.headers['Manifold-Status']) !== 200) await deployed(opened, 'shop')
  }
  t.equal(({} as { polluted?: unknown }).polluted, undefined)
})

t.test('a request that is no request of the API gets an error of the API', async (t) => {
  const { http, api } = await openApi(t)
  await http('POST', '/apps', { name: 'shop' })
  const deep = '['.repeat(200_000) + ']'.repeat(200_000)
  for (const [body, status] of [
    ['{', 400],
    ['nonsense', 400],
    ['[]', 422],
    ['"text"', 422],
    ['null', 200],
    ['{"maintenance":"yes"}', 422],
    ['{"maintenance":true,"maintenance":"no"}', 422],
    ['{"__proto__":{"polluted":1},"maintenance":true}', 200],
    [deep, 422],
    [`{"name":"${'x'.repeat(900_000)}"}`, 422],
    [`{"name":"${'x'.repeat(11_000_000)}"}`, 413],
  ] as const) {
    const answer = await http('PATCH', '/apps/shop', body)
    t.equal(answer.status, status, body.slice(0, 60))
    t.ok(answer.headers.get('request-id'))
    if (status >= 400) t.match(answer.body, { id: /^[a-z_]+$/, message: /\w/ }, body.slice(0, 60))
  }
  for (const path of [
    '/apps/%',
    '/apps/%00',
    '/apps/%2e%2e/x',
    '/apps/shop%2Fx',
    `/apps/${'x'.repeat(5_000)}`,
    '/%ff',
  ]) {
    const answer = await fetch(`http://127.0.0.1:${api.port}${path}`, {
      headers: { authorization: 'Bearer x' },
    })
    t.ok(answer.status >= 400 && answer.status < 500, `${path.slice(0, 40)} ${answer.status}`)
    t.match(answer.headers.get('content-type'), /^application\/json/, path.slice(0, 40))
    await answer.arrayBuffer()
  }
})
