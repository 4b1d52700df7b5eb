/**
 * Pipelines and promotions, driven by hand: apps that come and go, sagas that break off, and targets that
 * succeed or fail one by one.
 */
import t from 'tap'
import { pipeline } from '../../actors/pipeline.ts'
import { promotion } from '../../actors/promotion.ts'
import type { Slug } from '../../actors/protocols/shapes.ts'
import { releases } from '../../actors/releases.ts'
import { heroku } from '../../config/heroku.ts'
import { liveApp, owner } from '../kit/app.ts'
import { drive } from '../kit/drive.ts'

const key = 'p-1'
const creating = () => {
  const p = drive(pipeline, { key, args: undefined })
  p.send({ type: 'create', name: 'shop', owner })
  return p
}
const live = () => {
  const p = creating()
  p.done('names.claim')
  return p
}
type Driven = ReturnType<typeof creating>
/** Whoever comes after a crash. */
const again = (p: Driven): Driven => drive(pipeline, { key, args: undefined, saved: p.saved()! })
const couple = (p: Driven, appId: string, stage = 'staging' as const): void => {
  p.send({ type: 'couple', appId, stage })
  p.answered('couple', {})
}
const refusal = (code: string, reason = code) => ({ kind: 'refused', code, reason }) as const
const unknown = { kind: 'unknown', reason: 'timeout' } as const

t.test('a pipeline is there once its name is its owner’s own', (t) => {
  const p = creating()
  t.match(p.saved(), { phase: 'creating', claiming: 'shop' }, 'on record before it is claimed')
  t.match(p.ran, [{ args: { kind: 'pipeline', name: 'u1/shop', appId: key } }])
  t.equal(p.send({ type: 'info' })?.refused?.code, 'not_found', 'nobody sees it before')
  const next = again(p)
  t.ok(p.reminders.has('resume'))
  next.done('names.claim')
  t.match(next.send({ type: 'info' })?.value, { id: key, name: 'shop', owner, couplings: [] })
  t.match(next.send({ type: 'create', name: 'other', owner })?.value, { name: 'shop' }, 'as it is')
  t.end()
})

t.test('a name that is taken leaves nothing behind, a store that is away is tried again', (t) => {
  const p = creating()
  p.failed('names.claim', 'store_unavailable')
  p.fire('resume')
  p.failed('names.claim', 'taken')
  t.match(p.replies.at(-1)?.refused, { code: 'name_taken', reason: 'Name shop is already taken' })
  t.equal(p.saved(), undefined)
  t.notOk(p.reminders.has('resume'))
  t.end()
})

t.test('a rename claims the new name first, and gives the old one back', (t) => {
  const p = live()
  couple(p, 'app-1')
  p.send({ type: 'rename', name: 'store' })
  t.equal(p.send({ type: 'rename', name: 'third' })?.refused?.code, 'conflict')
  t.equal(p.send({ type: 'rename', name: 'store' }), undefined, 'waits for the same')
  p.failed('names.claim', 'taken')
  t.equal(p.replies.at(-1)?.refused?.code, 'name_taken')
  p.send({ type: 'rename', name: 'store' })
  p.done('names.claim')
  t.match(p.replies.at(-1)?.value, { name: 'store', couplings: [{ appId: 'app-1' }] })
  p.send({ type: 'rename', name: 'shop' })
  t.equal(p.ran.filter(({ name }) => name === 'names.claim').length, 0, 'it is not free yet')
  p.done('names.release')
  t.match(p.ran, [{ name: 'names.claim', args: { name: 'u1/shop' } }])
  p.done('names.claim')
  p.done('names.release')
  t.match(p.saved(), { pipeline: { name: 'shop' }, releasing: [], claiming: null })
  t.notOk(p.reminders.has('resume'), 'it is done')
  t.end()
})

