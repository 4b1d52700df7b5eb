/**
 * Ways in besides git, end to end on a whole platform with real containers: source by address, slugs made
 * elsewhere, each answer of Heroku's schema.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { writeApp, type Files } from '../kit/apps.ts'
import { homeFile, startPlatform } from '../kit/platform.ts'
import { schemaFaults } from '../kit/schema.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const platform = await startPlatform()
t.teardown(() => platform.dispose())
const token = /HEROKU_API_KEY='([^']+)'/.exec(homeFile(platform, 'env'))?.[1] ?? ''
const api = `http://127.0.0.1:${platform.port}`

// What an answer must be is what the tests say.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = Record<string, any>
type Answer = { readonly status: number; readonly body: Json }

/** As curl does with the token; an answer is checked against the schema of `resource`. */
const call = async (method: string, path: string, body?: object, resource?: string): Promise<Answer> => {
  const response = await fetch(api + path, {
    method,
    headers: { authorization: `Bearer ${token}`, accept: 'application/vnd.heroku+json; version=3' },
    ...(body && { body: JSON.stringify(body) }),
  })
  const answer = { status: response.status, body: (await response.json()) as Json }
  if (resource !== undefined && response.ok)
    t.same(schemaFaults(resource, answer.body), [], `${method} ${path}`)
  return answer
}
const packed = (name: string, files: Files, args: readonly string[] = ['.']): Buffer => {
  const folder = join(platform.user, name)
  writeApp(folder, files)
  return execFileSync('tar', ['-cz', '-C', folder, ...args], { env: { PATH: process.env['PATH'] } })
}
const uploaded = async (bytes: Buffer): Promise<string> => {
  const { body } = await call('POST', '/sources', undefined, 'source')
  const { put_url, get_url } = body['source_blob'] as { put_url: string; get_url: string }
  const put = await fetch(put_url.replace('localhost', '127.0.0.1'), { method: 'PUT', body: bytes })
  t.equal(put.status, 200)
  return get_url
}
/** All that a build says, read as it comes, without credentials. */
const output = async (build: Json): Promise<string> => {
  const response = await fetch(String(build['output_stream_url']).replace('localhost', '127.0.0.1'))
  return response.text()
}
const served = (app: string, text: string): Promise<unknown> =>
  until(async () => (await platform.get(`${app}.localhost`)).body.includes(text), {
    what: `${app} serving "${text}"`,
    timeoutMs: 60_000,
  })
const web = 'web: cd www && python3 -m http.server $PORT\n'
const sha256 = (bytes: Buffer): string => `SHA256:${createHash('sha256').update(bytes).digest('hex')}`

await t.test('source that was uploaded is built, watched by several, and served', async (t) => {
  await call('POST', '/apps', { name: 'shop' }, 'app')
  const source = packed('shop', { Procfile: web, 'www/index.html': 'from a source\n' })
  const blob = { url: await uploaded(source), version: '60a874b3ff', checksum: sha256(source) }
  const made = await call('POST', '/apps/shop/builds', { source_blob: blob }, 'build')
  t.equal(made.status, 201)
  t.match(made.body, { status: 'pending', source_blob: { version: '60a874b3ff' } })
  const [one, other] = await Promise.all([output(made.body), output(made.body)])
  t.match(
    one,
    /-----> Building on the Heroku-24 stack\n[^]*Procfile declares types -> web\n[^]*Released v3\n/,
  )
  t.notMatch(one, /Verifying deploy/, 'nothing was pushed')
  t.equal(one, other)
  t.equal(await output(made.body), one, 'also after its end')
  const ended = await call('GET', `/apps/shop/builds/${made.body['id']}`, undefined, 'build')
  t.match(ended.body, { status: 'succeeded', release: { id: String }, slug: { id: String } })
  const release = await call('GET', `/apps/shop/releases/3`, undefined, 'release')
  t.match(release.body, { description: 'Deploy 60a874b3', current: true })
  await served('shop', 'from a source')
})

