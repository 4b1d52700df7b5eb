/**
 * Apps and their releases, driven by hand: sagas that break off, names that are in dispute, bases that move.
 */
import t from 'tap'
import { releases } from '../../actors/releases.ts'
import {
  append,
  configText,
  currentOf,
  emptyLedger,
  findRelease,
  releasesOf,
} from '../../actors/releases/ledger.ts'
import { heroku } from '../../config/heroku.ts'
import type { AppView } from '../../actors/protocols/app.ts'
import type { Slug } from '../../actors/protocols/shapes.ts'
import { againApp, creatingApp, liveApp, owner as by } from '../kit/app.ts'
import { drive } from '../kit/drive.ts'

const slugOf = (id: string): Slug => ({
  id,
  sha256: '0'.repeat(64),
  bytes: 1,
  stack: 'heroku-24',
  commit: '60a874b3',
  description: 'Deploy 60a874b3',
  processTypes: { web: 'web' },
  buildpackDescription: 'Procfile',
  createdAt: 1,
})

t.test('an app is answered when its name, releases and formation are there', (t) => {
  const a = creatingApp()
  t.match(
    a.saved(),
    { phase: 'creating', claiming: [{ kind: 'app', name: 'demo' }] },
    'on record before it is claimed',
  )
  a.done('names.claim')
  t.match(a.asked, [{ to: { to: 'releases' }, message: { type: 'open' } }])
  a.answered('open', {})
  t.match(a.asked, [{ to: { to: 'formation' } }])
  t.same(a.replies, [])
  t.equal(a.send({ type: 'info' })?.refused?.code, 'not_found', 'nobody sees it before')
  a.answered('open', {})
  t.match(a.ran.at(-1), { name: 'access.show', args: { name: 'demo', users: [by.id], former: [] } })
  t.notOk(
    a.replies.some(({ type }) => type === 'create'),
    'whoever lists apps next sees it',
  )
  a.done('access.show')
  t.match(a.replies.at(-1), { type: 'create', value: { name: 'demo' } })
  t.notOk(a.reminders.has('resume'))
  t.end()
})

t.test('a name that is taken leaves nothing behind, a store that is away is tried again', (t) => {
  const a = creatingApp()
  a.failed('names.claim', 'store_unavailable')
  a.fire('resume')
  a.failed('names.claim', 'taken')
  t.match(a.replies.at(-1)?.refused, { code: 'name_taken', reason: 'Name demo is already taken' })
  t.equal(a.saved(), undefined)
  t.notOk(a.reminders.has('resume'))
  t.end()
})

t.test('a creation that broke off is finished by the next activation', (t) => {
  const a = creatingApp()
  const next = againApp(a)
  next.done('names.claim')
  next.askFailed('open', { kind: 'unknown', reason: 'timeout' })
  next.fire('resume')
  next.answered('open', {})
  next.answered('open', {})
  next.done('access.show')
  t.match(next.saved(), { phase: 'live' })
  t.end()
})

t.test(
  'a rename claims the new name, then gives the old one back and tells the formation until it has it',
  (t) => {
    const a = liveApp()
    a.clear()
    a.send({ type: 'rename', name: 'better' })
    t.equal(a.send({ type: 'rename', name: 'third' })?.refused?.code, 'conflict')
    a.done('names.claim')
    t.match(a.replies.at(-1)?.value, { name: 'better' })
    t.match(a.ran, [{ name: 'access.show' }, { name: 'names.release', args: { name: 'demo' } }])
    a.done('access.show')
    t.match(a.asked, [{ message: { type: 'appChanged', appName: 'better' } }])
    a.askFailed('appChanged', { kind: 'nobody', reason: 'unreachable' })
    a.done('names.release')
    t.ok(a.reminders.has('resume'), 'it is not done yet')
    a.fire('resume')
    a.answered('appChanged', {})
    t.notOk(a.reminders.has('resume'))
    t.end()
  },
)

t.test('a feature is on record before its answer, and told to the formation until it has it', (t) => {
  const a = liveApp()
  a.clear()
  const name = 'http-session-affinity'
  t.match(a.send({ type: 'feature', name, enabled: true })?.value, { features: [name] })
  t.match(a.saved(), { app: { features: [name] } })
  t.match(a.asked, [{ message: { type: 'appChanged', features: [name] } }])
  a.askFailed('appChanged', { kind: 'nobody', reason: 'unreachable' })
  t.ok(a.reminders.has('resume'), 'it is not done yet')
  a.fire('resume')
  a.answered('appChanged', {})
  t.notOk(a.reminders.has('resume'))
  a.clear()
  t.match(a.send({ type: 'feature', name, enabled: true })?.value, { features: [name] })
  t.same(a.asked, [], 'it was on')
  t.match(a.send({ type: 'feature', name, enabled: false })?.value, { features: [] })
  t.end()
})