t.test('an app is in a pipeline when it says so itself', (t) => {
  const p = live()
  p.send({ type: 'couple', appId: 'app-1', stage: 'staging' })
  t.match(p.saved(), { joining: [{ appId: 'app-1' }], pipeline: { couplings: [] } }, 'on record first')
  t.match(p.asked, [{ to: { to: 'app', key: 'app-1' }, message: { type: 'couple', pipelineId: key } }])
  t.equal(p.send({ type: 'couple', appId: 'app-1', stage: 'test' })?.refused?.code, 'conflict')
  t.equal(p.send({ type: 'couple', appId: 'app-1', stage: 'staging' }), undefined, 'waits for the same')
  t.equal(p.asked.length, 1, 'which is begun once')
  const next = again(p)
  t.same(next.asked[0]?.message, p.asked[0]?.message, 'the same one')
  next.askFailed('couple', unknown)
  next.fire('resume')
  next.answered('couple', {})
  t.match(next.saved(), { joining: [], pipeline: { couplings: [{ appId: 'app-1', stage: 'staging' }] } })
  t.notOk(next.reminders.has('resume'))
  p.answered('couple', {})
  t.match(p.replies.at(-1)?.value, { appId: 'app-1', stage: 'staging' })
  t.match(p.send({ type: 'couple', appId: 'app-1', stage: 'test' })?.refused, {
    code: 'invalid_params',
    reason: 'App is already in the pipeline shop',
  })
  t.match(p.send({ type: 'restage', appId: 'app-1', stage: 'production' })?.value, { stage: 'production' })
  t.equal(p.send({ type: 'restage', appId: 'app-2', stage: 'test' })?.refused?.code, 'not_found')
  p.send({ type: 'couple', appId: 'app-2', stage: 'production' })
  p.askFailed('couple', refusal('invalid_params', 'App two is already in another pipeline'))
  t.match(p.replies.at(-1)?.refused?.reason, /already in another/)
  t.match(p.saved(), { joining: [], pipeline: { couplings: [{ appId: 'app-1' }] } })
  t.end()
})

t.test('a pipeline has no more apps than a record holds with ease', (t) => {
  const p = live()
  for (let n = 0; n < heroku.couplingsMax; n++) couple(p, `app-${n}`)
  t.match(p.send({ type: 'couple', appId: 'more', stage: 'test' })?.refused?.reason, /more than 200 apps/)
  t.end()
})

t.test('an app that is taken out may join another pipeline once it knows', (t) => {
  const p = live()
  couple(p, 'app-1')
  p.send({ type: 'uncouple', appId: 'app-1' })
  t.match(p.saved(), { pipeline: { couplings: [] }, leaving: [{ appId: 'app-1' }] })
  t.equal(p.send({ type: 'couple', appId: 'app-1', stage: 'test' })?.refused?.code, 'conflict')
  p.send({ type: 'uncouple', appId: 'app-1' })
  p.askFailed('uncouple', unknown)
  p.fire('resume')
  p.answered('uncouple', {})
  t.match(p.replies.slice(-2), [{ value: { appId: 'app-1' } }, { value: { appId: 'app-1' } }])
  t.equal(p.send({ type: 'uncouple', appId: 'app-1' })?.refused?.code, 'not_found')
  const first = p.saved()!.newestAt
  p.nowMs -= 60_000
  couple(p, 'app-1')
  t.ok(p.saved()!.newestAt > first, 'told from what was before, whatever the clock says')
  p.send({ type: 'uncouple', appId: 'app-1' })
  p.askFailed('uncouple', refusal('not_found'))
  t.match(p.saved(), { leaving: [] }, 'an app that is gone is in no pipeline')
  t.end()
})

t.test('an app that is destroyed leaves its pipeline, and whoever waits for it is told', (t) => {
  const p = live()
  couple(p, 'app-1')
  p.send({ type: 'couple', appId: 'app-2', stage: 'test' })
  t.match(p.send({ type: 'left', appId: 'app-1' })?.value, {})
  p.send({ type: 'left', appId: 'app-2' })
  t.equal(p.replies.at(-1)?.refused?.code, 'not_found')
  t.match(p.saved(), { pipeline: { couplings: [] }, joining: [], leaving: [] })
  p.answered('couple', {})
  t.match(p.saved(), { pipeline: { couplings: [] } }, 'an answer that comes late changes nothing')
  t.match(drive(pipeline, { key, args: undefined }).send({ type: 'left', appId: 'x' })?.value, {})
  t.end()
})

