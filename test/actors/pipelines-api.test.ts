/** Pipelines, couplings and promotions by HTTP, each object held against Heroku's published schema. */
import t, { type Test } from 'tap'
import { systemRandom } from '../../src/system/random.ts'
import { by, deployed, openApi, type Json, type OpenedApi } from '../kit/api.ts'
import { schemaFaults } from '../kit/schema.ts'

/** What is answered, valid as that resource. */
const valid =
  (t: Test, { http }: OpenedApi) =>
  // oxlint-disable-next-line typescript/no-explicit-any
  async (resource: string, method: string, path: string, body?: unknown): Promise<any> => {
    const { status, body: answer } = await http(method, path, body)
    t.ok(status < 300, `${method} ${path}: ${status} ${answer['message'] ?? ''}`)
    t.same(schemaFaults(resource, answer), [], `${method} ${path} is a ${resource}`)
    return answer
  }
const refused =
  (t: Test, { http }: OpenedApi) =>
  async (method: string, path: string, body: unknown, status: number, text: RegExp): Promise<void> => {
    const answer = await http(method, path, body)
    t.equal(answer.status, status, `${method} ${path}`)
    t.match(answer.body['message'], text)
  }

/** Somebody's own app in a pipeline of his, and somebody else. */
const apart = async (opened: OpenedApi) => {
  const { http } = await opened.as('their@example.com')
  const app = (await http('POST', '/apps', { name: 'their-app' })).body['id'] as string
  const pipeline = (await http('POST', '/pipelines', { name: 'theirs' })).body['id'] as string
  await http('POST', '/pipeline-couplings', { app, pipeline, stage: 'staging' })
  const me = await opened.as('me@example.com')
  return { app, pipeline, theirs: http, mine: { ...opened, http: me.http }, me: me.user }
}

