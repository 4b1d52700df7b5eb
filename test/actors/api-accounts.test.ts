/** Accounts, their tokens and what these are good for, through real HTTP. */
import t from 'tap'
import { createAttempts } from '../../actors/api/accounts/attempts.ts'
import { slowed } from '../../actors/api/accounts/slowed.ts'
import { openAccounts } from '../../actors/api/accounts/accounts.ts'
import { addressOf } from '../../actors/api/accounts/users.ts'
import { systemRandom } from '../../src/system/random.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { openApi, type Json } from '../kit/api.ts'
import { keyOf } from '../kit/calls.ts'
import { memoryStore } from '../kit/memory-store.ts'

const basic = (name: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`,
})

t.test('an operator makes an account, whose token is told once and opens as that account', async (t) => {
  const { http } = await openApi(t)
  const made = await http('POST', '/accounts', { email: 'Ann@Example.com', name: 'Ann' })
  t.match(made, { status: 201, body: { email: 'ann@example.com', operator: false, token: /^HRKU-\w{40}$/ } })
  const asAnn = { authorization: `Bearer ${made.body['token']}` }
  t.match((await http('GET', '/account', undefined, asAnn)).body, { email: 'ann@example.com', name: 'Ann' })
  t.match(await http('POST', '/accounts', { email: 'ann@example.com' }), {
    status: 422,
    body: { message: 'ann@example.com has an account already.' },
  })
  t.match(await http('POST', '/accounts', { email: 'no address' }), { status: 422 })
  t.match(await http('POST', '/accounts', { email: 'b@example.com' }, asAnn), {
    status: 403,
    body: { id: 'forbidden', message: 'Only an operator of this platform may do this.' },
  })
  t.match((await http('GET', '/accounts')).body, [{ email: 'ann@example.com' }, { operator: true }])
  t.match(await http('GET', '/hosts', undefined, asAnn), { status: 403 })
})

t.test('a rotated, suspended or removed account is not let in by its old token', async (t) => {
  const { http, store } = await openApi(t)
  const { body: made } = await http('POST', '/accounts', { email: 'ann@example.com' })
  const seen = async (token: unknown) =>
    (await http('GET', '/account', undefined, { authorization: `Bearer ${String(token)}` })).status
  await http('POST', '/account/bus-key', undefined, { authorization: `Bearer ${made['token']}` })
  t.ok(await store.get(`bus-user/${made['id']}`))
  const { body: rotated } = await http('POST', '/accounts/ann@example.com/actions/rotate')
  t.equal(await store.get(`bus-user/${made['id']}`), undefined, 'nor by its key for the bus')
  t.equal(await seen(made['token']), 401)
  t.equal(await seen(rotated['token']), 200)
  await http('POST', '/account/bus-key', undefined, { authorization: `Bearer ${rotated['token']}` })
  await http('POST', '/accounts/ann@example.com/actions/suspend')
  t.equal(await seen(rotated['token']), 403)
  t.equal(await store.get(`bus-user/${made['id']}`), undefined, 'it hears no more of the bus either')
  await http('POST', `/accounts/${made['id']}/actions/unsuspend`)
  t.equal(await seen(rotated['token']), 200)
  const asAnn = { authorization: `Bearer ${rotated['token']}` }
  await http('POST', '/apps', { name: 'anns' }, asAnn)
  t.match(await http('DELETE', '/accounts/ann@example.com'), { status: 409, body: { message: /anns/ } })
  await http('DELETE', '/apps/anns', undefined, asAnn)
  t.match(await http('DELETE', '/accounts/ann@example.com'), { status: 200 })
  t.equal(await seen(rotated['token']), 401)
  t.match(await http('POST', '/accounts/owner@example.com/actions/suspend'), { status: 422 })
  t.match(await http('POST', '/accounts/nobody@example.com/actions/rotate'), { status: 404 })
})

t.test('an authorization is made, shown by its ends, described, regenerated and ended', async (t) => {
  const { http } = await openApi(t)
  const path = '/oauth/authorizations'
  const body = { description: 'ci', scope: ['read'], expires_in: '3600' }
  const { status, body: made } = await http('POST', path, body)
  t.equal(status, 201)
  t.match(made, { description: 'ci', scope: ['read'] })
  const { expires_in: left } = made['access_token'] as { expires_in: number }
  t.ok(left > 3_500 && left <= 3_600)
  const token = made['access_token'].token as string
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` })
  t.equal((await http('GET', '/apps', undefined, bearer(token))).status, 200)
  t.equal((await http('POST', '/apps', {}, bearer(token))).status, 403, 'good for reading alone')
  const [listed] = (await http('GET', path)).body as unknown as Json[]
  const ends = new RegExp(`^${token.slice(0, 7)}\\*{10}${token.slice(-4)}$`)
  t.match(listed, { id: made['id'], access_token: { token: ends } })
  t.match((await http('PATCH', `${path}/${made['id']}`, { description: 'new' })).body, { description: 'new' })
  const { body: again } = await http('POST', `${path}/${made['id']}/actions/regenerate-tokens`)
  t.equal((await http('GET', '/apps', undefined, bearer(token))).status, 401)
  t.equal((await http('GET', '/apps', undefined, bearer(again['access_token'].token))).status, 200)
  t.match(await http('DELETE', `${path}/${made['id']}`), { status: 200, body: { id: made['id'] } })
  t.equal((await http('GET', '/apps', undefined, bearer(again['access_token'].token))).status, 401)
  t.match(await http('GET', `${path}/${made['id']}`), { status: 404, body: { resource: 'authorization' } })
  t.match(await http('GET', `${path}/~`), { status: 404 }, "the operator's own token is none")
})