t.test('a pipeline that is destroyed lets its apps go, then gives its names back', (t) => {
  const p = live()
  couple(p, 'app-1')
  p.send({ type: 'couple', appId: 'app-2', stage: 'test' })
  p.send({ type: 'rename', name: 'store' })
  p.send({ type: 'destroy' })
  t.equal(p.send({ type: 'info' })?.refused?.code, 'not_found')
  t.same(
    p.asked.filter(({ message }) => message.type === 'uncouple').map(({ to }) => to.key),
    ['app-2', 'app-1'],
  )
  const next = again(p)
  next.answered('uncouple', {})
  next.answered('uncouple', {})
  t.notOk(
    next.ran.some(({ name }) => name === 'names.release'),
    'the new name may become its own yet',
  )
  next.done('names.claim')
  t.match(next.ran, [{ args: { name: 'u1/shop' } }, { args: { name: 'u1/store' } }])
  next.done('names.release')
  next.done('names.release')
  t.equal(next.saved(), undefined)
  t.notOk(next.reminders.has('resume'))
  t.end()
})

t.test('an app is in one pipeline at most, and knows what is late', (t) => {
  const a = liveApp()
  t.match(a.send({ type: 'couple', pipelineId: 'p1', at: 5 })?.value, {})
  t.match(a.send({ type: 'couple', pipelineId: 'p1', at: 5 })?.value, {}, 'asked again')
  t.match(a.send({ type: 'couple', pipelineId: 'p2', at: 9 })?.refused, {
    code: 'invalid_params',
    reason: 'App demo is already in another pipeline',
  })
  a.send({ type: 'uncouple', pipelineId: 'p2', at: 9 })
  a.send({ type: 'uncouple', pipelineId: 'p1', at: 4 })
  t.match(a.saved()?.app.coupled, { pipelineId: 'p1', at: 5, isOver: false }, 'not theirs to end')
  a.send({ type: 'uncouple', pipelineId: 'p1', at: 5 })
  t.match(a.saved()?.app.coupled, { isOver: true })
  t.equal(a.send({ type: 'couple', pipelineId: 'p1', at: 5 })?.refused?.code, 'conflict', 'it is over')
  t.match(a.send({ type: 'couple', pipelineId: 'p1', at: 6 })?.value, {})
  a.send({ type: 'uncouple', pipelineId: 'p1', at: 6 })
  t.match(a.send({ type: 'couple', pipelineId: 'p2', at: 1 })?.value, {}, 'by a clock that is behind')
  t.end()
})

t.test('an app that is destroyed tells its pipeline before its names are free', (t) => {
  const a = liveApp()
  a.send({ type: 'couple', pipelineId: 'p1', at: 5 })
  a.clear()
  a.send({ type: 'destroy' })
  a.answered('destroy', {})
  a.answered('destroy', {})
  a.answered('close', {})
  for (const step of ['builder.drop', 'vault.drop', 'certificates.drop']) a.done(step)
  a.send({ type: 'stepped', step: 'drains' })
  t.match(a.asked, [{ to: { to: 'pipeline', key: 'p1' }, message: { type: 'left', appId: 'app-1' } }])
  t.equal(a.send({ type: 'couple', pipelineId: 'p2', at: 6 })?.refused?.code, 'not_found')
  a.askFailed('left', unknown)
  t.notOk(a.ran.some(({ name }) => name === 'history.drop'))
  t.end()
})

const slug: Slug = {
  id: 's1',
  sha256: '0'.repeat(64),
  bytes: 1,
  stack: 'heroku-24',
  commit: '60a874b3ff',
  description: '',
  processTypes: { web: 'web' },
  buildpackDescription: 'Procfile',
  createdAt: 1,
}
const description = 'Promote shop-staging v5 60a874b3'
const begin = (...targets: readonly { appId: string; error: string | null }[]) => {
  const p = drive(promotion, { key: 'pp-1', args: undefined })
  const source = { appId: 'a0', releaseId: 'r0' }
  p.send({ type: 'start', pipelineId: key, source, slug, description, targets: [...targets], by: owner })
  return p
}
const free = (appId: string) => ({ appId, error: null })
const release = (id: string, status: 'pending' | 'succeeded' | 'failed') => ({
  id,
  version: 3,
  description,
  status,
  userId: 'u1',
  userEmail: 'e',
  configId: '',
  slug,
  createdAt: 1,
  updatedAt: 1,
})
const targetsOf = (p: ReturnType<typeof begin>) => p.saved()?.view.targets

