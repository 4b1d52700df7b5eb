/** OAuth clients through real HTTP: what a user lets a program do, how it gets there, and how that ends. */
import t, { type Test } from 'tap'
import { openAccounts } from '../../actors/api/accounts/accounts.ts'
import { clientTokenMs, type GrantType } from '../../actors/api/accounts/authorizations.ts'
import { StoreUnavailable, type Store } from '../../src/ports/store.ts'
import { systemRandom } from '../../src/system/random.ts'
import { openApi, type Json } from '../kit/api.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { schemaFaults } from '../kit/schema.ts'

const clients = '/oauth/clients'
const wanted = { name: 'shop', redirect_uri: 'https://shop.example.com/in' }
const bearer = (token: unknown) => ({ authorization: `Bearer ${String(token)}` })

/** A program of ann's, and what bob lets it do. */
const openClient = async (t: Test, scope: readonly string[] = ['read']) => {
  const opened = await openApi(t)
  const [ann, bob] = [await opened.as('ann@example.com'), await opened.as('bob@example.com')]
  const { body: client } = await ann.http('POST', clients, wanted)
  const { body: authorization } = await bob.http('POST', '/oauth/authorizations', {
    scope,
    client: client['id'],
  })
  const code = authorization['grant'].code as string
  const ask = (body: object) => opened.http('POST', '/oauth/tokens', body, { authorization: '' })
  const exchange = (secret: unknown = client['secret'], what = code) =>
    ask({ grant: { type: 'authorization_code', code: what }, client: { secret } })
  const refresh = (token: unknown, secret: unknown = client['secret']) =>
    ask({ grant: { type: 'refresh_token' }, refresh_token: { token }, client: { secret } })
  const status = async (token: unknown, path = '/apps') =>
    (await opened.http('GET', path, undefined, bearer(token))).status
  return { ...opened, ann, bob, client, authorization, code, ask, exchange, refresh, status }
}

t.test('a client is registered with a secret that is told once, changed, and gets another', async (t) => {
  const { as, store } = await openApi(t)
  const [ann, bob] = [await as('ann@example.com'), await as('bob@example.com')]
  const made = await ann.http('POST', clients, wanted)
  t.match(made, { status: 201, body: { ...wanted, secret: /^HRKU-\w{40}$/ } })
  const secret = made.body['secret'] as string
  const path = `${clients}/${made.body['id']}`
  const ends = /^HRKU-\w\w\*{10}\w{4}$/
  t.match((await ann.http('GET', clients)).body, [{ name: 'shop', secret: ends }])
  t.match((await ann.http('GET', path)).body, { secret: ends })
  t.match(await bob.http('GET', path), { status: 200, body: { name: 'shop' } })
  t.notOk('secret' in (await bob.http('GET', path)).body, 'it is not his')
  t.equal((await bob.http('PATCH', path, { name: 'his' })).status, 404)
  t.equal((await bob.http('DELETE', path)).status, 404)
  t.match((await ann.http('PATCH', path, { name: 'store' })).body, {
    name: 'store',
    redirect_uri: wanted.redirect_uri,
  })
  const { body: rotated } = await ann.http('POST', `${path}/actions/rotate-credentials`)
  t.match(rotated['secret'], /^HRKU-\w{40}$/)
  t.not(rotated['secret'], secret)
  const kept = (await store.list('')).map(({ value }) => Buffer.from(value).toString()).join()
  for (const one of [secret, rotated['secret'] as string]) t.notOk(kept.includes(one), 'only its sum is kept')
  t.equal((await ann.http('DELETE', path)).status, 200)
  t.equal((await ann.http('GET', path)).status, 404)
  t.same((await ann.http('GET', clients)).body, [])
})

t.test('an address that a client is sent back to has TLS, or is near', async (t) => {
  const { http } = await openApi(t)
  const status = async (redirect_uri: string) =>
    (await http('POST', clients, { name: 'x', redirect_uri })).status
  for (const good of [
    'https://a.example.com/',
    'http://localhost:3000/in',
    'http://10.0.0.7/',
    'http://a.local/',
  ])
    t.equal(await status(good), 201, good)
  for (const bad of [
    'http://a.example.com/',
    'ftp://localhost/',
    'no address',
    '',
    `https://a/${'x'.repeat(2_000)}`,
  ])
    t.equal(await status(bad), 422, bad.slice(0, 40))
  t.equal((await http('POST', clients, { name: ' ', redirect_uri: 'https://a/' })).status, 422)
})