t.test('an app keeps to the buildpack that was found for it, and to those that were set', (t) => {
  const a = liveApp()
  const built = (detected: string): unknown => {
    a.send({ type: 'built', buildpackDescription: 'x', slugBytes: 1, stack: 'heroku-24', detected })
    return (a.send({ type: 'info' })!.value as { buildpacks: unknown }).buildpacks
  }
  t.same(built('heroku/nodejs'), ['heroku/nodejs'])
  t.same(built('heroku/ruby'), ['heroku/nodejs'])
  a.send({ type: 'change', buildpacks: [] })
  t.same(built('heroku/ruby'), ['heroku/ruby'], 'found again once it was cleared')
  t.end()
})

t.test('a name being given back is claimed again only when it is free', (t) => {
  const a = liveApp()
  a.send({ type: 'rename', name: 'better' })
  a.done('names.claim')
  a.clear()
  a.send({ type: 'rename', name: 'demo' })
  t.same(a.ran, [])
  t.end()
})

t.test('a domain is pending until the formation has the route of it', (t) => {
  const a = liveApp()
  const pending = () =>
    (a.saved() as { readonly app: AppView }).app.domains.map(({ isPending = false }) => isPending)
  a.send({ type: 'addDomain', hostname: 'www.example.com' })
  a.done('names.claim')
  t.same(pending(), [true])
  a.askFailed('appChanged', { kind: 'unknown', reason: 'timeout' })
  t.same(pending(), [true], 'nobody knows')
  a.fire('resume')
  a.send({ type: 'addDomain', hostname: 'two.example.com' })
  a.done('names.claim')
  a.answered('appChanged', {})
  t.same(pending(), [true, true], 'the route has one of them')
  a.answered('appChanged', {})
  t.same(pending(), [false, false])
  t.end()
})

t.test('an app is destroyed step by step, its names last', (t) => {
  const a = liveApp()
  a.send({ type: 'addDomain', hostname: 'www.example.com' })
  a.done('names.claim')
  a.clear()
  a.send({ type: 'destroy' })
  a.askFailed('destroy', { kind: 'unknown', reason: 'timeout' })
  a.fire('resume')
  a.answered('destroy', {})
  t.match(a.asked.at(-1), { to: { to: 'releases' } })
  a.answered('destroy', {})
  t.match(a.asked, [{ to: { to: 'webhooks' }, message: { type: 'close' } }])
  a.answered('close', {})
  a.done('builder.drop')
  a.failed('vault.drop', 'store_unavailable')
  t.match(a.saved(), { phase: 'destroying' })
  const next = againApp(a)
  next.send({ type: 'destroy' })
  next.answered('destroy', {})
  next.answered('destroy', {})
  next.answered('close', {})
  next.done('builder.drop')
  next.done('vault.drop')
  next.done('certificates.drop')
  t.match(next.told.at(-1), { message: { type: 'stepped', step: 'drains' } })
  next.send({ type: 'stepped', step: 'drains' })
  next.done('history.drop')
  next.done('access.show')
  t.same(
    next.ran.map((ran) => ran.name),
    ['names.release', 'names.release'],
  )
  next.done('names.release')
  next.done('names.release')
  t.match(next.replies.at(-1), { type: 'destroy', value: { name: 'demo' } })
  t.equal(next.saved(), undefined)
  t.end()
})

const ledgerOf = () => {
  const r = drive(releases, { key: 'app-1', args: undefined })
  r.send({ type: 'open', appName: 'demo', by })
  return r
}

const pages = { error: '', maintenance: '' }

t.test('a release has the pages of its config vars, also when it is gone back to', (t) => {
  const r = ledgerOf()
  r.send({ type: 'deploy', slug: slugOf('s1'), description: 'Deploy 1', by })
  r.send({ type: 'setConfig', patch: { ERROR_PAGE_URL: '//p' }, by })
  const own = { error: '//p', maintenance: '' }
  r.done('vault.seal', { configId: 'c1', changed: true, set: ['ERROR_PAGE_URL'], removed: [], pages: own })
  t.match(r.send({ type: 'current' })?.value, { release: { version: 4, pages: own } })
  r.send({ type: 'deploy', slug: slugOf('s2'), description: 'Deploy 2', by })
  t.match(r.send({ type: 'current' })?.value, { release: { version: 5, pages: own } })
  r.send({ type: 'setConfig', patch: { ERROR_PAGE_URL: null }, by })
  r.done('vault.seal', { configId: 'c0', changed: true, set: [], removed: ['ERROR_PAGE_URL'], pages })
  t.match(r.send({ type: 'current' })?.value, { release: { version: 6, pages } })
  r.send({ type: 'rollback', to: 'v5', by })
  t.match(r.send({ type: 'current' })?.value, { release: { version: 7, pages: own } })
  t.end()
})

