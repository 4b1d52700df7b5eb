/** The log tokens of an app: unique in the record before anyone is told of them, and gone with the app. */
import t from 'tap'
import type { LogToken } from '../../actors/protocols/app.ts'
import { againApp, liveApp, type DrivenApp } from '../kit/app.ts'

const change = (a: DrivenApp, add: readonly string[], remove: readonly string[] = []) =>
  a.send({ type: 'changeLogTokens', add: [...add], remove: [...remove] })
const lastTokens = (a: DrivenApp): readonly LogToken[] =>
  (a.replies.at(-1) as { value: { tokens: readonly LogToken[] } }).value.tokens

t.test('a token is told once it leads to its app, also by whoever comes after a crash', (t) => {
  const a = liveApp().clear()
  t.equal(change(a, ['cron', 'mail']), undefined)
  t.match(a.ran, [
    { name: 'names.claim', args: { kind: 'token', name: /^t\.[0-9a-f-]+$/, appId: 'app-1' } },
    { name: 'names.claim' },
  ])
  const next = againApp(a)
  t.match(next.ran, [{ args: { kind: 'token' } }, { args: { kind: 'token' } }], 'on record before it is done')
  a.done('names.claim')
  t.equal(a.replies.length, 0, 'not with the first')
  a.done('names.claim')
  t.match(lastTokens(a), [{ name: 'cron' }, { name: 'mail' }])
  const logTokens = lastTokens(a)
  t.match(a.send({ type: 'info' }), { value: { logTokens } })
  t.notOk(a.reminders.has('resume'))
  t.end()
})

t.test('a name has one token, which stays until it is removed', (t) => {
  const a = liveApp().clear()
  change(a, ['cron'])
  a.done('names.claim')
  const [first] = lastTokens(a)
  t.match(change(a, ['cron']), { value: { tokens: [first] } })
  a.clear()
  t.match(change(a, [], ['cron', 'nobody']), { value: { tokens: [] } })
  t.match(a.ran, [{ name: 'names.release', args: { kind: 'token', name: first?.token } }])
  a.done('names.release')
  change(a, ['cron'])
  t.match(change(a, [], ['cron']), { refused: { code: 'conflict' } }, 'not while it is being made')
  a.done('names.claim')
  t.not(lastTokens(a)[0]?.token, first?.token, 'another one')
  t.end()
})

t.test('an app has so many tokens that its record holds them with ease', (t) => {
  const a = liveApp().clear()
  const names = Array.from({ length: 101 }, (_, at) => `n${at}`)
  t.match(change(a, names), {
    refused: { code: 'invalid_params', reason: 'An app cannot have more than 100 log tokens.' },
  })
  t.same(a.ran, [])
  t.end()
})

t.test('a token that another app has is not taken, and its caller may try again', (t) => {
  const a = liveApp().clear()
  change(a, ['cron'])
  a.failed('names.claim', 'taken')
  t.match(a.replies, [{ refused: { code: 'conflict' } }])
  t.match(a.saved(), { claiming: [], app: { logTokens: [] } })
  t.end()
})

t.test('an app that goes takes its tokens with it', (t) => {
  const a = liveApp().clear()
  change(a, ['cron'])
  a.done('names.claim')
  const [{ token } = { token: '' }] = lastTokens(a)
  a.clear().send({ type: 'destroy' })
  for (const _ of ['formation', 'releases']) a.answered('destroy', {})
  a.answered('close', {})
  for (const name of ['builder.drop', 'vault.drop', 'certificates.drop']) a.done(name)
  a.send({ type: 'stepped', step: 'drains' })
  a.done('history.drop')
  a.done('access.show')
  t.match(a.ran, [{ args: { kind: 'app', name: 'demo' } }, { args: { kind: 'token', name: token } }])
  a.done('names.release')
  a.done('names.release')
  t.equal(a.saved(), undefined)
  t.end()
})