t.test('a code gets tokens once, for its client alone, which open what the user said', async (t) => {
  const { exchange, refresh, status, bob, client, authorization, code } = await openClient(t)
  t.match(authorization, {
    access_token: null,
    refresh_token: null,
    client: { name: 'shop' },
    grant: { code: /^HRKU-/ },
  })
  t.same(schemaFaults('oauth-authorization', authorization), [])
  t.match(await exchange('HRKU-guess'), { status: 401, body: { id: 'unauthorized' } })
  t.equal((await exchange(client['secret'], 'HRKU-guess')).status, 401)
  t.equal((await refresh(code)).status, 401, 'it has not been exchanged')
  const got = await exchange()
  t.match(got, {
    status: 201,
    body: { authorization: { id: authorization['id'] }, user: { id: bob.user.id } },
  })
  t.same(schemaFaults('oauth-token', got.body), [])
  const { access_token: access, refresh_token: renewal } = got.body
  t.ok(access.expires_in > clientTokenMs / 1000 - 10 && access.expires_in <= clientTokenMs / 1000)
  t.equal(await status(access.token), 200)
  t.equal(await status(access.token, '/oauth/authorizations'), 403, 'it reads alone')
  t.equal((await exchange()).status, 401, 'once')
  t.equal(await status(renewal.token), 401, 'that is for another thing')
  const again = await refresh(renewal.token)
  t.match(again, { status: 201, body: { refresh_token: { token: renewal.token } } })
  t.equal(await status(access.token), 401, 'the one before is over')
  t.equal(await status(again.body['access_token'].token), 200)
  t.equal((await refresh(renewal.token, 'HRKU-guess')).status, 401)
  const all = (await bob.http('GET', '/oauth/authorizations')).body as unknown as Json[]
  const shown = all.find(({ id }) => id === authorization['id'])
  t.match(shown, { client: { name: 'shop' }, grant: null, refresh_token: { token: /\*/ } })
})

t.test('what a client was given ends with the authorization, the client, or the account', async (t) => {
  for (const end of ['authorization', 'client', 'suspension', 'secret', 'access', 'refresh'] as const) {
    const { exchange, refresh, status, http, ann, bob, client, authorization } = await openClient(t)
    const { access_token: access, refresh_token: renewal } = (await exchange()).body
    const ends: Record<typeof end, () => Promise<{ status: number }>> = {
      authorization: () => bob.http('DELETE', `/oauth/authorizations/${authorization['id']}`),
      client: () => ann.http('DELETE', `${clients}/${client['id']}`),
      suspension: () => http('POST', '/accounts/bob@example.com/actions/suspend'),
      secret: () => ann.http('POST', `${clients}/${client['id']}/actions/rotate-credentials`),
      access: () => bob.http('DELETE', `/oauth/tokens/${access.id}`),
      refresh: () => bob.http('DELETE', `/oauth/tokens/${renewal.id}`),
    }
    t.equal((await ends[end]()).status, 200, end)
    const expected = {
      authorization: 401,
      client: 401,
      suspension: 403,
      secret: 200,
      access: 401,
      refresh: 401,
    }
    t.equal(await status(access.token), expected[end], end)
    const renewed = (await refresh(renewal.token)).status
    t.equal(renewed, end === 'access' ? 201 : end === 'suspension' ? 403 : 401, end)
    t.equal(
      (await bob.http('DELETE', `/oauth/tokens/${client['id']}`)).status,
      end === 'suspension' ? 403 : 404,
    )
  }
})

t.test('a token that is said to be for a client ends with it, by the client’s secret alone', async (t) => {
  const { ann, bob, client, status } = await openClient(t)
  const { body: made } = await bob.http('POST', '/oauth/authorizations', { scope: ['read'] })
  const path = `/oauth/authorizations/${made['id']}`
  const say = (secret: unknown) => bob.http('PATCH', path, { client: { id: client['id'], secret } })
  t.equal((await say('HRKU-guess')).status, 401)
  t.match((await say(client['secret'])).body, { client: { name: 'shop' } })
  t.equal(await status(made['access_token'].token), 200)
  await ann.http('DELETE', `${clients}/${client['id']}`)
  t.equal(await status(made['access_token'].token), 401)
})

t.test(
  'a body that shows nothing is refused before anything is looked at, and the trail says who it was',
  async (t) => {
    const { ask, exchange, client, http, bob } = await openClient(t)
    for (const body of [
      {},
      { grant: {} },
      { grant: { type: 'password', code: 'x' }, client: { secret: 'x' } },
      { grant: { type: 'authorization_code' }, client: { secret: client['secret'] } },
      {
        grant: { type: 'refresh_token', code: 'x' },
        client: { secret: client['secret'] },
        refresh_token: {},
      },
    ])
      t.equal((await ask(body)).status, 422, JSON.stringify(body))
    await exchange()
    const [last] = (await http('GET', '/audit-trail', undefined, { range: 'seq ..; max=1' }))
      .body as unknown as Json[]
    t.match(JSON.stringify(last), /oauth-tokens\.create/)
    t.match(JSON.stringify(last), new RegExp(bob.user.id))
    t.notOk(JSON.stringify(last).includes('HRKU-'))
  },
)

t.test('a client that has no token yet is not given one past its code', async (t) => {
  const { bob, authorization, client } = await openClient(t)
  const path = `/oauth/authorizations/${authorization['id']}`
  t.equal((await bob.http('POST', `${path}/actions/regenerate-tokens`)).status, 422)
  t.equal(
    (await bob.http('POST', '/oauth/authorizations', { client: 'nobody', scope: ['read'] })).status,
    404,
  )
  t.equal((await bob.http('DELETE', path)).status, 200)
  t.equal((await bob.http('DELETE', `${clients}/${client['id']}`)).status, 404, 'ann’s')
})

