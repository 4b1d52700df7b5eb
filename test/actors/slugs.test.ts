/**
 * Slugs that were made elsewhere: promised, uploaded once, released; what is wrong with one is said.
 */
import t, { type Test } from 'tap'
import { uploadGate } from '../../actors/api/face/upload.ts'
import { slugOfRecord, slugRecordIn } from '../../actors/protocols/slug-record.ts'
import { createHash } from 'node:crypto'
import { openApi, type Json } from '../kit/api.ts'
import { schemaFaults } from '../kit/schema.ts'

const process_types = { web: './bin/web -p $PORT' }
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const opened = async (test: Test) => {
  const { api, http, world, store, objects } = await openApi(test)
  const { body: app } = await http('POST', '/apps', { name: 'made' })
  const make = (more: object = {}) => http('POST', '/apps/made/slugs', { process_types, ...more })
  const put = (slug: Json, body: string) =>
    fetch(String(slug['blob'].url).replace('http://localhost:5000', `http://127.0.0.1:${api.port}`), {
      method: 'PUT',
      body,
    })
  return { http, world, store, objects, app, make, put }
}

t.test('a slug is uploaded once to the address that its promise gave, and then released', async (t) => {
  const { http, world, store, objects, make, put } = await opened(t)
  const made = await make({ commit: 'c0ffee1234', checksum: `SHA256:${sha256('packed').toUpperCase()}` })
  t.equal(made.status, 201, made.text)
  t.same(schemaFaults('slug', made.body), [])
  t.match(made.body, {
    blob: { method: 'put' },
    size: null,
    stack: { name: 'heroku-24' },
    commit: 'c0ffee1234',
  })
  const at = `/apps/made/slugs/${made.body['id']}`
  t.match(await http('GET', at), { body: { blob: { method: 'put' } } })
  const release = () => http('POST', '/apps/made/releases', { slug: made.body['id'] })
  t.match(await release(), { status: 422, body: { id: 'invalid_params', message: /has no content/ } })

  const uploads = await Promise.all([put(made.body, 'packed'), put(made.body, 'packed')])
  t.same(
    uploads.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 409],
    'of two at a time one is the slug',
  )
  t.equal((await put(made.body, 'other')).status, 409)
  t.equal(objects.held.size, 1, 'what was refused is not kept')
  const shown = await http('GET', at)
  t.same(schemaFaults('slug', shown.body), [])
  t.match(shown.body, { blob: { method: 'get' }, size: 6, checksum: `SHA256:${sha256('packed')}` })

  t.match(await release(), { status: 201, body: { description: 'Deploy c0ffee12' } })
  const deploy = world.asked.findLast(({ type }) => type === 'deploy')
  t.match(deploy, {
    isNew: true,
    slug: { sha256: sha256('packed'), object: [...objects.held.keys()][0], bytes: 6 },
  })
  t.notMatch(deploy, { slug: { promised: String } })
  t.match(await http('GET', at), { body: { blob: { method: 'get' }, process_types } })
  t.same(await store.list('slugs/'), [], 'the ledger has it now')
  t.equal((await http('GET', `/apps/made/slugs/${made.body['id'].replace(/.$/, 'x')}`)).status, 404)
})

t.test('a slug that is not what was promised cannot be run, and keeps both sums', async (t) => {
  const { http, world, make, put } = await opened(t)
  const { body } = await make({ checksum: `SHA256:${'0'.repeat(64)}`, stack: 'heroku-24' })
  await put(body, 'packed')
  t.match(await http('POST', '/apps/made/releases', { slug: body['id'] }), { status: 201 })
  t.match(
    world.asked.findLast(({ type }) => type === 'deploy'),
    {
      description: `Deploy ${body['id'].slice(0, 8)}`,
      slug: { sha256: sha256('packed'), promised: '0'.repeat(64) },
    },
  )
  const shown = await http('GET', `/apps/made/slugs/${body['id']}`)
  t.match(shown.body, { checksum: `SHA256:${'0'.repeat(64)}` })
  t.equal(slugRecordIn(Buffer.from('{"id":1}')), undefined)
  t.equal(slugRecordIn(Buffer.from('{')), undefined)
  const none = { id: 's', appId: 'a', stack: '', commit: '', description: '', processTypes: {} }
  t.equal(
    slugOfRecord({ ...none, buildpackDescription: '', checksum: null, uploaded: null, createdAt: 0 }),
    undefined,
  )
})

t.test('what can be no slug is refused, and says what is allowed', async (t) => {
  const { http, make } = await opened(t)
  for (const [body, message] of [
    [{ checksum: 'abc' }, 'checksum must be SHA256: and 64 hex digits.'],
    [{ process_types: { 'a b': 'x' } }, 'process_types: a b must be 1 to 128 letters, digits, - and _.'],
    [{ process_types: { web: ' ' } }, 'process_types.web: a command has 1 to 4096 characters.'],
    [{ process_types: undefined }, 'Require params: process_types.'],
    [{ stack: 'cobol' }, /^Invalid stack specified/],
    [{ stack: { name: 'container' } }, /^The container stack is not available here: no images are built/],
  ] as const) {
    t.match(await make(body), { status: 422, body: { id: 'invalid_params', message } })
  }
  t.match(await http('POST', '/apps', { name: 'boxed', stack: 'container' }), { status: 422 })
  t.match(await http('PATCH', '/apps/made', { build_stack: 'container' }), {
    status: 422,
    body: { message: /Use buildpacks on one of: / },
  })
})

t.test('a bounded number of uploads is let in at once', async (t) => {
  const gate = uploadGate(1)
  const first = Promise.withResolvers<{ code: number; text: string }>()
  const going = gate(() => first.promise)
  t.match(await gate(async () => ({ code: 200, text: '' })), { code: 503, text: /^1 uploads are under way/ })
  first.reject(new Error('gone'))
  await t.rejects(going)
  t.match(await gate(async () => ({ code: 200, text: '' })), { code: 200 })
})