await t.test('what is wrong with a source is said in its output, and nothing is released', async (t) => {
  const refused = async (source_blob: object, message: RegExp): Promise<void> => {
    const { body } = await call('POST', '/apps/shop/builds', { source_blob }, 'build')
    t.match(await output(body), message)
    const after = await until(
      async () => {
        const { body: view } = await call('GET', `/apps/shop/builds/${body['id']}`, undefined, 'build')
        return view['status'] !== 'pending' && view
      },
      { what: 'the end of the build', timeoutMs: 60_000 },
    )
    t.match(after, { status: 'failed', release: null })
  }
  const source = packed('wrong', { Procfile: web })
  const url = await uploaded(source)
  await refused(
    { url, checksum: `SHA256:${'0'.repeat(64)}` },
    /the checksum of the source is SHA256:\w+ and not/,
  )
  const sly = packed('sly', { Procfile: web }, ['-P', '--transform=s,^Proc,../../../Proc,', 'Procfile'])
  await refused({ url: await uploaded(sly) }, /a path in the source contains '\.\.'/)
  // The platform's own port is where no build can reach.
  await refused({ url: `http://127.0.0.1:${platform.port}/schema` }, /the source cannot be fetched/)
  const boxed = packed('boxed', { Dockerfile: 'FROM debian\n', 'heroku.yml': 'build: {}\n' })
  await refused(
    { url: await uploaded(boxed) },
    /This app has a heroku\.yml, and images are not built here[^]*No default language could be detected/,
  )
  const unused = (await call('POST', '/sources')).body['source_blob'] as { get_url: string }
  await refused({ url: unused.get_url }, /the source was never uploaded/)
  t.equal((await call('GET', '/apps/shop/releases', undefined, 'release')).body['length'], 3)
})

await t.test('a build that is told to stop has stopped when that is answered', async (t) => {
  const files = {
    'package.json': JSON.stringify({ name: 'slow', scripts: { build: 'echo compiling; sleep 300' } }),
  }
  const blob = { url: await uploaded(packed('slow', { ...files, Procfile: web })) }
  const { body } = await call('POST', '/apps/shop/builds', { source_blob: blob }, 'build')
  const watching = await fetch(String(body['output_stream_url']).replace('localhost', '127.0.0.1'))
  let said = ''
  const watched = (async () => {
    for await (const chunk of watching.body ?? []) said += Buffer.from(chunk).toString()
  })()
  await until(() => /^ *compiling/m.test(said), { what: 'the compilation', timeoutMs: 60_000 })
  const second = await call('POST', '/apps/shop/builds', { source_blob: blob })
  t.match(second, {
    status: 409,
    body: { id: 'conflict', message: /^Another build of this app is in progress/ },
  })
  const stopped = await call('DELETE', `/apps/shop/builds/${body['id']}`, undefined, 'build')
  t.match(stopped, { status: 202, body: { status: 'failed' } })
  await watched
  t.match(said, / !     Build cancelled\n/)
  t.match(await call('DELETE', '/apps/shop/build-cache'), { status: 202, body: {} })
})

await t.test(
  'a slug that was made elsewhere is uploaded, released and run; a wrong one is R17',
  async (t) => {
    const { body: app } = await call('POST', '/apps', { name: 'made' }, 'app')
    t.ok(app['id'])
    const slug = packed('made', { 'app/www/index.html': 'made elsewhere\n' }, ['./app'])
    const process_types = { web: 'cd www && python3 -m http.server $PORT' }
    const make = (more: object) =>
      call('POST', '/apps/made/slugs', { process_types, commit: '60883d9e8947', ...more }, 'slug')
    const made = await make({ checksum: sha256(slug) })
    t.match(made, { status: 201, body: { blob: { method: 'put' }, size: null, checksum: sha256(slug) } })
    const early = await call('POST', '/apps/made/releases', { slug: made.body['id'] })
    t.match(early, { status: 422, body: { message: /has no content: PUT it/ } })
    const put = (one: Json, bytes: Buffer) =>
      fetch(String(one['blob'].url).replace('localhost', '127.0.0.1'), { method: 'PUT', body: bytes })
    t.equal((await put(made.body, slug)).status, 200)
    t.equal((await put(made.body, slug)).status, 409)
    const release = await call('POST', '/apps/made/releases', { slug: made.body['id'] }, 'release')
    t.match(release, { status: 201, body: { version: 3, description: 'Deploy 60883d9e', current: true } })
    await served('made', 'made elsewhere')
    const shown = await call('GET', `/apps/made/slugs/${made.body['id']}`, undefined, 'slug')
    t.match(shown.body, { blob: { method: 'get' }, size: slug.length, process_types })
    const got = await fetch(String(shown.body['blob'].url).replace('localhost', '127.0.0.1'))
    t.same(Buffer.from(await got.arrayBuffer()), slug)
    const again = await call('POST', '/apps/made/releases', {
      slug: made.body['id'],
      description: 'Once more',
    })
    t.match(again, { status: 201, body: { version: 4, description: 'Once more' } })

    const wrong = await make({ checksum: `SHA256:${'0'.repeat(64)}` })
    t.equal((await put(wrong.body, slug)).status, 200)
    await call('POST', '/apps/made/releases', { slug: wrong.body['id'] }, 'release')
    await until(async () => (await platform.logs('made')).includes('Error R17 (Checksum error)'), {
      what: 'R17',
      timeoutMs: 60_000,
    })
  },
)