/** The same records, of which each write in turn fails: before it is made, or after. */
const breaking = (store: Store): { readonly store: Store; breakAt: number; isAfter: boolean } => {
  const state = { breakAt: Infinity, isAfter: false, store }
  const write =
    <A extends readonly unknown[], R>(make: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      state.breakAt -= 1
      if (state.breakAt === 0 && !state.isAfter) throw new StoreUnavailable('broken', 'no')
      const made = await make(...args)
      if (state.breakAt === 0) throw new StoreUnavailable('broken', 'unknown')
      return made
    }
  state.store = {
    ...store,
    create: write((key, value) => store.create(key, value)),
    update: write((key, value, revision) => store.update(key, value, revision)),
    remove: write((key, revision) => store.remove(key, revision)),
  }
  return state
}

const openBreaking = async () => {
  let at = 1_800_000_000_000
  const records = memoryStore()
  const broken = breaking(records)
  const owner = { email: 'owner@example.com', token: 'HRKU-owner' }
  const accounts = await openAccounts(broken.store, systemRandom, () => at, owner)
  const { client, secret } = await accounts.clients.register('owner', {
    name: 'shop',
    redirectUri: 'https://a/',
  })
  const userId = accounts.owner().id
  const wantedOf = { description: '', scopes: ['read'] as const }
  const { authorization, code } = await accounts.authorizations.grantTo(client.id, userId, wantedOf)
  const opens = (token: string) =>
    accounts.authenticate(`Bearer ${token}`).then(
      () => true,
      () => false,
    )
  const left = async () =>
    (await records.list('')).filter(({ key }) => /^(?:token|exchange)/.test(key)).length
  return {
    accounts,
    authorization,
    code,
    secret,
    broken,
    opens,
    left,
    later: (ms: number) => (at += ms),
    userId,
  }
}

t.test('wherever an exchange breaks off, what is told opens, and after the end nothing does', async (t) => {
  for (const isAfter of [false, true])
    for (let n = 1; n <= 12; n += 1) {
      const { accounts, code, broken, opens, userId, authorization } = await openBreaking()
      const { authorizations } = accounts
      const told: string[] = []
      const exchange = async (type: GrantType, secret: string): Promise<string | undefined> => {
        const found = await authorizations.ofExchange(secret)
        const got = found && (await authorizations.exchange(found, type, secret))
        if (got !== undefined) told.push(got.token)
        return got?.refreshToken
      }
      Object.assign(broken, { breakAt: n, isAfter })
      let refresh: string | undefined
      for (const _ of [1, 2]) refresh ??= await exchange('authorization_code', code).catch(() => undefined)
      if (refresh !== undefined) {
        const again = exchange('refresh_token', refresh)
        const isWhole = await again.then(
          () => true,
          () => false,
        )
        if (isWhole) t.ok(await opens(told.at(-1)!), `${n}: what was told last opens`)
        if (isWhole)
          for (const former of told.slice(0, -1)) t.notOk(await opens(former), `${n}: and nothing else`)
      }
      const found = await authorizations.find(userId, authorization.id)
      for (const _ of [1, 2])
        if (found !== undefined) await authorizations.revoke(found).catch(() => undefined)
      for (const token of told) t.notOk(await opens(token), `${n} ${isAfter}: nothing opens after the end`)
      t.equal(await authorizations.ofExchange(code), undefined)
      if (refresh !== undefined) t.equal(await authorizations.ofExchange(refresh), undefined)
    }
})

t.test('of two who have a code at once one gets tokens, and who ends it meanwhile ends them', async (t) => {
  const { accounts, code, opens, left, userId, authorization } = await openBreaking()
  const { authorizations } = accounts
  const both = await Promise.all(
    [1, 2, 3].map(async () => authorizations.exchange(authorization, 'authorization_code', code)),
  )
  const got = both.filter((one) => one !== undefined)
  t.equal(got.length, 1)
  t.ok(await opens(got[0]!.token))
  const current = (await authorizations.find(userId, authorization.id))!
  const races = [1, 2, 3].map(async () =>
    authorizations.exchange(current, 'refresh_token', got[0]!.refreshToken),
  )
  const [renewed] = await Promise.all([Promise.all(races), authorizations.revoke(current)])
  for (const one of [...got, ...renewed]) if (one !== undefined) t.notOk(await opens(one.token))
  t.equal(await left(), 1, 'the operator’s token alone is left')
})

t.test('a code is good for five minutes, a client’s access token for eight hours', async (t) => {
  const late = await openBreaking()
  late.later(5 * 60_000)
  t.equal(
    await late.accounts.authorizations.exchange(late.authorization, 'authorization_code', late.code),
    undefined,
  )
  const { accounts, authorization, code, opens, later } = await openBreaking()
  const { token } = (await accounts.authorizations.exchange(authorization, 'authorization_code', code))!
  later(clientTokenMs - 1)
  t.ok(await opens(token))
  later(1)
  t.notOk(await opens(token))
})
