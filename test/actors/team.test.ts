/** Teams, driven by hand: names, members, apps that come, and sagas that break off. */
import t from 'tap'
import { heroku } from '../../config/heroku.ts'
import { team } from '../../actors/team.ts'
import { drive } from '../kit/drive.ts'

const key = 't-1'
const ann = { id: 'u1', email: 'ann@example.com' }
const bob = { id: 'u2', email: 'bob@example.com' }
const creating = () => {
  const d = drive(team, { key, args: undefined })
  d.send({ type: 'create', name: 'acme', owner: ann })
  return d
}
const live = () => {
  const d = creating()
  d.done('names.claim')
  d.done('access.show')
  d.clear()
  return d
}
type Driven = ReturnType<typeof creating>
/** Whoever comes after a crash. */
const again = (d: Driven): Driven => drive(team, { key, args: undefined, saved: d.saved()! })
const add = (d: Driven, role: 'admin' | 'member' = 'member', as: 'new' | 'known' | 'any' = 'any') =>
  d.send({ type: 'setMember', user: bob, role, as })

t.test('a team is there once its name is its own and its first admin’s list shows it', (t) => {
  const d = creating()
  t.match(d.saved(), { phase: 'creating', claiming: 'acme' }, 'on record before it is claimed')
  t.equal(d.send({ type: 'info' })?.refused?.code, 'not_found')
  const next = again(d)
  t.match(next.ran, [{ name: 'names.claim', args: { kind: 'team', name: 'acme', appId: key } }])
  next.done('names.claim')
  t.match(next.ran, [{ name: 'access.show', args: { appId: key, name: 'acme', users: ['teams-u1'] } }])
  const third = again(next)
  t.match(third.ran, [{ name: 'access.show' }], 'also after another crash')
  third.done('access.show')
  t.match(third.send({ type: 'info' })?.value, { name: 'acme', members: [{ user: ann, role: 'admin' }] })
  t.match(third.send({ type: 'create', name: 'other', owner: bob })?.value, { name: 'acme' }, 'as it is')
  t.notOk(third.reminders.has('resume'), 'it is done')
  t.end()
})

t.test('who waits for a team is answered when it is there, or when its name is another’s', (t) => {
  const d = creating()
  d.done('names.claim')
  t.same(d.replies, [])
  d.done('access.show')
  t.match(d.replies, [{ type: 'create', value: { name: 'acme' } }])
  const taken = creating()
  taken.failed('names.claim', 'store_unavailable')
  taken.fire('resume')
  taken.failed('names.claim', 'taken')
  t.match(taken.replies.at(-1)?.refused, { code: 'name_taken' })
  t.equal(taken.saved(), undefined, 'nothing stays')
  t.notOk(taken.reminders.has('resume'))
  t.end()
})

t.test('a member is on record before the answer, and the lists follow one after the other', (t) => {
  const d = live()
  t.match(add(d)?.value, { user: bob, role: 'member' })
  t.match(d.saved(), { team: { members: [{ user: ann }, { user: bob }] } })
  t.match(d.send({ type: 'removeMember', user: bob.email })?.value, { user: bob })
  t.equal(d.ran.length, 1, 'the first is on its way still')
  const next = again(d)
  t.match(next.ran, [{ args: { users: ['teams-u1'], former: ['teams-u2'] } }])
  next.failed('access.show', 'store_unavailable')
  next.fire('resume')
  next.done('access.show')
  t.match(next.saved(), { former: [] })
  t.notOk(next.reminders.has('resume'))
  t.equal(next.send({ type: 'removeMember', user: bob.id })?.refused?.code, 'not_found')
  t.end()
})

t.test('whoever comes again is a member anew, which what was given before knows nothing of', (t) => {
  const d = live()
  const first = (add(d)!.value as { id: string }).id
  t.equal((add(d, 'admin')!.value as { id: string }).id, first, 'another role is the same membership')
  d.send({ type: 'removeMember', user: first })
  t.not((add(d)!.value as { id: string }).id, first)
  t.end()
})

t.test('a team always has an admin, and says who is in it already and who is not', (t) => {
  const d = live()
  const refused = (message: Parameters<typeof d.send>[0]) => d.send(message)?.refused
  t.match(refused({ type: 'removeMember', user: ann.id }), { code: 'invalid_params', reason: /an admin/ })
  const demote = { type: 'setMember', user: ann, role: 'member', as: 'any' } as const
  t.match(refused(demote), { code: 'invalid_params', reason: /an admin/ })
  t.equal(add(d, 'admin', 'known')?.refused?.code, 'not_found')
  add(d, 'admin', 'new')
  t.equal(add(d, 'admin', 'new')?.refused?.code, 'invalid_params')
  t.match(d.send(demote)?.value, { user: ann, role: 'member' })
  t.equal(refused({ type: 'removeMember', user: bob.id })?.code, 'invalid_params')
  t.match(d.send({ type: 'removeMember', user: ann.id })?.value, { user: ann }, 'everybody else may go')
  t.end()
})

t.test('a team has as many members as one record holds with ease, whichever way they come', (t) => {
  const d = live()
  for (let n = 1; n < heroku.teamMembersMax; n += 1)
    d.send({ type: 'setMember', user: { id: `m${n}`, email: `m${n}@x.y` }, role: 'member', as: 'new' })
  t.match(add(d)?.refused, { code: 'invalid_params', reason: /more than/ })
  t.equal(d.send({ type: 'admit', appId: 'a', users: [bob] })?.refused?.code, 'invalid_params')
  t.match(d.send({ type: 'admit', appId: 'a', users: [ann] })?.value, { name: 'acme' })
  t.end()
})