await t.test('an app is set up from its app.json, and what it lacks is named', async (t) => {
  const manifest = {
    env: { GREETING: { required: true }, SECRET_TOKEN: { generator: 'secret' }, PLAIN: 'plain' },
    formation: { web: { quantity: 2 } },
    scripts: { postdeploy: 'echo seeded $GREETING' },
    success_url: '/welcome',
    addons: ['heroku-postgresql:mini'],
  }
  const files = { Procfile: web, 'www/index.html': 'set up\n', 'app.json': JSON.stringify(manifest) }
  const url = await uploaded(packed('setup', files))
  const setUp = async (body: object): Promise<Json> => {
    const made = await call('POST', '/app-setups', { source_blob: { url }, ...body }, 'app-setup')
    t.match(made, { status: 202, body: { status: 'pending', build: null } })
    return until(
      async () => {
        const { body: view } = await call('GET', `/app-setups/${made.body['id']}`, undefined, 'app-setup')
        return view['status'] !== 'pending' && view
      },
      { what: 'the end of the set-up', timeoutMs: 90_000 },
    )
  }
  t.match(await setUp({ app: { name: 'lacking' } }), {
    status: 'failed',
    failure_message: 'app.json is not valid',
    manifest_errors: ['config var GREETING is required'],
  })
  const done = await setUp({ app: { name: 'setup' }, overrides: { env: { GREETING: 'hej' } } })
  t.match(done, {
    app: { name: 'setup' },
    status: 'succeeded',
    failure_message: null,
    build: { status: 'succeeded' },
    postdeploy: { exit_code: 0, output: /seeded hej/ },
    resolved_success_url: `http://setup.localhost:${platform.routerPort}/welcome`,
  })
  t.match(await output(done['build']), /Released v4\n/)
  const { body: vars } = await call('GET', '/apps/setup/config-vars')
  t.match(vars, { GREETING: 'hej', SECRET_TOKEN: /^[0-9a-f]{64}$/, PLAIN: 'plain' })
  const { body: types } = await call('GET', '/apps/setup/formation', undefined, 'formation')
  t.match(types, [{ type: 'web', quantity: 2 }])
  await served('setup', 'set up')
  t.match(await platform.logs('setup'), /Add-on heroku-postgresql:mini of app\.json is not attached/)
})

await t.test('a build that its host lost has failed, and the next one is taken', async (t) => {
  const files = { 'package.json': JSON.stringify({ name: 'slow', scripts: { build: 'sleep 300' } }) }
  const blob = { url: await uploaded(packed('lost', { ...files, Procfile: web })) }
  const { body } = await call('POST', '/apps/shop/builds', { source_blob: blob }, 'build')
  await platform.kill()
  await platform.restart()
  const at = `/apps/shop/builds/${body['id']}`
  await until(async () => (await call('GET', at)).body['status'] === 'failed', {
    what: 'its end on record',
    timeoutMs: 60_000,
  })
  const source = { url: await uploaded(packed('shop', { 'www/index.html': 'after the kill\n' })) }
  const next = await call('POST', '/apps/shop/builds', { source_blob: source }, 'build')
  t.equal(next.status, 201, JSON.stringify(next.body))
  t.match(await output(next.body), /Released v\d+/)
  await served('shop', 'after the kill')
})
