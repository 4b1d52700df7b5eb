/** Teams through real HTTP: who may do what in them and at their apps, and that it ends when it is taken. */
import { findTeam } from '../../actors/api/resources/team-of.ts'
import t from 'tap'
import { permissions, permissionsAt, roleMay, type SeenApp } from '../../actors/api/access.ts'
import { newApp } from '../../actors/app/record.ts'
import type { Permission } from '../../actors/protocols/app.ts'
import { teamRoles, type TeamRole } from '../../actors/protocols/team.ts'
import { openApi, type Json, type OpenedApi } from '../kit/api.ts'

type As = Awaited<ReturnType<OpenedApi['as']>>
const inOrder = (a: string, b: string): number => (a < b ? -1 : 1)
const names = ({ body }: { readonly body: Json }) =>
  (body as unknown as Json[]).map(({ name }) => name as string).sort(inOrder)

/** The team acme of ann, with a user in each role, an app of it, and a stranger. */
const openTeam = async (t: Parameters<typeof openApi>[0]) => {
  const opened = await openApi(t)
  const ann = await opened.as('ann@example.com')
  t.equal((await ann.http('POST', '/teams', { name: 'acme' })).status, 201)
  const users: Record<string, As> = { admin: ann, stranger: await opened.as('stranger@example.com') }
  for (const role of teamRoles.filter((one) => one !== 'admin')) {
    const email = `${role}@example.com`
    users[role] = await opened.as(email)
    t.equal((await ann.http('PUT', '/teams/acme/members', { email, role })).status, 201)
  }
  t.equal((await ann.http('POST', '/teams/apps', { team: 'acme', name: 'shop' })).status, 201)
  return { ...opened, ann, users: users as Record<TeamRole | 'stranger', As> }
}

const roles = [...teamRoles, 'stranger'] as const
/** By role, in that order. */
const statuses = async (
  users: Record<(typeof roles)[number], As>,
  method: string,
  path: string,
  body?: object,
): Promise<number[]> => {
  const found: number[] = []
  for (const role of roles) found.push((await users[role].http(method, path, body)).status)
  return found
}

t.test('each role may do in a team what it is for', async (t) => {
  const { users, as } = await openTeam(t)
  await as('new@example.com')
  const who = { email: 'new@example.com', role: 'member' }
  const see = [200, 200, 200, 200, 403]
  const cases: readonly (readonly [string, string, object | undefined, readonly number[]])[] = [
    ['GET', '/teams/acme', undefined, see],
    ['GET', '/teams/acme/members', undefined, see],
    ['GET', '/teams/acme/features', undefined, see],
    ['GET', '/teams/acme/apps', undefined, see],
    ['PUT', '/teams/acme/members', who, [201, 403, 403, 403, 403]],
    ['PATCH', '/teams/acme/members', who, [200, 403, 403, 403, 403]],
    ['DELETE', '/teams/acme/members/new@example.com', undefined, [200, 404, 404, 404, 403]],
    ['PATCH', '/teams/acme', { name: 'acme' }, [200, 403, 403, 403, 403]],
    ['DELETE', '/teams/acme', undefined, [409, 403, 403, 403, 403]],
    ['POST', '/teams/apps', { team: 'acme' }, [201, 201, 403, 403, 403]],
    ['GET', '/apps/shop', undefined, [200, 200, 200, 403, 403]],
    ['GET', '/teams/apps/shop', undefined, [200, 200, 200, 403, 403]],
    ['GET', '/apps/shop/collaborators', undefined, [200, 200, 200, 403, 403]],
    ['PATCH', '/apps/shop', { maintenance: true }, [200, 403, 403, 403, 403]],
    ['PATCH', '/teams/apps/shop', { locked: false }, [200, 403, 403, 403, 403]],
    ['DELETE', '/apps/shop', undefined, [200, 403, 403, 404, 404]],
  ]
  for (const [method, path, body, expected] of cases) {
    const last = method === 'DELETE' && path === '/apps/shop'
    // An app that is gone is not there for those who come after.
    const wanted = last ? [200, 404, 404, 404, 404] : expected
    t.same(await statuses(users, method, path, body), wanted, `${method} ${path}`)
  }
})

