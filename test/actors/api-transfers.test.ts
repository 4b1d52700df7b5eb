/** App transfers through real HTTP: offered, taken, declined, taken back, and nobody else's to see. */
import t from 'tap'
import { openApi, type Json } from '../kit/api.ts'
import { schemaFaults } from '../kit/schema.ts'

const path = '/account/app-transfers'
const listed = ({ body }: { readonly body: Json }) => (body as unknown as Json[]).map(({ app }) => app.name)

t.test('an app that is offered becomes that of who accepts it, and its former owner works on', async (t) => {
  const { http, as } = await openApi(t)
  const [ann, bob] = [await as('ann@example.com'), await as('bob@example.com')]
  await ann.http('POST', '/apps', { name: 'shop' })
  t.match(await ann.http('POST', path, { app: 'shop', recipient: 'bob@example.com' }), {
    status: 422,
    body: { message: /not a collaborator on this app/ },
  })
  await ann.http('POST', '/apps/shop/collaborators', { user: 'bob@example.com' })
  t.equal((await bob.http('POST', path, { app: 'shop', recipient: 'bob@example.com' })).status, 403)
  const made = await ann.http('POST', path, { app: 'shop', recipient: 'bob@example.com' })
  t.match(made, { status: 201, body: { state: 'pending', owner: { email: 'ann@example.com' } } })
  t.same(schemaFaults('app-transfer', made.body), [])
  for (const { http: theirs } of [ann, bob]) t.same(listed(await theirs('GET', path)), ['shop'])
  t.same(listed(await http('GET', path)), [])
  t.equal((await http('GET', `${path}/shop`)).status, 404, 'nobody else sees it')
  t.equal((await ann.http('PATCH', `${path}/shop`, { state: 'accepted' })).status, 403)
  t.equal((await bob.http('PATCH', `${path}/shop`, { state: 'lost' })).status, 422)
  const taken = await bob.http('PATCH', `${path}/${made.body['id']}`, { state: 'accepted' })
  t.match(taken, {
    status: 200,
    body: {
      state: 'accepted',
      owner: { email: 'ann@example.com' },
      recipient: { email: 'bob@example.com' },
    },
  })
  t.match((await ann.http('GET', '/apps/shop')).body, { owner: { email: 'bob@example.com' } })
  t.equal((await ann.http('DELETE', '/apps/shop')).status, 403)
  t.same(listed(await bob.http('GET', path)), [])
  t.equal((await bob.http('DELETE', '/apps/shop')).status, 200)
})

t.test('an offer is declined by whom it is made, or taken back by who made it', async (t) => {
  const { as } = await openApi(t)
  const [ann, bob] = [await as('ann@example.com'), await as('bob@example.com')]
  await ann.http('POST', '/apps', { name: 'shop' })
  await ann.http('POST', '/apps/shop/collaborators', { user: 'bob@example.com' })
  const offer = { app: { name: 'shop' }, recipient: bob.user.id }
  await ann.http('POST', path, offer)
  t.equal((await ann.http('POST', path, offer)).status, 422, 'one at a time')
  t.match(await bob.http('PATCH', `${path}/shop`, { state: 'declined' }), { body: { state: 'declined' } })
  t.equal((await ann.http('POST', path, offer)).status, 201)
  t.equal((await bob.http('DELETE', `${path}/shop`)).status, 403)
  t.match(await ann.http('DELETE', `${path}/shop`), { status: 200, body: { state: 'declined' } })
  t.match((await ann.http('GET', '/apps/shop')).body, { owner: { email: 'ann@example.com' } })
})
