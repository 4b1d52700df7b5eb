/** Who may use an app, driven by hand: collaborators, another owner, and the lists that show it. */
import t from 'tap'
import { heroku } from '../../config/heroku.ts'
import { app } from '../../actors/app.ts'
import { againApp, liveApp, owner } from '../kit/app.ts'
import { drive } from '../kit/drive.ts'

const ann = { id: 'u2', email: 'ann@example.com' }
const bob = { id: 'u3', email: 'bob@example.com' }

t.test('a collaborator is on record before the answer, and in the list of who it is soon after', (t) => {
  const a = liveApp()
  a.clear()
  t.match(a.send({ type: 'addCollaborator', user: ann })?.value, { user: ann })
  t.match(a.saved(), { app: { collaborators: [{ user: ann }] } })
  t.match(a.ran, [{ name: 'access.show', args: { users: [owner.id, ann.id], former: [] } }])
  a.failed('access.show', 'store_unavailable')
  const next = againApp(a)
  t.match(next.ran, [{ name: 'access.show', args: { users: [owner.id, ann.id] } }], 'also after a crash')
  next.done('access.show')
  t.notOk(next.reminders.has('resume'))
  t.equal(next.send({ type: 'addCollaborator', user: ann })?.refused?.code, 'invalid_params')
  t.equal(next.send({ type: 'addCollaborator', user: owner })?.refused?.code, 'invalid_params')
  t.end()
})

t.test('who is removed may use it no more at once, and one change at a time is written to the lists', (t) => {
  const a = liveApp()
  a.send({ type: 'addCollaborator', user: ann })
  a.clear()
  t.match(a.send({ type: 'removeCollaborator', user: ann.email })?.value, { user: ann })
  t.match(a.saved(), { app: { collaborators: [] }, former: [ann.id] })
  t.same(a.ran, [], 'the former change is on its way still')
  const again = againApp(a)
  t.match(again.ran, [{ name: 'access.show', args: { users: [owner.id], former: [ann.id] } }])
  again.send({ type: 'addCollaborator', user: bob })
  again.done('access.show')
  t.match(again.ran, [{ name: 'access.show', args: { users: [owner.id, bob.id] } }], 'then the next')
  again.done('access.show')
  t.match(again.saved(), { former: [] })
  t.equal(again.send({ type: 'removeCollaborator', user: ann.id })?.refused?.code, 'not_found')
  t.end()
})

t.test('an app is offered to one collaborator at a time, and has one owner whatever is answered', (t) => {
  const a = liveApp()
  const refused = (message: Parameters<typeof a.send>[0]) => a.send(message)?.refused?.code
  t.equal(refused({ type: 'offer', to: ann }), 'invalid_params', 'no collaborator')
  for (const user of [ann, bob]) a.send({ type: 'addCollaborator', user })
  t.equal(refused({ type: 'offer', to: owner }), 'invalid_params', 'its owner')
  const offered = a.send({ type: 'offer', to: ann })!.value as { offer: { id: string } }
  t.match(offered.offer, { to: ann })
  t.equal(refused({ type: 'offer', to: bob }), 'invalid_params', 'one at a time')
  const accept = { type: 'answerOffer', offer: offered.offer.id, state: 'accepted' } as const
  const others = [{ user: bob }, { user: owner }]
  t.match(a.send(accept)?.value, { owner: ann, collaborators: others, offer: null })
  t.equal(refused(accept), 'not_found', 'answered once')
  t.end()
})

t.test('an offer that is declined, or whose collaborator leaves, is over', (t) => {
  const a = liveApp()
  a.send({ type: 'addCollaborator', user: ann })
  a.done('access.show')
  const offered = () => (a.send({ type: 'offer', to: ann })!.value as { offer: { id: string } }).offer.id
  const first = offered()
  t.match(a.ran.at(-1), { name: 'access.show', args: { offer: first } }, 'the list of its user says so')
  t.match(a.send({ type: 'answerOffer', offer: first, state: 'declined' })?.value, { owner, offer: null })
  offered()
  a.send({ type: 'removeCollaborator', user: ann.id })
  t.match(a.saved(), { app: { owner, offer: null } })
  t.end()
})

t.test('an app that goes leaves every list that may show it', (t) => {
  const a = liveApp()
  for (const user of [ann, bob]) a.send({ type: 'addCollaborator', user })
  a.send({ type: 'removeCollaborator', user: bob.id })
  a.send({ type: 'destroy' })
  for (const ask of ['destroy', 'destroy']) a.answered(ask, {})
  a.answered('close', {})
  for (const effect of ['builder.drop', 'vault.drop', 'certificates.drop']) a.done(effect)
  a.send({ type: 'stepped', step: 'drains' })
  a.done('history.drop')
  const last = a.ran.at(-1)
  t.match(last, { name: 'access.show', args: { users: [], former: [owner.id, ann.id, bob.id] } })
  t.end()
})

t.test('an app has as many collaborators as one record holds with ease', (t) => {
  const a = liveApp()
  for (let n = 0; n < heroku.collaboratorsMax; n += 1)
    a.send({ type: 'addCollaborator', user: { id: `c${n}`, email: `c${n}@example.com` } })
  t.equal(a.send({ type: 'addCollaborator', user: ann })?.refused?.code, 'invalid_params')
  t.end()
})

