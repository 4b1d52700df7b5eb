/**
 * The matrix of permissions: each endpoint, called by its owner, a collaborator, a stranger, nobody, with a
 * token that is over, and with tokens of each lesser scope.
 */
import t from 'tap'
import { endpoints } from '../../actors/api/resources/index.ts'
import type { Scope } from '../../actors/api/access.ts'
import { openApi, type Json, type OpenedApi } from '../kit/api.ts'
import { calls, openStage, refusals, type Call, type Stage } from '../kit/calls.ts'
import { schemaFaults } from '../kit/schema.ts'

t.setTimeout(300_000)

/** Called with good arguments in tests of their own, for what they do takes more than one call. */
const elsewhere = new Set([
  'app-setups.create',
  'app-setups.info',
  'app-transfers.delete',
  'app-transfers.info',
  'app-transfers.update',
  'buildpacks.readme',
  'builds.cancel',
  'hosts.remove',
  'pipeline-couplings.create',
  'pipeline-couplings.delete',
  'pipeline-couplings.info',
  'pipeline-couplings.info-by-app',
  'pipeline-couplings.update',
  'pipeline-promotions.create',
  'pipeline-promotions.info',
  'pipeline-promotions.targets',
])

t.test('each endpoint has a good call', (t) => {
  const named = new Set([...Object.keys(calls), ...Object.keys(refusals), ...elsewhere])
  const names = endpoints.map(({ name }) => name).filter((name) => !name.startsWith('not-offered.'))
  t.same(
    names.filter((name) => !named.has(name)),
    [],
    'add it to test/kit/calls.ts',
  )
  t.same(
    [...named].filter((name) => !names.includes(name)),
    [],
  )
  t.end()
})

/** What each scope opens, as Heroku's page on OAuth has it. */
const opens: Readonly<Record<string, readonly string[]>> = {
  identity: ['identity'],
  read: ['read'],
  write: ['read', 'write'],
  'read-protected': ['read', 'read-protected'],
  'write-protected': ['read', 'write', 'read-protected', 'write-protected'],
}

type Persona = {
  readonly name: string
  readonly headers: Readonly<Record<string, string>>
  readonly expected: (call: Call) => readonly number[]
  /** What lets it in, at the app that the call is about. */
  readonly enter?: (stage: Stage) => Promise<unknown>
}

const asGuest = ({ done, app }: Stage) =>
  done('collaborators.create', { params: { app }, body: { user: 'ann@example.com' } })

const asViewer = async ({ done, app, unique }: Stage) => {
  const team = `of-${unique}`
  const viewer = { email: 'viewer@example.com', role: 'viewer' }
  await done('teams.create', { params: {}, body: { name: team } })
  await done('team-members.create', { params: { team }, body: viewer })
  await done('team-apps.update', { params: { app }, body: { owner: team } })
}

const personasOf = async ({ as, accounts }: OpenedApi): Promise<Persona[]> => {
  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })
  const [guest, stranger] = [await as('ann@example.com'), await as('stranger@example.com')]
  const over = { description: 'over', scopes: ['global'], expiresAt: Date.now() - 1 } as const
  const { token: expired } = await accounts.authorizations.grant(accounts.owner().id, over)
  const limited = async (scope: Scope): Promise<Persona> => ({
    name: `a token of scope ${scope}`,
    headers: bearer((await as('owner@example.com', [scope])).token),
    expected: (call) => (call.right === 'open' || opens[scope]?.includes(call.scope) ? [call.status] : [403]),
  })
  const out = (call: Call): number[] => [call.right === 'open' ? call.status : 401]
  return [
    { name: 'nobody', headers: { Authorization: 'anonymous' }, expected: out },
    { name: 'a token that is over', headers: bearer(expired), expected: out },
    { name: 'a token that never was', headers: bearer('HRKU-guess'), expected: out },
    {
      name: 'a stranger',
      headers: bearer(stranger.token),
      // What is not named by its app is hidden from who may not see it.
      expected: ({ right, status }) =>
        right.startsWith('app-') ? [403, 404] : right === 'operator' ? [403] : [status],
    },
    {
      name: 'a collaborator',
      headers: bearer(guest.token),
      enter: asGuest,
      expected: ({ right, status }) => [right === 'app-manage' || right === 'operator' ? 403 : status],
    },
    {
      name: 'a viewer in the team of the app',
      headers: bearer((await as('viewer@example.com')).token),
      enter: asViewer,
      expected: ({ right, status }) =>
        right === 'app-change' || right === 'app-manage'
          ? [403, 404]
          : right === 'operator'
            ? [403]
            : [status],
    },
    await limited('identity'),
    await limited('read'),
    await limited('write'),
    await limited('read-protected'),
    await limited('write-protected'),
    { name: 'its owner', headers: {}, expected: ({ status }) => [status] },
  ]
}

