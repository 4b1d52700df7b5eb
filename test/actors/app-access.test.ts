/** Who may use an app, driven by hand: collaborators, another owner, and the lists that show it. */
import t from 'tap'
import { heroku } from '../../config/heroku.ts'
import { againApp, liveApp, owner } from '../kit/app.ts'

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