t.test('what an authorization cannot be is refused by name', async (t) => {
  const { http } = await openApi(t)
  for (const [body, message] of [
    [{ scope: ['everything'] }, /^Invalid scope: "everything" \(allowed: global, identity/],
    [{ expires_in: 0 }, /^Invalid expires_in/],
    [{ expires_in: 'soon' }, /^Invalid expires_in/],
    [{ description: 'x'.repeat(256) }, /too long/],
    [{ client: 7 }, /^Invalid params: client/],
  ] as const)
    t.match(await http('POST', '/oauth/authorizations', body), { status: 422, body: { message } })
})

t.test('a token that is over opens nothing', async (t) => {
  let now = 1_000_000
  const store = memoryStore()
  const owner = { email: 'o@example.com', token: 'own' }
  const accounts = await openAccounts(store, systemRandom, () => now, owner)
  const wanted = { description: '', scopes: ['global'], expiresAt: now + 60_000 } as const
  const { token } = await accounts.authorizations.grant(accounts.owner().id, wanted)
  t.match(await accounts.authenticate(`Bearer ${token}`), { user: { operator: true } })
  now += 60_000
  await t.rejects(accounts.authenticate(`Bearer ${token}`), { code: 'unauthorized' })
})

t.test('a scope opens what it says and nothing more', async (t) => {
  const { as, http } = await openApi(t)
  await http('POST', '/apps', { name: 'shop' })
  const open = async (scope: 'identity' | 'read' | 'write' | 'read-protected' | 'write-protected') => {
    const { http: limited } = await as('owner@example.com', [scope])
    const answers = await Promise.all([
      limited('GET', '/account'),
      limited('GET', '/apps/shop'),
      limited('PATCH', '/apps/shop', { maintenance: true }),
      limited('GET', '/apps/shop/config-vars'),
      limited('PATCH', '/apps/shop/config-vars', { A: '1' }),
      limited('GET', '/oauth/authorizations'),
    ])
    return answers.map(({ status }) => status).join(' ')
  }
  t.equal(await open('identity'), '200 403 403 403 403 403')
  t.equal(await open('read'), '403 200 403 403 403 403')
  t.equal(await open('write'), '403 200 200 403 403 403')
  t.equal(await open('read-protected'), '403 200 403 200 403 403')
  t.equal(await open('write-protected'), '403 200 200 200 200 403')
})

t.test(
  'a password opens the making of a token and nothing else, and whoever guesses must wait',
  async (t) => {
    const { http } = await openApi(t)
    const [email, password] = ['ann@example.com', 'correct horse battery']
    t.match(await http('POST', '/accounts', { email, password: 'short' }), { status: 422 })
    await http('POST', '/accounts', { email, password })
    const login = (secret: string) =>
      http('POST', '/oauth/authorizations', { description: 'CLI', scope: ['global'] }, basic(email, secret))
    const made = await login(password)
    t.match(made, { status: 201, body: { user: { email }, access_token: { token: /^HRKU-/ } } })
    t.equal((await http('GET', '/account', undefined, basic(email, password))).status, 401)
    const asAnn = { authorization: `Bearer ${made.body['access_token'].token}` }
    const change = { new_password: 'another long password' }
    t.match(await http('PATCH', '/account', change, asAnn), { status: 422 }, 'without the one of now')
    t.match(await http('PATCH', '/account', { ...change, password }, asAnn), { status: 200 })
    const statuses: number[] = []
    for (let n = 0; n < 6; n += 1) statuses.push((await login(password)).status)
    t.same(statuses, [401, 401, 401, 401, 401, 429])
    t.match(await login(change.new_password), { status: 429, body: { id: 'rate_limit' } }, 'right or wrong')
  },
)

t.test('guesses are free five times, then each doubles the wait, and an hour later all is forgotten', (t) => {
  let now = 0
  const attempts = createAttempts(() => now)
  for (let n = 0; n < 4; n += 1) attempts.failed('a')
  t.equal(attempts.waitMs('a'), 0)
  attempts.failed('a')
  t.equal(attempts.waitMs('a'), 1_000)
  t.equal(attempts.waitMs('b'), 0)
  attempts.failed('a')
  t.equal(attempts.waitMs('a'), 2_000)
  for (let n = 0; n < 20; n += 1) attempts.failed('a')
  t.equal(attempts.waitMs('a'), 900_000)
  now += 3_600_001
  attempts.failed('a')
  t.equal(attempts.waitMs('a'), 0)
  attempts.succeeded('a')
  for (let n = 0; n < 20_000; n += 1) attempts.failed(`x${n}`)
  t.equal(attempts.waitMs('x0'), 0)
  t.end()
})

t.test('an address is kept in lower case, and is none with anything in it that is not of addresses', (t) => {
  t.equal(addressOf(' A.B+c@Example.COM '), 'a.b+c@example.com')
  for (const text of [
    '',
    'a',
    '@b',
    'a@',
    'a b@c',
    'a/b@c',
    'a@b/c',
    'a@b\nc',
    `${'a'.repeat(65)}@b`,
    'a@-b',
  ])
    t.equal(addressOf(text), undefined, JSON.stringify(text))
  t.end()
})

t.test('whoever began to make an account and broke off does not keep its address', async (t) => {
  const store = memoryStore()
  const owner = { email: 'o@example.com', token: 'own' }
  const accounts = await openAccounts(store, systemRandom, () => 1, owner)
  await store.create('email/ann@example.com', Buffer.from('{"userId":"half-made"}'))
  t.equal(await accounts.users.find({ email: 'ann@example.com' }), undefined)
  t.match(await accounts.users.add('ann@example.com', {}), { id: 'half-made' })
  t.equal(await accounts.users.add('ann@example.com', {}), undefined)
})

t.test('SSH keys are kept by their fingerprint', async (t) => {
  const { http } = await openApi(t)
  const key = keyOf('laptop')
  const { status, body } = await http('POST', '/account/keys', { public_key: `${key}\n` })
  t.equal(status, 201)
  t.match(body, { comment: 'ann@laptop', public_key: key, fingerprint: /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/ })
  t.match(await http('POST', '/account/keys', { public_key: key }), { status: 422 })
  for (const bad of ['', 'ssh-rsa', 'ssh-rsa AAAA', key.replace('ssh-ed25519', 'ssh-rsa'), `x${key}`])
    t.match(await http('POST', '/account/keys', { public_key: bad }), { status: 422 }, bad)
  t.match((await http('GET', '/account/keys')).body, [{ id: body['id'] }])
  t.equal((await http('DELETE', `/account/keys/${body['fingerprint']}`)).status, 200)
  t.equal((await http('GET', `/account/keys/${body['id']}`)).status, 404)
})

t.test('whoever tries tokens from an address waits longer each time, and nobody else does', async (t) => {
  const clock = virtualClock()
  const store = memoryStore()
  const owner = { email: 'o@example.com', token: 'own' }
  const accounts = await openAccounts(store, systemRandom, () => clock.now(), owner)
  const authenticate = slowed(
    accounts,
    createAttempts(() => clock.now(), 2),
    clock,
  )
  const guess = (from?: string) =>
    t.rejects(authenticate('Bearer guess', from), { code: 'unauthorized' }) as Promise<unknown>
  await guess('a')
  let isDone = false
  const slow = guess('a').then(() => (isDone = true))
  await authenticate('Bearer own', 'a')
  await guess('b')
  await guess()
  await t.rejects(authenticate('', 'a'), { code: 'unauthorized' }, 'who shows nothing guesses nothing')
  t.notOk(isDone)
  t.equal(clock.step(clock.now() + 999), false)
  t.equal(clock.step(clock.now() + 1_000), true)
  await slow
  t.ok(isDone)
})

t.test(
  'so many passwords are checked at once, and whoever comes beside them is told to come again',
  async (t) => {
    const owner = { email: 'o@example.com', token: 'own' }
    const accounts = await openAccounts(memoryStore(), systemRandom, () => 1, owner)
    const login = (n: number) =>
      accounts
        .byPassword(basic(`u${n}@example.com`, 'guess').authorization)
        .catch(({ code }) => code as string)
    const codes = await Promise.all(Array.from({ length: 20 }, (_, n) => login(n)))
    t.equal(codes.filter((code) => code === 'unauthorized').length, 8)
    t.equal(codes.filter((code) => code === 'rate_limit').length, 12)
  },
)