for (const [name, call] of [...Object.entries(calls), ...Object.entries(refusals)])
  t.test(`${name} is answered to those alone who may ask it`, async (t) => {
    const api = await openApi(t)
    for (const persona of await personasOf(api)) {
      const asPersona = async (what: string, sent: object): Promise<Json> => {
        const isLimited = persona.name.startsWith('a token')
        const answer = await api.call(what, sent, isLimited ? {} : persona.headers)
        return answer.json
      }
      const stage = await openStage(api, asPersona)
      await persona.enter?.(stage)
      const { json, headers } = await api.call(name, await call.sent(stage), persona.headers)
      const status = Number(headers['Manifold-Status'])
      t.ok(
        call && persona.expected(call).includes(status),
        `${persona.name}: ${status} ${JSON.stringify(json).slice(0, 200)}`,
      )
      if (status === 403 || status === 401)
        t.match(json, { id: status === 401 ? 'unauthorized' : 'forbidden', message: /\w/ })
      if (status < 300 && call.shape !== undefined) t.same(schemaFaults(call.shape, json), [], call.shape)
    }
  })

t.test('every list can be had in parts, in the order that one asks for', async (t) => {
  const api = await openApi(t)
  for (const [name, call] of Object.entries(calls)) {
    const { http } = endpoints.find((one) => one.name === name)!
    if (http.method !== 'GET') continue
    const stage = await openStage(api, async (what, sent) => (await api.call(what, sent)).json)
    const sent = await call.sent(stage)
    const ask = (range: string | undefined) =>
      api.call(name, { params: {}, ...sent, ...(range !== undefined && { range }) })
    const { json, headers } = await ask(undefined)
    // The trail has ranges of its own, and the doctor's findings are no list of things.
    if (!Array.isArray(json) || json.length === 0) continue
    t.not((await ask('id ..; max=1000')).headers['Manifold-Status'], '416', name)
    if (name.startsWith('audit.list') || name === 'cluster.doctor') continue
    const orders = headers['Accept-Ranges']?.split(', ') ?? []
    const [by = ''] = orders
    t.ok(by, name)
    for (const order of orders) {
      const seen: Json[] = []
      let range: string | undefined = `${order} ..; max=1`
      // No list of a stage is long: one that does not end here never does.
      for (let pages = 0; range !== undefined && pages <= json.length; pages += 1) {
        const part = await ask(range)
        const items = part.json as unknown as Json[]
        seen.push(...items)
        const shown = items[0]?.[order]
        const isShown = part.headers['Content-Range']?.startsWith(`${order} ${shown}..`)
        if (shown !== undefined) t.ok(isShown, `${name} by ${order}: ${part.headers['Content-Range']}`)
        range = part.headers['Next-Range']
      }
      t.equal(range, undefined, `${name} by ${order} ends`)
      t.equal(
        new Set(seen.map((one) => JSON.stringify(one))).size,
        json.length,
        `${name} by ${order}: each once`,
      )
      t.equal(seen.length, json.length, `${name} by ${order}: none twice`)
    }
    t.equal((await ask('nothing ..')).headers['Manifold-Status'], '416', name)
    const { json: first, headers: more } = await ask(`${by} ..; max=1`)
    t.equal((first as unknown as Json[]).length, 1, name)
    t.match(more['Content-Range'], /; max=1$/, name)
    const isPart = more['Next-Range'] !== undefined
    t.ok(isPart || json.length === 1, name)
    t.equal(more['Manifold-Status'], isPart ? '206' : '200', name)
  }
})

t.test('what is tested elsewhere is closed to strangers and to nobody all the same', async (t) => {
  const api = await openApi(t)
  const personas = (await personasOf(api)).filter(({ name }) => /nobody|over|identity/.test(name))
  for (const { name, http, open } of endpoints) {
    if (open !== false || name in calls || name in refusals) continue
    const named = [...http.path.matchAll(/:(\w+)/g)].map(([, param]) => [param, 'x'])
    for (const persona of personas) {
      const { headers } = await api.call(name, { params: Object.fromEntries(named) }, persona.headers)
      t.match(headers['Manifold-Status'], /^40[13]$/, `${name}: ${persona.name}`)
    }
  }
})