t.test('each target of a promotion releases the slug, and succeeds or fails by itself', (t) => {
  const p = begin(free('a1'), free('a2'), free('a3'), { appId: 'a4', error: 'no access' })
  t.match(p.replies[0]?.value, { id: 'pp-1', targets: [{ status: 'pending' }, {}, {}, { status: 'failed' }] })
  t.same(
    p.asked.map(({ to, message }) => [to.to, to.key, message.type]),
    [
      ['releases', 'a1', 'deploy'],
      ['releases', 'a2', 'deploy'],
      ['releases', 'a3', 'deploy'],
    ],
  )
  t.match(p.asked[0]?.message, { slug, description, promotion: 'pp-1', by: owner })
  p.answered('deploy', release('r1', 'succeeded'))
  p.answered('deploy', release('r2', 'pending'))
  p.askFailed('deploy', refusal('not_found', "Couldn't find that app."))
  t.match(targetsOf(p), [
    { appId: 'a1', status: 'succeeded', releaseId: 'r1', error: null },
    { appId: 'a2', status: 'pending', releaseId: 'r2' },
    { appId: 'a3', status: 'failed', releaseId: null, error: "Couldn't find that app." },
    { appId: 'a4', status: 'failed', error: 'no access' },
  ])
  t.equal(p.saved()?.slug, null, 'whoever can has it')
  p.fire('go')
  t.match(p.asked, [{ to: { key: 'a2' }, message: { type: 'find', which: 'r2' } }])
  p.fire('go')
  t.equal(p.asked.length, 1, 'the answer is still on its way')
  p.answered('find', { release: release('r2', 'pending'), current: false })
  p.fire('go')
  p.answered('find', { release: release('r2', 'failed'), current: false })
  t.match(targetsOf(p)?.[1], { status: 'failed', releaseId: 'r2', error: 'The release command failed.' })
  t.notOk(p.timers.has('go'))
  t.notOk(p.reminders.has('go'), 'it is done')
  p.remind('over')
  t.equal(p.send({ type: 'info' })?.refused?.code, 'not_found', 'after a week')
  t.end()
})

t.test('a promotion that broke off is finished by the next activation', (t) => {
  const p = begin(free('a1'))
  p.askFailed('deploy', unknown)
  t.match(targetsOf(p), [{ status: 'pending', releaseId: null }])
  const next = drive(promotion, { key: 'pp-1', args: undefined, saved: p.saved()! })
  next.answered('deploy', release('r1', 'pending'))
  const last = drive(promotion, { key: 'pp-1', args: undefined, saved: next.saved()! })
  t.match(last.asked, [{ message: { type: 'find' } }])
  last.answered('find', { release: release('r1', 'succeeded'), current: true })
  t.match(targetsOf(last), [{ status: 'succeeded', releaseId: 'r1' }])
  t.end()
})

t.test('a ledger releases once for a promotion, and anew for the next', (t) => {
  const ledger = drive(releases, { key: 'a1', args: undefined })
  ledger.send({ type: 'open', appName: 'shop', by: owner })
  const deploy = (promoted: string): unknown => {
    const before = ledger.replies.length
    ledger.send({ type: 'deploy', slug, description, by: owner, promotion: promoted })
    ledger.send({ type: 'received', version: ledger.saved()!.entries.at(-1)!.version })
    return ledger.replies[before]?.value
  }
  t.match(deploy('pp-1'), { version: 3, description, slug: { id: 's1' } })
  t.match(deploy('pp-1'), { version: 3 }, 'asked again')
  t.match(deploy('pp-2'), { version: 4 })
  t.match(deploy('pp-1'), { version: 3 }, 'asked late')
  t.notOk('promotion' in (deploy('pp-2') as object))
  t.end()
})
