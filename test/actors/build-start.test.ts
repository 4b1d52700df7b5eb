/**
 * Builds that no push started: uploads by signed address, what a build may be asked for, stopping one, and
 * the cache.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { signedAddresses } from '../../actors/api/signed.ts'
import { cacheOf } from '../../actors/effects/perform/build-cache.ts'
import { isOldSource, sourceAt, sourceObject, sourcePath } from '../../actors/protocols/source.ts'
import { openApi } from '../kit/api.ts'
import { scratch } from '../kit/files.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { schemaFaults } from '../kit/schema.ts'

const id = '01234567-89ab-4def-8123-456789abcdef'

t.test('a signed address is good for one object, one method and a while', async (t) => {
  let now = 1_000
  const signed = signedAddresses(
    () => [Buffer.alloc(32, 1)],
    'http://localhost:5000',
    () => now,
  )
  const made = signed.make('PUT', '/sources/a.tgz', 2_000)
  t.match(made, /^http:\/\/localhost:5000\/sources\/a\.tgz\?until=2000&signature=[\w-]{43}$/)
  const path = made.slice('http://localhost:5000'.length)
  t.equal(signed.holds('PUT', made), true)
  t.equal(signed.holds('PUT', path), true, 'as a request has it')
  t.equal(signed.holds('GET', path), false)
  t.equal(signed.holds('PUT', path.replace('a.tgz', 'b.tgz')), false)
  t.equal(signed.holds('PUT', path.replace('2000', '9000')), false)
  t.equal(signed.holds('PUT', '/sources/a.tgz'), false)
  t.equal(signed.holds('PUT', 'http://['), false)
  const keyed = (...keys: number[]) =>
    signedAddresses(
      () => keys.map((key) => Buffer.alloc(32, key)),
      'http://localhost:5000',
      () => now,
    )
  t.equal(keyed(2).holds('PUT', made), false, 'of another cluster')
  t.equal(
    keyed(2, 1).holds('PUT', signed.make('PUT', '/sources/a.tgz', now + 1)),
    true,
    'of before the key was rotated',
  )
  now = 2_000
  t.equal(signed.holds('PUT', path), false, 'over')
})

t.test('the name of a source says where it lies and how long it is kept', async (t) => {
  const object = sourceObject(id, 1_800_000_000_000)
  t.equal(sourceAt(sourcePath(object)), object)
  for (const path of ['/sources/x.tgz', `/sources/1/${id}.tgz`, `${sourcePath(object)}/x`, '/slugs/a.tgz'])
    t.equal(sourceAt(path), undefined, path)
  t.equal(isOldSource(object, 1_800_000_000_000), false)
  t.equal(isOldSource(object, 1_800_000_000_001), true)
  t.equal(isOldSource(`slug/${id}`, 9e15), false)
})

t.test('a source is uploaded once its address is known, within bounds, and whole', async (t) => {
  const { api, http, objects } = await openApi(t)
  const made = await http('POST', '/sources')
  t.equal(made.status, 201)
  t.same(schemaFaults('source', made.body), [])
  const { put_url, get_url } = made.body['source_blob'] as { put_url: string; get_url: string }
  const here = (url: string): string => url.replace('http://localhost:5000', `http://127.0.0.1:${api.port}`)
  t.equal((await fetch(here(get_url))).status, 404, 'nothing there yet')
  t.equal((await fetch(here(put_url), { method: 'PUT', body: 'packed' })).status, 200)
  t.equal(await (await fetch(here(get_url))).text(), 'packed')
  t.equal((await fetch(here(get_url), { method: 'PUT', body: 'x' })).status, 403)
  t.equal((await fetch(here(put_url))).status, 403, 'who may put may not read')
  t.equal((await fetch(here(put_url).replace(/signature=.../, 'signature=AAA'))).status, 403)
  t.equal(objects.held.size, 1)

  const status = (headers: Record<string, string>, end: (r: ReturnType<typeof request>) => void) =>
    new Promise<number | string>((resolve) => {
      const put = request(here(put_url), { method: 'PUT', headers }, (res) => resolve(res.statusCode ?? 0))
      put.once('error', (error) => resolve(error.message))
      end(put)
    })
  t.equal(await status({ 'content-length': String(501 * 1024 ** 2) }, (r) => r.flushHeaders()), 413)
  await status({ 'content-length': '100' }, (r) => void r.write('half', () => r.destroy()))
  t.equal(await (await fetch(here(get_url))).text(), 'packed', 'what ended early replaced nothing')
})

t.test('a build is asked for by the address of its source, and answered once it is on record', async (t) => {
  const { http, world } = await openApi(t)
  await http('POST', '/apps', { name: 'shop' })
  const make = (blob: object, more: object = {}) =>
    http('POST', '/apps/shop/builds', { source_blob: blob, ...more })
  const uploaded = (await http('POST', '/sources')).body['source_blob'] as { get_url: string }
  const own = await make({ url: uploaded.get_url, version: 'v7' })
  t.equal(own.status, 201, own.text)
  t.same(schemaFaults('build', own.body), [])
  t.match(own.body, { status: 'pending', source_blob: { url: uploaded.get_url, version: 'v7' } })
  t.match(own.body['output_stream_url'], `/streams/${own.body['id']}?on=here&of=`)
  const started = () => world.asked.findLast(({ type }) => type === 'start')?.['job']
  t.match(started(), { archive: { object: /^source\/\d{13}\/[0-9a-f-]{36}$/ }, sourceDir: '' })

  const checksum = `SHA256:${'ab'.repeat(32)}`
  const url = 'https://code.example.com/app.tgz?token=x'
  const buildpacks = [{ url: 'https://github.com/me/pack' }, { name: 'heroku/nodejs' }]
  const outside = await make({ url, checksum, version_description: 'a fix' }, { buildpacks })
  t.match(outside.body, { source_blob: { url, checksum, version: null, version_description: 'a fix' } })
  t.match(started(), {
    archive: { object: null },
    buildpacks: ['https://github.com/me/pack', 'heroku/nodejs'],
  })
  const forged = uploaded.get_url.replace(/signature=.../, 'signature=AAA')
  t.equal((await make({ url: forged })).status, 201)
  t.match(
    started(),
    { archive: { object: null, url: forged } },
    'fetched like any other, where it leads nowhere',
  )

  for (const [blob, message] of [
    [{ url: 'file:///etc/passwd' }, 'source_blob.url must be the http or https address of a gzip tar.'],
    [{ url: 'app.tgz' }, 'source_blob.url must be the http or https address of a gzip tar.'],
    [{ url, checksum: 'md5:abc' }, 'source_blob.checksum must be SHA256: and 64 hex digits.'],
    [{}, 'Require params: source_blob.url.'],
  ] as const) {
    const { status, body } = await make(blob)
    t.match({ status, body }, { status: 422, body: { id: 'invalid_params', message } })
  }
  const unknown = await make({ url }, { buildpacks: [{ url: 'heroku/cobol' }] })
  t.match(unknown.body, { id: 'invalid_params', message: /^Buildpack heroku\/cobol is invalid/ })
  world.failNext('builds', { kind: 'refused', code: 'too_many', reason: 'too many builds wait' })
  t.match(await make({ url }), { status: 503, body: { message: 'too many builds wait' } })
})

t.test('a build that is under way is stopped, and one that is over is not', async (t) => {
  const { http, world } = await openApi(t)
  await http('POST', '/apps', { name: 'shop' })
  const url = 'https://code.example.com/app.tgz'
  const { body } = await http('POST', '/apps/shop/builds', { source_blob: { url } })
  const at = `/apps/shop/builds/${body['id']}`
  const stopped = await http('DELETE', at, undefined, {
    accept: 'application/vnd.heroku+json; version=3.cancel-build',
  })
  t.equal(stopped.status, 202)
  t.same(schemaFaults('build', stopped.body), [])
  t.match(stopped.body, { id: body['id'], status: 'failed' })
  t.match(world.told, [{ type: 'cancel' }])
  t.match(await http('DELETE', at), {
    status: 422,
    body: { message: `Build ${body['id']} is over: it failed.` },
  })
  t.equal((await http('DELETE', `/apps/shop/builds/${id}`)).status, 404)
  t.equal(world.told.length, 1)
})

t.test('a purge empties the cache on every host before its next build, and once', async (t) => {
  const { http, store } = await openApi(t)
  const { body: app } = await http('POST', '/apps', { name: 'shop' })
  const appId = app['id'] as string
  const folder = await scratch(t)
  const [one, other] = [
    cacheOf({ folder: join(folder, '1'), store }),
    cacheOf({ folder: join(folder, '2'), store }),
  ]
  const fill = async (cache: typeof one): Promise<void> => {
    const dir = await cache.current(appId)
    await mkdir(dir, { recursive: true })
    await writeFile(join(dir, 'kept'), '')
  }
  const kept = async (cache: typeof one): Promise<readonly string[]> =>
    readdir(await cache.current(appId)).catch(() => [])
  await fill(one)
  await fill(other)
  t.same(await kept(one), ['kept'])
  t.match(await http('DELETE', '/apps/shop/build-cache'), { status: 202, body: {} })
  t.same([await kept(one), await kept(other)], [[], []])
  await fill(one)
  t.same(await kept(one), ['kept'], 'not emptied again')
  await http('DELETE', '/apps/shop/build-cache')
  t.same(await kept(one), [])
  await fill(one)
  await one.drop(appId)
  t.same(await readdir(join(folder, '1')), [])
  const fresh = cacheOf({ folder: join(folder, '3'), store: memoryStore() })
  t.equal(await fresh.current('a1'), join(folder, '3', 'a1'))
})

t.test('a build whose host is gone has failed, on record by whoever sees it first', async (t) => {
  const { http, store, gone } = await openApi(t)
  const { body: app } = await http('POST', '/apps', { name: 'shop' })
  const url = 'https://code.example.com/app.tgz'
  const { body } = await http('POST', '/apps/shop/builds', { source_blob: { url } })
  const at = `/apps/shop/builds/${body['id']}`
  t.match(await http('GET', at), { body: { status: 'pending' } })
  gone.add('here')
  t.match(await http('GET', '/apps/shop/builds'), { body: [{ id: body['id'], status: 'failed' }] })
  gone.delete('here')
  t.match(await http('GET', at), { body: { status: 'failed' } }, 'also when that host is back')
  const entry = await store.get(`builds/${app['id']}/${body['id']}`)
  t.match(JSON.parse(Buffer.from(entry!.value).toString()), { status: 'failed', host: 'here' })
  t.equal((await http('DELETE', at)).status, 422)
})