t.test('a rename claims the new name first, gives the old one back, and shows it to all members', (t) => {
  const d = live()
  d.send({ type: 'rename', name: 'ajax' })
  t.equal(d.send({ type: 'rename', name: 'third' })?.refused?.code, 'conflict')
  t.equal(d.send({ type: 'destroy' })?.refused?.code, 'conflict')
  t.equal(d.send({ type: 'rename', name: 'ajax' }), undefined, 'waits for the same')
  d.failed('names.claim', 'taken')
  t.match(d.replies.at(-1)?.refused, { code: 'name_taken' })
  d.send({ type: 'rename', name: 'ajax' })
  const next = again(d)
  next.done('names.claim')
  t.match(next.saved(), { team: { name: 'ajax' }, releasing: ['acme'], claiming: null })
  t.match(next.ran, [
    { name: 'names.release', args: { name: 'acme' } },
    { name: 'access.show', args: { name: 'ajax', users: ['teams-u1'] } },
  ])
  next.send({ type: 'rename', name: 'acme' })
  t.equal(next.ran.filter(({ name }) => name === 'names.claim').length, 0, 'it is not free yet')
  next.done('names.release')
  next.done('names.claim')
  t.match(next.send({ type: 'info' })?.value, { name: 'acme' })
  next.done('names.release')
  next.done('access.show')
  next.done('access.show')
  t.match(next.saved(), { releasing: [], claiming: null })
  t.notOk(next.reminders.has('resume'), 'it is done')
  t.end()
})

t.test('a team goes when it has no app, out of all lists first, its name last', (t) => {
  const d = live()
  add(d)
  d.done('access.show')
  d.send({ type: 'destroy' })
  t.match(d.saved(), { phase: 'destroying' })
  t.equal(add(d)?.refused?.code, 'not_found', 'nobody and nothing comes any more')
  t.equal(d.send({ type: 'admit', appId: 'a', users: [] })?.refused?.code, 'not_found')
  const next = again(d)
  next.send({ type: 'destroy' })
  next.done('access.owns', false)
  t.match(next.ran, [{ name: 'access.show', args: { users: [], former: ['teams-u1', 'teams-u2'] } }])
  const third = again(next)
  t.match(third.ran, [{ name: 'access.show', args: { users: [], former: ['teams-u1', 'teams-u2'] } }])
  third.send({ type: 'destroy' })
  third.done('access.show')
  const last = again(third)
  last.send({ type: 'destroy' })
  last.done('names.release')
  t.match(last.replies.at(-1), { type: 'destroy', value: { name: 'acme' } })
  t.equal(last.saved(), undefined)
  t.notOk(last.reminders.has('resume'))
  t.end()
})

t.test('a team that has apps stays', (t) => {
  const d = live()
  d.send({ type: 'destroy' })
  d.done('access.owns', true)
  t.match(d.replies.at(-1)?.refused, { code: 'conflict', reason: /has apps or pipelines/ })
  t.match(add(d)?.value, { user: bob })
  t.end()
})

t.test('an app that is on its way keeps its team, until it is there or known not to come', (t) => {
  const d = live()
  const admitted = d.send({ type: 'admit', appId: 'a-1', users: [bob] })!.value
  t.match(admitted, { members: [{ user: ann }, { user: bob, role: 'collaborator' }] })
  t.match(d.send({ type: 'destroy' })?.refused, { code: 'conflict', reason: /on its way/ })
  d.send({ type: 'arrived', appId: 'a-1' })
  d.send({ type: 'admit', appId: 'a-2', users: [] })
  d.send({ type: 'admit', appId: 'a-3', users: [] })
  d.done('access.show')
  t.same(again(d).asked, [], 'they may come yet')
  while (d.asked.length === 0) d.remind('resume')
  t.match(d.asked, [{ to: { key: 'a-2' }, message: { type: 'lists' } }, { to: { key: 'a-3' } }])
  d.answered('lists', { isListed: true })
  d.askFailed('lists', { kind: 'refused', code: 'not_found', reason: 'no such app' })
  t.match(d.saved(), { arriving: [] })
  t.notOk(d.reminders.has('resume'))
  t.equal(d.send({ type: 'destroy' })?.refused, undefined)
  t.end()
})

t.test('an app that is not in its team’s list yet is asked for again', (t) => {
  const d = live()
  d.send({ type: 'admit', appId: 'a-1', users: [] })
  while (d.asked.length === 0) d.remind('resume')
  d.answered('lists', { isListed: false })
  t.match(d.saved(), { arriving: [{ appId: 'a-1' }] })
  d.fire('resume')
  t.match(d.asked, [{ message: { type: 'lists' } }])
  t.end()
})

t.test('no more apps are on their way at once than one record holds with ease', (t) => {
  const d = live()
  for (let n = 0; n < heroku.teamArrivalsMax; n += 1) d.send({ type: 'admit', appId: `a-${n}`, users: [] })
  t.equal(d.send({ type: 'admit', appId: 'more', users: [] })?.refused?.code, 'conflict')
  t.match(d.send({ type: 'admit', appId: 'a-1', users: [] })?.value, { name: 'acme' }, 'it is on its way')
  t.end()
})