const acme = { id: 't1', email: 'acme@herokumanager.com' }
const team = { id: acme.id, isLocked: false }
const grantOf = (user: typeof ann, membership = `m-${user.id}`) => ({
  user,
  permissions: ['view', 'deploy'] as ('view' | 'deploy')[],
  membership,
})

t.test(
  'an app that moves to a team is in its list, keeps who was given something there, and is counted',
  (t) => {
    const a = liveApp()
    for (const user of [ann, bob]) a.send({ type: 'addCollaborator', user })
    a.done('access.show')
    a.done('access.show')
    const offer = { type: 'offer', to: ann } as const
    a.send(offer)
    a.done('access.show')
    a.clear()
    const grants = [grantOf(ann)]
    const move = { type: 'move', from: owner.id, owner: acme, team, grants } as const
    t.equal(a.send({ ...move, from: 'u9' })?.refused?.code, 'conflict', 'it has another owner')
    t.match(a.send(move)?.value, { owner: acme, team, offer: null, collaborators: [{ user: ann }] })
    const show = { users: [acme.id, `shared-${ann.id}`], former: [owner.id, ann.id, bob.id] }
    t.match(a.ran, [{ name: 'access.show', args: show }])
    t.equal(a.send(move)?.refused?.code, 'conflict', 'once')
    t.same(a.send({ type: 'lists' })?.value, { isListed: false })
    const next = againApp(a)
    t.match(next.ran, [{ name: 'access.show', args: show }], 'also after a crash')
    next.done('access.show')
    t.match(next.told.at(-1), { to: { to: 'team', key: acme.id }, message: { type: 'arrived' } })
    t.same(next.send({ type: 'lists' })?.value, { isListed: true })
    t.match(next.saved(), { former: [] })
    t.equal(next.send(offer)?.refused?.code, 'invalid_params', 'a team’s is not offered')
    t.equal(next.send({ type: 'addCollaborator', user: bob })?.refused?.code, 'conflict')
    const out = { type: 'move', from: acme.id, owner: bob, team: null } as const
    t.match(next.send({ ...out, grants: [] })?.value, { owner: bob, team: null, collaborators: [] })
    const gone = { users: [bob.id], former: [acme.id, `shared-${ann.id}`] }
    t.match(next.ran, [{ name: 'access.show', args: gone }])
    t.end()
  },
)

t.test('what is given at an app of a team is given for that team and that membership alone', (t) => {
  const a = liveApp()
  a.send({ type: 'move', from: owner.id, owner: acme, team, grants: [] })
  const give = (membership?: string, teamId = acme.id) =>
    a.send({ type: 'grant', teamId, grant: grantOf(ann, membership) })
  t.equal(give('m1', 't2')?.refused?.code, 'conflict')
  const first = give('m1')!.value as { id: string }
  t.match(first, { permissions: ['view', 'deploy'], membership: 'm1' })
  t.match(give('m1')?.value, { id: first.id }, 'the same, given again')
  t.notMatch(give('m2')?.value, { id: first.id }, 'another membership')
  t.equal(a.send({ type: 'removeCollaborator', user: first.id })?.refused?.code, 'not_found')
  t.match(a.saved(), { app: { collaborators: [{ user: ann, membership: 'm2' }] } })
  a.send({ type: 'removeCollaborator', user: ann.id })
  t.match(a.saved(), { former: [owner.id, `shared-${ann.id}`] })
  for (let n = 0; n < heroku.collaboratorsMax; n += 1)
    a.send({ type: 'grant', teamId: acme.id, grant: grantOf({ id: `c${n}`, email: `c${n}@example.com` }) })
  t.equal(give()?.refused?.code, 'invalid_params')
  t.end()
})

t.test('an app of a team is locked and unlocked, any other is not', (t) => {
  const a = liveApp()
  t.equal(a.send({ type: 'lock', isLocked: true })?.refused?.code, 'invalid_params')
  a.send({ type: 'move', from: owner.id, owner: acme, team, grants: [] })
  const said = a.events.length
  t.match(a.send({ type: 'lock', isLocked: true })?.value, { team: { isLocked: true } })
  t.equal(a.events.length, said + 1, 'whoever listens hears of it')
  t.match(a.send({ type: 'lock', isLocked: true })?.value, { team: { isLocked: true } })
  t.match(a.send({ type: 'lock', isLocked: false })?.value, { team: { isLocked: false } })
  t.end()
})

t.test('an app that is made for a team is the team’s from the start, and whoever made it may use it', (t) => {
  const a = drive(app, { key: 'app-1', args: undefined })
  const wanted = { name: 'demo', owner: acme, region: 'us', stack: 'heroku-24' } as const
  a.send({ type: 'create', ...wanted, team, grant: grantOf(ann) })
  t.same(a.send({ type: 'lists' })?.value, { isListed: false })
  a.done('names.claim')
  t.match(a.asked, [{ message: { type: 'open', by: ann } }], 'its first release is hers')
  a.answered('open', {})
  a.answered('open', {})
  t.match(a.ran, [{ args: { users: [acme.id, `shared-${ann.id}`] } }])
  a.done('access.show')
  t.match(a.told.at(-1), { to: { key: acme.id }, message: { type: 'arrived', appId: 'app-1' } })
  t.match(a.replies.at(-1), { value: { owner: acme, team, collaborators: [{ user: ann }] } })
  t.end()
})