t.test('an app is on another stack from its next build on, which a release of its own says', (t) => {
  const a = liveApp()
  a.send({ type: 'change', buildStack: 'debian-12' })
  t.match(a.send({ type: 'info' })?.value, { stack: 'debian-12', buildStack: 'debian-12' }, 'never built')
  a.send({ type: 'stored', repoBytes: 4_096 })
  t.match(a.send({ type: 'info' })?.value, { repoBytes: 4_096 })
  a.send({ type: 'built', buildpackDescription: 'Procfile', slugBytes: 1, stack: 'debian-12' })
  a.send({ type: 'change', buildStack: 'heroku-24' })
  t.match(a.send({ type: 'info' })?.value, { stack: 'debian-12', buildStack: 'heroku-24' })
  a.send({ type: 'released', at: 5, stack: 'heroku-24' })
  t.match(a.send({ type: 'info' })?.value, { stack: 'heroku-24', buildStack: 'heroku-24' })

  const r = ledgerOf()
  const on = (id: string, stack: string, types = {}) => ({ ...slugOf(id), stack, processTypes: types })
  const descriptions = () =>
    (r.send({ type: 'list' })!.value as { releases: { description: string }[] }).releases
      .slice(2)
      .map(({ description }) => description)
  r.send({ type: 'deploy', slug: on('s1', 'heroku-24', { release: 'x' }), description: 'Deploy 1', by })
  r.send({ type: 'phaseEnded', releaseId: (r.replies.at(-1)!.value as { id: string }).id, ok: true })
  r.clear()
  const deploy = () => r.send({ type: 'deploy', slug: on('s2', 'debian-12'), description: 'Deploy 2', by })
  deploy()
  t.same(descriptions(), ['Deploy 1', 'Upgrade stack to debian-12', 'Deploy 2'])
  const told = r.told.filter(({ message }) => message.type === 'released')
  t.match(told, [
    { message: { release: { version: 5, slug: { id: 's2' } } } },
    { to: { to: 'app' }, message: { stack: 'debian-12' } },
  ])
  t.same(told.length, 2, 'nothing runs on account of the change alone, and no release command')
  deploy()
  t.equal(descriptions().length, 3, 'asked again')
  r.send({ type: 'deploy', slug: on('s3', 'debian-12'), description: 'Deploy 3', by })
  t.equal(descriptions().at(-1), 'Deploy 3')
  t.equal(descriptions().length, 4, 'it is on that stack already')
  const failing = on('s4', 'heroku-24', { release: 'exit 1' })
  for (const description of ['Deploy 4', 'Deploy 5']) {
    r.send({ type: 'deploy', slug: { ...failing, id: description }, description, by })
    r.send({ type: 'phaseEnded', releaseId: (r.replies.at(-1)!.value as { id: string }).id, ok: false })
  }
  t.same(descriptions().slice(4), ['Upgrade stack to heroku-24', 'Deploy 4', 'Deploy 5'], 'said once')
  t.end()
})

t.test('a config change is sealed again when its base moved meanwhile', (t) => {
  const r = ledgerOf()
  r.send({ type: 'deploy', slug: slugOf('s1'), description: 'Deploy 1', by })
  r.send({ type: 'setConfig', patch: { A: '1' }, by })
  r.done('vault.seal', { configId: 'c1', changed: true, set: ['A'], removed: [], pages })
  r.clear()
  r.send({ type: 'setConfig', patch: { B: '2' }, by })
  r.send({ type: 'rollback', to: 'v3', by })
  t.match(r.ran, [{ args: { baseId: 'c1', patch: { B: '2' } } }])
  r.done('vault.seal', { configId: 'c2', changed: true, set: ['B'], removed: [], pages })
  t.match(r.ran, [{ args: { baseId: '', patch: { B: '2' } } }], 'against what holds now')
  r.done('vault.seal', { configId: 'c3', changed: true, set: ['B'], removed: [], pages })
  t.match(r.send({ type: 'current' })?.value, { release: { version: 6, configId: 'c3', slug: { id: 's1' } } })
  t.notMatch(JSON.stringify(r.saved()), '"2"', 'plain values are kept nowhere')
  r.send({ type: 'setConfig', patch: { '1X': 'y' }, by })
  r.failed('vault.seal', 'invalid_params', 'Bad key')
  t.match(r.replies.at(-1)?.refused, { code: 'invalid_params', reason: 'Bad key' })
  t.end()
})