t.test('permissions at an app are those of the role and those that were given, and nothing else', (t) => {
  const times = { createdAt: 1, updatedAt: 1 }
  const user = { id: 'u', email: 'u@example.com', ...times }
  const team = { id: 't', name: 'acme', ...times }
  const owner = { id: 't', email: 'acme@herokumanager.com' }
  const subsets = permissions.reduce<Permission[][]>(
    (all, one) => [...all, ...all.map((some) => [...some, one])],
    [[]],
  )
  for (const role of [...teamRoles, undefined])
    for (const given of [undefined, ...subsets])
      for (const membership of ['m', 'former']) {
        const app: SeenApp = {
          ...newApp({ id: 'a', name: 'shop', owner, region: 'us', stack: 's' }, 1).app,
          team: { id: 't', isLocked: false },
          collaborators:
            given === undefined ? [] : [{ id: 'c', user, permissions: given, membership, ...times }],
          owners: { ...team, members: role === undefined ? [] : [{ id: 'm', user, role, ...times }] },
        }
        const isGiven = role !== undefined && membership === 'm'
        const wanted = permissions.filter(
          (one) => (role !== undefined && roleMay[role].includes(one)) || (isGiven && given?.includes(one)),
        )
        t.same(permissionsAt(app, user), wanted, `${role} ${given?.join()} ${membership}`)
        t.same(permissionsAt({ ...app, owners: undefined }, user), [], 'nobody without the team')
        t.same(permissionsAt({ ...app, owners: undefined }, { ...user, operator: true }), permissions)
      }
  t.end()
})

t.test('a member joins an app unless it is locked, and leaves it again', async (t) => {
  const { ann, users } = await openTeam(t)
  const join = (as: As) => as.http('POST', '/teams/apps/shop/collaborators', { user: as.user.email })
  const { member, viewer, stranger } = users
  t.match((await ann.http('PATCH', '/teams/apps/shop', { locked: true })).body, {
    locked: true,
    joined: true,
  })
  t.match(await join(member), { status: 403, body: { message: /locked/ } })
  await ann.http('PATCH', '/teams/apps/shop', { locked: false })
  t.equal((await join(viewer)).status, 403)
  t.equal((await join(stranger)).status, 403)
  const joined = await join(member)
  t.match(joined, { status: 201, body: { role: 'member', user: { email: 'member@example.com' } } })
  t.same(names({ body: joined.body['permissions'] }), ['deploy', 'operate', 'view'])
  t.equal((await join(member)).status, 422, 'once')
  t.match((await member.http('GET', '/teams/apps/shop')).body, { joined: true, team: { name: 'acme' } })
  t.equal((await member.http('PATCH', '/apps/shop', { maintenance: true })).status, 200)
  t.equal((await member.http('DELETE', '/apps/shop')).status, 403)
  t.same(names(await member.http('GET', '/teams/acme/members/member@example.com/apps')), ['shop'])
  t.equal((await member.http('DELETE', '/apps/shop/collaborators/member@example.com')).status, 200)
  t.equal((await member.http('PATCH', '/apps/shop', { maintenance: false })).status, 403)
  t.equal((await member.http('GET', '/apps/shop')).status, 200, 'its role stays')
})