t.test('a pipeline is made, found by name, renamed, and destroyed without its apps', async (t) => {
  const opened = await openApi(t)
  const [call, refuse] = [valid(t, opened), refused(t, opened)]
  const owner = (await opened.http('GET', '/account')).body['id'] as string
  const body = { name: 'shop', owner: { id: owner, type: 'user' }, generation: { name: 'cedar' } }
  const made = await call('pipeline', 'POST', '/pipelines', body)
  t.match(made, { name: 'shop', owner: { id: owner, type: 'user' }, generation: { name: 'cedar' } })
  await call('pipeline', 'POST', '/pipelines', { name: 'other' })
  const names = async (path: string) =>
    (await call('pipeline', 'GET', path)).map(({ name }: { name: string }) => name)
  t.same(await names('/pipelines'), ['other', 'shop'])
  t.same(await names('/pipelines?eq[name]=shop'), ['shop'])
  t.same(await names('/pipelines?eq[name]=nope'), [])
  t.same(await call('pipeline', 'GET', `/pipelines/${made['id']}`), made)
  t.same(await call('pipeline', 'GET', '/pipelines/shop'), made)
  await refuse('POST', '/pipelines', { name: 'shop' }, 422, /^Name shop is already taken$/)
  await refuse('POST', '/pipelines', { name: 'Shop' }, 422, /lowercase letters/)
  await refuse('POST', '/pipelines', {}, 422, /^Require params: name\.$/)
  await refuse('POST', '/pipelines', { name: 'team', owner: { id: owner, type: 'team' } }, 404, /that team/)
  const others = { name: 'mine', owner: { id: by.id, type: 'user' } }
  await refuse('POST', '/pipelines', others, 403, /of your own and of your teams only/)
  await refuse('GET', '/pipelines/nope', undefined, 404, /^Couldn't find that pipeline\.$/)
  await refuse('PATCH', '/pipelines/shop', { name: 'other' }, 422, /^Name other is already taken$/)
  t.match(await call('pipeline', 'PATCH', `/pipelines/${made['id']}`, { name: 'store' }), { name: 'store' })
  const app = await deployed(opened, 'kept-app')
  const coupling = { app: 'kept-app', pipeline: made['id'], stage: 'production' }
  await opened.http('POST', '/pipeline-couplings', coupling)
  await call('pipeline', 'DELETE', `/pipelines/${made['id']}`, { name: 'store' })
  t.same(await names('/pipelines'), ['other'])
  t.equal((await opened.http('GET', `/apps/${app['id']}`)).status, 200)
  await refuse('GET', '/apps/kept-app/pipeline-couplings', undefined, 404, /pipeline coupling/)
})

t.test('apps join a pipeline, change their stage and leave', async (t) => {
  const opened = await openApi(t)
  const [call, refuse] = [valid(t, opened), refused(t, opened)]
  const pipeline = await call('pipeline', 'POST', '/pipelines', { name: 'shop' })
  const second = await call('pipeline', 'POST', '/pipelines', { name: 'second' })
  const [one, two] = [await deployed(opened, 'shop-one'), await deployed(opened, 'shop-two')]
  const join = { app: 'shop-one', pipeline: pipeline['id'], stage: 'staging' }
  const made = await call('pipeline-coupling', 'POST', '/pipeline-couplings', join)
  t.match(made, { app: { id: one['id'] }, pipeline: { id: pipeline['id'], name: 'shop' }, stage: 'staging' })
  const sameStage = { ...join, app: two['id'], pipeline: 'shop' }
  await call('pipeline-coupling', 'POST', '/pipeline-couplings', sameStage)
  for (const path of [`/pipelines/${pipeline['id']}/pipeline-couplings`, '/pipeline-couplings'])
    t.equal((await call('pipeline-coupling', 'GET', path)).length, 2)
  t.same(await call('pipeline-coupling', 'GET', '/apps/shop-one/pipeline-couplings'), made)
  t.same(await call('pipeline-coupling', 'GET', `/pipeline-couplings/${made['id']}`), made)
  await refuse('POST', '/pipeline-couplings', join, 422, /^App is already in the pipeline shop$/)
  const elsewhere = { ...join, pipeline: second['id'] }
  await refuse('POST', '/pipeline-couplings', elsewhere, 422, /shop-one is already in another pipeline/)
  await refuse('POST', '/pipeline-couplings', { ...join, stage: 'qa' }, 422, /^Invalid params: stage/)
  await refuse('POST', '/pipeline-couplings', { ...join, app: 'nope' }, 404, /find that app/)
  await refuse('POST', '/pipeline-couplings', { ...join, pipeline: 'nope' }, 404, /find that pipeline/)
  const path = `/pipeline-couplings/${made['id']}`
  t.match(await call('pipeline-coupling', 'PATCH', path, { stage: 'production' }), { stage: 'production' })
  t.match(await call('pipeline-coupling', 'PATCH', path, {}), { stage: 'production' })
  await call('pipeline-coupling', 'DELETE', path)
  await refuse('GET', path, undefined, 404, /pipeline coupling/)
  await refuse('DELETE', `/pipeline-couplings/${one['id']}`, undefined, 404, /pipeline coupling/)
  await call('pipeline-coupling', 'POST', '/pipeline-couplings', elsewhere)
})

t.test('apps are listed by their ids, without those that one may not see', async (t) => {
  const { app, mine } = await apart(await openApi(t))
  const call = valid(t, mine)
  const ids = [(await deployed(mine, 'app-one'))['id'], (await deployed(mine, 'app-two'))['id']]
  const filter = { in: { id: [...ids, ids[0], app, systemRandom.uuid()] } }
  const found = await call('app', 'POST', '/filters/apps', filter)
  t.same(new Set(found.map(({ id }: { id: string }) => id)), new Set(ids))
  t.same(await call('app', 'POST', '/filters/apps', {}), [])
  const page = await mine.http('POST', '/filters/apps', filter, { range: 'name ..; max=1' })
  t.equal(page.status, 206)
  t.equal(page.headers.get('next-range'), 'name ]app-one..; max=1')
  const many = { in: { id: Array.from({ length: 1_001 }, () => 'x') } }
  t.match((await mine.http('POST', '/filters/apps', many)).body, { id: 'invalid_params', message: /1000/ })
})

t.test('a promotion releases the source’s slug on each target of its pipeline', async (t) => {
  const opened = await openApi(t)
  const [call, refuse] = [valid(t, opened), refused(t, opened)]
  const pipeline = await call('pipeline', 'POST', '/pipelines', { name: 'shop' })
  const apps = []
  for (const [name, stage] of [
    ['shop-staging', 'staging'],
    ['shop-eu', 'production'],
    ['shop-us', 'production'],
  ]) {
    apps.push(await deployed(opened, name!))
    await opened.http('POST', '/pipeline-couplings', { app: name, pipeline: pipeline['id'], stage })
  }
  const [from, eu, us] = apps.map(({ id }) => ({ app: { id: id as string } }))
  const promote = { pipeline: { id: pipeline['id'] }, source: from, targets: [eu, us] }
  const made = await call('pipeline-promotion', 'POST', '/pipeline-promotions', promote)
  t.match(made, { status: 'completed', source: from })
  const path = `/pipeline-promotions/${made['id']}`
  t.same(await call('pipeline-promotion', 'GET', path), made)
  const targets = await call('pipeline-promotion-target', 'GET', `${path}/promotion-targets`)
  t.same(
    targets.map(({ status }: Json) => status),
    ['succeeded', 'succeeded'],
  )
  const release = (await opened.http('GET', '/apps/shop-eu/releases/4')).body
  t.match(release, { description: 'Promote shop-staging v3 60a874b3', user: { email: 'owner@example.com' } })
  t.equal(release['slug'].id, (await opened.http('GET', '/apps/shop-staging/releases/3')).body['slug'].id)
  const at = (change: object) => ['POST', '/pipeline-promotions', { ...promote, ...change }] as const
  await refuse(...at({ targets: [] }), 422, /at least one target/)
  await refuse(...at({ targets: [eu, eu] }), 422, /only once/)
  await refuse(...at({ targets: [from] }), 422, /^Cannot promote an app to itself: shop-staging\.$/)
  const outside = { app: { id: (await deployed(opened, 'outside'))['id'] as string } }
  await refuse(...at({ targets: [outside] }), 422, /Target app \S+ is not in the pipeline shop\./)
  await refuse(...at({ source: outside }), 422, /Source app \S+ is not in the pipeline shop\./)
  await refuse(...at({ source: { ...from, release: { id: 'nope' } } }), 404, /find that release/)
  const blank = { ...from, release: { id: '2' } }
  await refuse(...at({ source: blank }), 422, /^Release v2 of shop-staging has no slug to promote\.$/)
  await refuse('GET', `/pipeline-promotions/${systemRandom.uuid()}`, undefined, 404, /pipeline promotion/)
  await refuse('GET', '/pipeline-promotions/nope/promotion-targets', undefined, 404, /pipeline promotion/)
})

t.test('what is somebody else’s is not there, and a target of theirs fails by itself', async (t) => {
  const opened = await openApi(t)
  const { app, pipeline, theirs, mine, me } = await apart(opened)
  const [call, refuse] = [valid(t, mine), refused(t, mine)]
  const own = (await deployed(mine, 'my-app'))['id'] as string
  for (const path of ['', '/pipeline-couplings'])
    await refuse('GET', `/pipelines/${pipeline}${path}`, undefined, 404, /find that pipeline/)
  for (const method of ['PATCH', 'DELETE'])
    await refuse(method, `/pipelines/${pipeline}`, {}, 404, /find that pipeline/)
  const join = { app: own, pipeline, stage: 'production' }
  await refuse('POST', '/pipeline-couplings', join, 404, /find that pipeline/)
  t.same((await mine.http('GET', '/pipelines')).body, [])
  await valid(t, opened)('pipeline', 'GET', `/pipelines/${pipeline}`)
  await opened.http('POST', '/pipeline-couplings', join)
  await call('pipeline', 'GET', `/pipelines/${pipeline}`)
  for (const method of ['PATCH', 'DELETE'])
    await refuse(method, `/pipelines/${pipeline}`, {}, 403, /do not have access to the pipeline theirs/)
  const promote = {
    pipeline: { id: pipeline },
    source: { app: { id: own } },
    targets: [{ app: { id: app } }],
  }
  const made = await call('pipeline-promotion', 'POST', '/pipeline-promotions', promote)
  const path = `/pipeline-promotions/${made['id']}`
  t.match(await call('pipeline-promotion-target', 'GET', `${path}/promotion-targets`), [
    { app: { id: app }, status: 'failed', error_message: 'User does not have access to that app' },
  ])
  const part = await theirs('GET', `${path}/promotion-targets`, undefined, { range: 'id ..; max=1' })
  const [shown] = part.body as unknown as Json[]
  t.equal(part.headers.get('content-range'), `id ${shown?.['id']}..${shown?.['id']}; max=1`)
  await valid(t, { ...opened, http: theirs })('pipeline-promotion', 'GET', path)
  await theirs('POST', '/apps/their-app/collaborators', { user: me.email })
  const next = await call('pipeline-promotion', 'POST', '/pipeline-promotions', promote)
  t.match(
    await call('pipeline-promotion-target', 'GET', `/pipeline-promotions/${next['id']}/promotion-targets`),
    [{ app: { id: app }, status: 'succeeded' }],
  )
  const stranger = await opened.as('stranger@example.com')
  t.equal((await stranger.http('GET', path)).status, 404)
  await mine.http('POST', '/apps/my-app/collaborators', { user: stranger.user.email })
  for (const one of [path, `/pipelines/${pipeline}`, '/apps/my-app/pipeline-couplings'])
    t.equal((await stranger.http('GET', one)).status, 200, one)
})