t.test(
  'the formation is told of a release until it says that it has it; callers do not wait for ever',
  (t) => {
    const r = ledgerOf()
    r.clear()
    r.send({ type: 'deploy', slug: slugOf('s1'), description: 'Deploy 1', by })
    const told = () =>
      r.told.filter((one) => one.message.type === 'released' && one.to.to === 'formation').length
    t.equal(told(), 1)
    t.same(r.replies, [])
    r.fire('formation')
    t.equal(told(), 2)
    t.match(r.replies.at(-1)?.value, { version: 3 })
    const next = drive(releases, { key: 'app-1', args: undefined, saved: r.saved()! })
    t.equal(
      next.told.filter((one) => one.message.type === 'released').length,
      2,
      'also the next activation does',
    )
    r.send({ type: 'received', version: 2 })
    t.ok(r.timers.has('formation'), 'an older version is not the answer')
    r.send({ type: 'received', version: 3 })
    t.notOk(r.timers.has('formation'))
    t.notOk(r.reminders.has('formation'))
    t.match(r.send({ type: 'deploy', slug: slugOf('s1'), description: 'Deploy 1', by })?.value, {
      version: 3,
    })
    t.end()
  },
)

t.test('the ledger keeps a bounded number of releases and slugs, and old releases expire', (t) => {
  let ledger = emptyLedger('demo')
  for (let i = 1; i <= heroku.releasesMax + 5; i++) {
    const what = { id: `r${i}`, description: `Deploy ${i}`, configId: '', slug: slugOf(`s${i}`) }
    const draft = { ...what, by, at: i, hasPhase: false }
    ledger = append(ledger, draft)
  }
  t.equal(ledger.entries.length, heroku.releasesMax)
  t.equal(ledger.slugs.length, heroku.slugsMax)
  t.match(releasesOf(ledger)[0], { version: 6, status: 'expired', slug: null })
  t.match(currentOf(ledger), { version: heroku.releasesMax + 5, status: 'succeeded' })
  t.equal(findRelease(ledger, 'v100')?.id, 'r100')
  t.equal(findRelease(ledger, 'r100')?.version, 100)
  t.equal(findRelease(ledger, 'v1'), undefined)
  t.equal(configText(['A', 'B'], []), 'Set A, B config vars')
  t.equal(configText([], ['C']), 'Remove C config vars')
  t.end()
})

t.test(
  'a certificate goes to the routers with the hostname that has it, and its former pair is forgotten',
  (t) => {
    const a = liveApp()
    const pair = (pairId: string) => ({
      pairId,
      names: ['www.example.com'],
      issuer: '/CN=a',
      subject: '/CN=b',
      startsAt: 1,
      expiresAt: 2,
      isTrusted: false,
      isSelfSigned: false,
    })
    a.send({ type: 'addDomain', hostname: 'www.example.com' })
    a.done('names.claim')
    const made = a.send({ type: 'addEndpoint', name: 'calm-1', pair: pair('p1') })?.value as { id: string }
    const told = () => (a.asked.at(-1)!.message as unknown as { certificates: object }).certificates
    t.same(told(), {}, 'a certificate that no domain has is shown to nobody')
    a.send({ type: 'attachDomain', hostname: 'www.example.com', endpoint: 'calm-1' })
    t.same(told(), { 'www.example.com': 'p1' })
    a.send({ type: 'changeEndpoint', endpoint: made.id, pair: pair('p2') })
    t.same(told(), { 'www.example.com': 'p2' })
    t.match(a.ran.at(-1), { name: 'certificates.remove', args: { appId: 'app-1', pairId: 'p1' } })
    t.match(a.send({ type: 'addEndpoint', name: 'calm-1', pair: pair('p3') })?.value, { name: /^sni-/ })
    t.match(a.send({ type: 'attachDomain', hostname: 'www.example.com', endpoint: 'x' })?.refused, {
      code: 'invalid_params',
    })
    a.send({ type: 'removeEndpoint', endpoint: 'calm-1' })
    t.same(told(), {})
    t.match(a.ran.at(-1), { name: 'certificates.remove', args: { pairId: 'p2' } })
    t.match(a.send({ type: 'removeEndpoint', endpoint: 'calm-1' })?.refused, { code: 'not_found' })
    t.end()
  },
)
