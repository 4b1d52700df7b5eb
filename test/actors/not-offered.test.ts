/** What Heroku's schema has and this platform has not: each link is served, or said not to be offered. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { endpoints } from '../../actors/api/resources/index.ts'
import { openApi } from '../kit/api.ts'

type Links = { readonly links?: readonly { readonly method: string; readonly href: string }[] }
const schema = JSON.parse(
  readFileSync(new URL('../../scripts/api/heroku-schema.json', import.meta.url), 'utf8'),
) as { readonly definitions: Readonly<Record<string, Links>> }

t.test('every link of the schema is served, or refused as not offered', (t) => {
  const shape = (method: string, path: string): string =>
    `${method} ${path.replaceAll(/\{[^}]*\}|:\w+/g, ':')}`
  const known = new Set(
    endpoints.flatMap(({ http: { method, path, also = [] } }) =>
      [path, ...also].map((one) => shape(method, one)),
    ),
  )
  const links = Object.values(schema.definitions).flatMap(({ links: own = [] }) => own)
  t.ok(links.length > 300)
  t.same(
    links.map(({ method, href }) => shape(method, href)).filter((link) => !known.has(link)),
    [],
  )
  t.end()
})

t.test('what is not offered says so, to those who may know of the app in question', async (t) => {
  const opened = await openApi(t)
  const { http } = opened
  await http('POST', '/apps', { name: 'some-app' })
  const answer = async (method: string, path: string, as = http) => {
    const { status, body } = await as(method, path)
    return [status, body['id'], body['message']]
  }
  t.same(await answer('POST', '/spaces'), [404, 'not_found', 'Private spaces are not offered here.'])
  t.match(await answer('DELETE', '/test-runs/1'), [404, 'not_found', /API endpoint was not found/])
  t.same(await answer('POST', '/pipeline-transfers'), [
    404,
    'not_found',
    'Transfers of pipelines are not offered here.',
  ])
  const acm = '/apps/some-app/acm'
  t.same(await answer('POST', acm), [
    404,
    'not_found',
    'Certificates managed by the platform are not offered here.',
  ])
  t.match(await answer('POST', '/apps/no-such-app/acm'), [404, 'not_found', /find that app/])
  const stranger = await opened.as('stranger@example.com')
  t.match(await answer('POST', acm, stranger.http), [403, 'forbidden'])
  const token = { authorization: 'Bearer nobody' }
  t.equal((await http('POST', '/spaces', {}, token)).status, 401)
})

t.test('the schema of this API has what is offered alone', async (t) => {
  const { http } = await openApi(t)
  const { links } = (await http('GET', '/schema')).body
  t.notOk((links as { title: string }[]).some(({ title }) => title.startsWith('not-offered')))
})