t.test('what is given at an app holds until it is taken, and ends with the membership at once', async (t) => {
  const { ann, users, as } = await openTeam(t)
  const bob = await as('bob@example.com')
  const path = '/teams/apps/shop/collaborators'
  const give = (more: object) => ann.http('POST', path, { user: 'bob@example.com', ...more })
  t.match(await give({ permissions: ['fly'] }), { status: 422, body: { message: /allowed: view, deploy/ } })
  t.match(await give({ permissions: ['operate'] }), { status: 201, body: { role: 'collaborator' } })
  const may = async () => [
    (await bob.http('GET', '/apps/shop')).status,
    (await bob.http('PATCH', '/apps/shop', { maintenance: false })).status,
    (await bob.http('PATCH', '/apps/shop', { name: 'shop' })).status,
    (await bob.http('POST', path, { user: 'stranger@example.com' })).status,
  ]
  t.same(await may(), [200, 200, 200, 403])
  t.match(await ann.http('PATCH', `${path}/bob@example.com`, { permissions: ['manage'] }), { status: 200 })
  t.same(await may(), [200, 403, 403, 201], 'manage alone is not operate')
  t.equal((await users.member.http('PATCH', `${path}/bob@example.com`, { permissions: [] })).status, 403)
  t.same(names(await bob.http('GET', '/apps')), ['shop'])
  t.same(names(await bob.http('GET', '/users/~/apps')), [], 'no team’s')
  t.equal((await ann.http('DELETE', '/teams/acme/members/bob@example.com')).status, 200)
  t.same(await may(), [403, 403, 403, 403])
  t.same(names(await bob.http('GET', '/apps')), [])
  await ann.http('PUT', '/teams/acme/members', { email: 'bob@example.com', role: 'member' })
  t.same(await may(), [200, 403, 403, 403], 'as any other member')
  const emails = ((await ann.http('GET', path)).body as unknown as Json[]).map(({ user }) => user.email)
  t.same(emails.sort(inOrder), ['acme@herokumanager.com', 'ann@example.com', 'stranger@example.com'])
  t.equal((await ann.http('DELETE', `${path}/stranger@example.com`)).status, 200)
  t.equal((await users.stranger.http('GET', '/apps/shop')).status, 403)
})

t.test(
  'an app that is moved to a team stays with who used it, one that is moved out with nobody',
  async (t) => {
    const { http, ann, users, as } = await openTeam(t)
    const [bob, eve] = [await as('bob@example.com'), await as('eve@example.com')]
    const { member } = users
    await member.http('POST', '/apps', { name: 'own' })
    await member.http('POST', '/apps/own/collaborators', { user: 'bob@example.com' })
    const move = (who: As, owner: string) => who.http('PATCH', '/teams/apps/own', { owner })
    t.equal((await move(bob, 'acme')).status, 403, 'it is not his')
    await eve.http('POST', '/teams', { name: 'other' })
    t.equal((await move(member, 'other')).status, 403, 'she is not of it')
    t.equal((await move(member, 'no-such-team')).status, 404)
    t.match(await move(member, 'bob@example.com'), { status: 422, body: { message: /app-transfers/ } })
    t.match(await move(member, 'acme'), {
      status: 200,
      body: {
        owner: { email: 'acme@herokumanager.com' },
        team: { name: 'acme' },
        locked: false,
        joined: true,
      },
    })
    t.equal((await move(member, 'acme')).status, 422, 'it is')
    t.equal((await member.http('PATCH', '/apps/own', { name: 'its' })).status, 200, 'still hers to manage')
    t.equal((await bob.http('PATCH', '/apps/its', { maintenance: true })).status, 200)
    t.equal((await ann.http('PATCH', '/apps/its', { name: 'own' })).status, 200)
    t.equal(
      (await ann.http('POST', '/account/app-transfers', { app: 'own', recipient: 'bob@example.com' })).status,
      422,
    )
    t.match(await move(ann, 'eve@example.com'), { status: 403, body: { message: /not a member/ } })
    t.match(await move(ann, 'bob@example.com'), {
      status: 200,
      body: { team: null, owner: { email: 'bob@example.com' } },
    })
    for (const who of [ann, member]) t.equal((await who.http('GET', '/apps/own')).status, 403)
    t.same(names(await bob.http('GET', '/users/~/apps')), ['own'])
    t.same(names(await ann.http('GET', '/teams/acme/apps')), ['shop'])
    t.equal((await http('PATCH', '/teams/apps/own', { owner: 'eve@example.com' })).status, 422)
  },
)

