/** A change of several things at once is made or refused as a whole. */
import t from 'tap'
import { openApi, type Json } from '../kit/api.ts'

t.test('an app that cannot have its new name keeps all else that it has, too', async (t) => {
  const { http } = await openApi(t)
  for (const name of ['shop', 'store']) await http('POST', '/apps', { name })
  const taken = { status: 422, body: { message: 'Name store is already taken' } }
  t.match(await http('PATCH', '/apps/shop', { name: 'store', maintenance: true }), taken)
  t.match((await http('GET', '/apps/shop')).body, { maintenance: false })
  t.match(await http('PATCH', '/apps/shop', { name: 'kiosk', maintenance: true }), {
    status: 200,
    body: { name: 'kiosk', maintenance: true },
  })
})

t.test('an app that is to be locked stays in its team when a person is to own it', async (t) => {
  const { http } = await openApi(t)
  await http('POST', '/teams', { name: 'acme' })
  await http('POST', '/teams/apps', { team: 'acme', name: 'shop' })
  const move = (locked: boolean) => http('PATCH', '/teams/apps/shop', { owner: 'owner@example.com', locked })
  const refused = { status: 422, body: { message: 'Only an app of a team can be locked.' } }
  t.match(await move(true), refused)
  t.match((await http('GET', '/apps/shop')).body, { team: { name: 'acme' } })
  await http('POST', '/apps', { name: 'mine' })
  t.match(await http('PATCH', '/teams/apps/mine', { owner: 'acme', locked: true }), {
    status: 200,
    body: { team: { name: 'acme' }, locked: true },
  })
})

t.test('an app has from its first moment the features that it is made with', async (t) => {
  const { http } = await openApi(t)
  const on = async (app: string): Promise<string[]> => {
    const all = (await http('GET', `/apps/${app}/features`)).body as unknown as Json[]
    return all.filter(({ enabled }) => enabled === true).map(({ name }) => name as string)
  }
  const flags = 'preboot,http-session-affinity'
  t.equal((await http('POST', '/apps', { name: 'shop', feature_flags: flags })).status, 201)
  t.strictSame(await on('shop'), ['http-session-affinity', 'preboot', 'runtime-heroku-exec'])
  await http('POST', '/teams', { name: 'acme' })
  const ofTeam = { team: 'acme', name: 'store', feature_flags: ['preboot'] }
  t.equal((await http('POST', '/teams/apps', ofTeam)).status, 201)
  t.strictSame(await on('store'), ['preboot', 'runtime-heroku-exec'])
  t.match(await http('POST', '/apps', { name: 'kiosk', feature_flags: 'preboot,warp' }), {
    status: 422,
    body: { message: /^Invalid feature_flags: "warp" \(allowed: http-session-affinity, / },
  })
  t.equal((await http('GET', '/apps/kiosk')).status, 404, 'nothing was made')
})
