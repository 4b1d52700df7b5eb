/** Who may use an app, through real HTTP: its owner, its collaborators, and nobody else. */
import t from 'tap'
import { deployed, openApi, type Json } from '../kit/api.ts'

const names = ({ body }: { readonly body: Json }) => (body as unknown as Json[]).map(({ name }) => name)

t.test('a collaborator may do everything at an app but rename, transfer and destroy it', async (t) => {
  const opened = await openApi(t)
  const { http, as } = opened
  await deployed(opened, 'shop')
  const ann = await as('ann@example.com')
  t.match(await ann.http('GET', '/apps/shop'), {
    status: 403,
    body: { id: 'forbidden', message: 'You do not have access to the app shop.' },
  })
  t.same(names(await ann.http('GET', '/apps')), [])
  t.match(await http('POST', '/apps/shop/collaborators', { user: 'ANN@example.com' }), {
    status: 201,
    body: {
      role: 'collaborator',
      user: { email: 'ann@example.com' },
      permissions: [{ name: 'view' }, { name: 'deploy' }, { name: 'operate' }],
    },
  })
  t.same(names(await ann.http('GET', '/apps')), ['shop'])
  for (const [method, path, body] of [
    ['GET', '/apps/shop'],
    ['GET', '/apps/shop/config-vars'],
    ['PATCH', '/apps/shop/config-vars', { A: '1' }],
    ['PATCH', '/apps/shop/formation', { updates: [{ type: 'web', quantity: 2 }] }],
    ['PATCH', '/apps/shop', { maintenance: true }],
    ['PATCH', '/apps/shop', { name: 'shop' }],
    ['GET', '/apps/shop/releases'],
  ] as const)
    t.equal((await ann.http(method, path, body)).status, 200, `${method} ${path}`)
  t.match(await ann.http('PATCH', '/apps/shop', { name: 'mine' }), {
    status: 403,
    body: { message: 'You do not have the manage permission on the app shop.' },
  })
  t.equal((await ann.http('DELETE', '/apps/shop')).status, 403)
  t.match(await ann.http('GET', '/apps/shop/collaborators'), {
    body: [
      { role: 'collaborator', user: { email: 'ann@example.com' } },
      { role: 'owner', user: { email: 'owner@example.com' } },
    ],
  })
})

t.test('who is removed is out at once; everybody may leave; the owner stays', async (t) => {
  const { http, as } = await openApi(t)
  await http('POST', '/apps', { name: 'shop' })
  const [ann, bob] = [await as('ann@example.com'), await as('bob@example.com')]
  for (const { user } of [ann, bob]) await http('POST', '/apps/shop/collaborators', { user: user.id })
  t.equal((await http('DELETE', '/apps/shop/collaborators/ann@example.com')).status, 200)
  t.equal((await ann.http('GET', '/apps/shop')).status, 403)
  t.same(names(await ann.http('GET', '/apps')), [])
  t.match(await bob.http('DELETE', '/apps/shop/collaborators/owner@example.com'), {
    status: 422,
    body: { message: /is the owner of shop: transfer the app first/ },
  })
  t.equal((await bob.http('DELETE', `/apps/shop/collaborators/${bob.user.id}`)).status, 200)
  t.equal((await bob.http('GET', '/apps/shop')).status, 403)
  t.match(await http('DELETE', '/apps/shop/collaborators/bob@example.com'), {
    status: 404,
    body: { resource: 'collaborator' },
  })
  t.match(await http('POST', '/apps/shop/collaborators', { user: 'nobody@example.com' }), {
    status: 404,
    body: { message: "Couldn't find that user." },
  })
  t.match(await http('POST', '/apps/shop/collaborators', { user: 'x' }), { status: 422 })
})

t.test('an app of another is not in the list, and its name cannot be had', async (t) => {
  const { http, as } = await openApi(t)
  const ann = await as('ann@example.com')
  await ann.http('POST', '/apps', { name: 'anns' })
  t.same(names(await ann.http('GET', '/apps')), ['anns'])
  t.same(names(await http('GET', '/apps')), [], 'nor in that of an operator')
  t.equal((await http('GET', '/apps/anns')).status, 200, 'who may see it all the same')
  t.match(await http('POST', '/apps', { name: 'anns' }), { status: 422 })
})

t.test(
  'git asks for what its request does: to fetch one must see the app, to push one must deploy',
  async (t) => {
    const { http, as } = await openApi(t)
    await http('POST', '/apps', { name: 'shop' })
    const ann = await as('ann@example.com')
    const reader = await as('owner@example.com', ['read'])
    const refs = (service: string) => `/shop.git/info/refs?service=git-${service}`
    t.match(await ann.http('GET', refs('upload-pack')), { status: 403, text: /do not have access/ })
    await http('POST', '/apps/shop/collaborators', { user: 'ann@example.com' })
    t.match(await ann.http('GET', refs('receive-pack')), { status: 200, text: /git shop ann@example.com/ })
    t.equal((await reader.http('GET', refs('upload-pack'))).status, 200)
    t.match(await reader.http('GET', refs('receive-pack')), { status: 403, text: /scope must include write/ })
    t.equal((await reader.http('POST', '/shop.git/git-receive-pack', '0000')).status, 403)
  },
)
