/** Events of apps, told to users of the bus as they happen. */
import t from 'tap'
import { viewersOf, type SeenApp } from '../../actors/api/access.ts'
import { toldToUsers } from '../../actors/main/user-events.ts'
import type { TeamRole } from '../../actors/protocols/team.ts'
import { StoreUnavailable } from '../../src/ports/store.ts'
import { seededRandom } from '../../src/sim/random.ts'
import { simEvents } from '../../src/sim/events.ts'
import { systemClock } from '../../src/system/clock.ts'

const open = (holders: readonly string[], viewersOf: (appId: string) => Promise<readonly string[]>) => {
  const events = simEvents(seededRandom(1), () => 0)
  const said: [string, number][] = []
  const reports: string[] = []
  const log = toldToUsers({
    log: events.attach(systemClock, () => ({ fail: 0, unknown: 0, latencyMsMax: 0 })),
    holders: () => new Set(holders),
    viewersOf,
    say: (subject, { sequence }) => void said.push([subject, sequence]),
    report: ({ at }) => void reports.push(String(at)),
  })
  const append = (subject: string) => log.append(subject, subject, Buffer.from('{}'))
  return { events, said, reports, append }
}

t.test(
  'what is kept is told to those who may see the app and have a key, under their own subject',
  async (t) => {
    const users: Record<string, readonly string[]> = { a: ['ann', 'bob', 'eve'], b: ['bob'] }
    const { said, append, events } = open(['ann', 'bob', 'zoe'], async (appId) => users[appId] ?? [])
    t.equal(await append('app.a.release.create'), 1)
    t.equal(await append('app.b.dyno.update'), 2)
    await append('host.h1.dead')
    t.strictSame(said, [
      ['manifold.v1.user.ann.events.app.a.release.create', 1],
      ['manifold.v1.user.bob.events.app.a.release.create', 1],
      ['manifold.v1.user.bob.events.app.b.dyno.update', 2],
    ])
    users['a'] = ['ann']
    await append('app.a.release.update')
    t.strictSame(said.slice(3), [['manifold.v1.user.ann.events.app.a.release.update', 4]])
    t.equal(events.truth().length, 4)
  },
)

t.test(
  'nobody is looked up while nobody has a key, and what nobody can be told is kept all the same',
  async (t) => {
    let lookups = 0
    const idle = open([], async () => [`${(lookups += 1)}`])
    await idle.append('app.a.release.create')
    t.equal(lookups, 0)
    const away = open(['ann'], () => Promise.reject(new StoreUnavailable('away', 'no')))
    t.equal(await away.append('app.a.release.create'), 1)
    t.strictSame([away.events.truth().length, away.said, away.reports], [1, [], ['event-unheard']])
  },
)

t.test('who may see an app: its owner and collaborators; of a team, those whom it lets', (t) => {
  const who = (id: string) => ({ id, email: `${id}@example.com` })
  const times = { createdAt: 0, updatedAt: 0 }
  const given = (id: string, more: object) => ({ id: `c-${id}`, user: who(id), ...times, ...more })
  const app = { owner: who('ann'), collaborators: [given('bob', {})] } as unknown as SeenApp
  t.strictSame(viewersOf(app), ['ann', 'bob'])
  const member = (id: string, role: TeamRole) => ({ id: `m-${id}`, user: who(id), role, ...times })
  const owned = {
    owner: { id: 't1', email: 'acme@herokumanager.com' },
    team: { id: 't1', isLocked: false },
    collaborators: [
      given('cat', { permissions: ['view'], membership: 'm-cat' }),
      given('eve', { permissions: ['view'], membership: 'of another time' }),
    ],
    owners: {
      members: [member('ann', 'admin'), member('vic', 'viewer')].concat(
        member('cat', 'collaborator'),
        member('dan', 'collaborator'),
        member('eve', 'collaborator'),
      ),
    },
  } as unknown as SeenApp
  t.strictSame(viewersOf(owned), ['ann', 'vic', 'cat'])
  t.strictSame(viewersOf({ ...owned, owners: undefined }), [], 'the team is gone')
  t.end()
})