t.test('lists have the apps of teams where Heroku’s have, in order and in parts', async (t) => {
  const { ann, users } = await openTeam(t)
  const { member } = users
  for (const name of ['alpha', 'omega']) await member.http('POST', '/apps', { name })
  for (const name of ['beta', 'zeta']) await ann.http('POST', '/teams/apps', { team: 'acme', name })
  await member.http('POST', '/teams/apps/zeta/collaborators', { user: member.user.email })
  const all = ['alpha', 'beta', 'omega', 'shop', 'zeta']
  t.same(names(await member.http('GET', '/apps')), all)
  t.same(names(await member.http('GET', '/users/~/apps')), ['alpha', 'omega'])
  t.same(names(await member.http('GET', '/teams/acme/apps')), ['beta', 'shop', 'zeta'])
  t.same(names(await users.collaborator.http('GET', '/teams/acme/apps')), [], 'what it was given alone')
  const part = async (range: string): Promise<[string[], string | null]> => {
    const { body, headers } = await member.http('GET', '/apps', undefined, { range })
    return [(body as unknown as Json[]).map(({ name }) => name as string), headers.get('next-range')]
  }
  let found: string[] = []
  let range: string | null = 'name ..; max=2'
  while (range !== null) {
    const [some, next] = await part(range)
    found = [...found, ...some]
    range = next
  }
  t.same(found, all, 'each once')
  t.same((await part('name ..; max=3, order=desc'))[0], all.toReversed().slice(0, 3))
  t.equal((await part('updated_at ..'))[0].length, 5)
  const [one] = (await member.http('GET', '/apps')).body as unknown as Json[]
  t.notOk('locked' in one!, 'of one’s own nobody is locked out')
})

t.test('a team that is renamed owns its apps under the new name', async (t) => {
  const { ann, users } = await openTeam(t)
  t.match(await ann.http('PATCH', '/teams/acme', { name: 'A' }), { status: 422 })
  t.match(await ann.http('PATCH', '/teams/acme', { default: true }), {
    status: 422,
    body: { message: /not offered/ },
  })
  t.match((await ann.http('PATCH', '/teams/acme', { name: 'ajax' })).body, { name: 'ajax', role: 'admin' })
  t.equal((await ann.http('GET', '/teams/acme')).status, 404)
  t.match((await ann.http('GET', '/apps/shop')).body, {
    owner: { email: 'ajax@herokumanager.com' },
    team: { name: 'ajax' },
  })
  t.match((await ann.http('PATCH', '/apps/shop', { name: 'store' })).body, { team: { name: 'ajax' } })
  t.same(names(await users.viewer.http('GET', '/teams')), ['ajax'])
})

t.test('a former name that is still to be given back leads to no team', async (t) => {
  const team = { id: 'team-1', name: 'ajax', members: [], createdAt: 1, updatedAt: 1 }
  const teams = { idOf: async () => team.id, view: async () => team }
  t.equal(await findTeam({ teams }, 'ajax'), team)
  t.equal(await findTeam({ teams }, 'acme'), undefined)
})

t.test('a team goes when its apps are gone, and an account when it is in no team', async (t) => {
  const { http, ann, users } = await openTeam(t)
  t.match(await ann.http('DELETE', '/teams/acme'), {
    status: 409,
    body: { message: /has apps or pipelines/ },
  })
  t.match(await http('DELETE', '/accounts/viewer@example.com'), {
    status: 409,
    body: { message: /team acme/ },
  })
  t.equal(
    (await users.viewer.http('DELETE', '/teams/acme/members/viewer@example.com')).status,
    200,
    'all may leave',
  )
  t.equal((await http('DELETE', '/accounts/viewer@example.com')).status, 200)
  t.match(await ann.http('DELETE', '/teams/acme/members/ann@example.com'), {
    status: 422,
    body: { message: /admin/ },
  })
  t.equal((await ann.http('DELETE', '/apps/shop')).status, 200)
  t.equal((await ann.http('DELETE', '/teams/acme')).status, 200)
  t.same(names(await users.member.http('GET', '/teams')), [])
  t.equal((await ann.http('POST', '/teams', { name: 'acme' })).status, 201, 'its name is free')
})

t.test('git and exec ask the team as well', async (t) => {
  const { api, users } = await openTeam(t)
  const push = (token: string) =>
    fetch(`http://127.0.0.1:${api.port}/shop.git/info/refs?service=git-receive-pack`, {
      headers: { authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` },
    })
  t.equal((await push(users.admin.token)).status, 200)
  t.equal((await push(users.member.token)).status, 403)
  t.equal((await push(users.stranger.token)).status, 403)
})

t.test('what a team cannot be asked is refused with what is allowed', async (t) => {
  const { ann } = await openTeam(t)
  const members = '/teams/acme/members'
  t.match(await ann.http('PUT', members, { email: 'member@example.com', role: 'king' }), {
    status: 422,
    body: { message: 'Invalid role: "king" (allowed: admin, member, viewer, collaborator)' },
  })
  t.equal((await ann.http('POST', members, { email: 'member@example.com', role: 'admin' })).status, 422)
  t.equal((await ann.http('PUT', members, { email: 'nobody@example.com', role: 'admin' })).status, 404)
  t.equal((await ann.http('PATCH', members, { email: 'stranger@example.com', role: 'admin' })).status, 404)
  t.equal((await ann.http('POST', '/teams', { name: 'acme' })).status, 422)
  t.equal((await ann.http('POST', '/teams/apps', { team: 'acme', space: 'x' })).status, 404)
  t.equal((await ann.http('POST', '/teams/apps', { locked: true })).status, 422)
  t.equal((await ann.http('POST', '/teams/apps', { team: 'acme', name: 'shop' })).status, 422)
  t.match((await ann.http('POST', '/teams/apps', { name: 'mine', team: null })).body, {
    team: null,
    locked: false,
  })
  t.equal((await ann.http('PATCH', '/teams/apps/mine', { locked: true })).status, 422)
  t.equal((await ann.http('PATCH', '/teams/apps/mine', {})).status, 422)
  t.equal((await ann.http('POST', '/teams/apps/mine/collaborators', { user: 'x@example.com' })).status, 422)
  t.match(await ann.http('GET', '/teams/acme/invitations'), { status: 404, body: { message: /not offered/ } })
})

t.test('a pipeline of a team is seen by all of it, and changed by who may make things there', async (t) => {
  const { ann, users } = await openTeam(t)
  const { id } = (await ann.http('GET', '/teams/acme')).body
  const owner = { id, type: 'team' }
  const make = { name: 'shop', owner }
  t.same(await statuses(users, 'POST', '/pipelines', make), [201, 422, 403, 403, 403])
  t.same(await statuses(users, 'GET', '/pipelines/shop'), [200, 200, 200, 200, 404])
  t.match((await users.viewer.http('GET', '/pipelines')).body, [{ name: 'shop', owner }])
  t.same(await statuses(users, 'PATCH', '/pipelines/shop', { name: 'shop' }), [200, 200, 403, 403, 404])
  const { id: pipeline } = (await ann.http('GET', '/pipelines/shop')).body
  const couple = { app: 'shop', pipeline, stage: 'staging' }
  t.same(await statuses(users, 'POST', '/pipeline-couplings', couple), [201, 403, 403, 403, 403])
  const { id: coupling } = (await ann.http('GET', '/apps/shop/pipeline-couplings')).body
  const path = `/pipeline-couplings/${coupling}`
  t.same(await statuses(users, 'PATCH', path, { stage: 'production' }), [200, 403, 403, 403, 403])
  t.same(await statuses(users, 'DELETE', path), [200, 403, 403, 403, 403])
  await ann.http('DELETE', '/apps/shop')
  t.equal((await users.member.http('DELETE', '/teams/acme/members/member@example.com')).status, 200)
  t.equal((await users.member.http('GET', '/pipelines/shop')).status, 404)
  t.equal((await ann.http('DELETE', '/pipelines/shop')).status, 200)
})
