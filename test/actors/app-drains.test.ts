/** The log drains of an app: open before they are answered, closed for sure, and gone with the app. */
import t from 'tap'
import { againApp, liveApp, type DrivenApp } from '../kit/app.ts'

const url = 'syslog://logs.example.com:601'

const added = (a: DrivenApp, which = url): string => {
  a.send({ type: 'addDrain', url: which })
  a.answered('open', {})
  a.answered('drainJoins', {})
  return (a.replies.at(-1) as { value: { id: string } }).value.id
}

t.test('a drain is answered once lines go there, and is opened by whoever comes after a crash', (t) => {
  const a = liveApp().clear()
  a.send({ type: 'addDrain', url })
  t.equal(a.replies.length, 0)
  t.match(a.asked, [
    { to: { to: 'drain' }, message: { type: 'open', to: { appId: 'app-1', url, token: /^d\./ } } },
  ])
  a.askFailed('open', { kind: 'nobody', reason: 'no host' })
  a.fire('resume')
  t.ok(a.reminders.has('resume'))
  const next = againApp(a)
  t.match(next.asked, [{ message: { type: 'open', to: { url } } }])
  next.answered('open', {})
  t.match(againApp(next).asked, [{ message: { type: 'open', to: { url } } }], 'the log is to know of it, too')
  next.answered('drainJoins', {})
  t.same(againApp(next).asked, [])
  t.notOk(next.reminders.has('resume'))
  a.answered('open', {})
  t.equal(a.replies.length, 0)
  t.match(a.asked, [{ to: { to: 'channel', key: 'app-1' }, message: { type: 'drainJoins' } }])
  a.answered('drainJoins', {})
  const { value } = a.replies.at(-1) ?? {}
  t.match(value, { url, token: /^d\.[0-9a-f-]+$/ })
  t.match(a.send({ type: 'drains' }), { value: { ids: [(value as { id: string }).id] } })
  t.match(a.send({ type: 'info' }), { value: { drains: [value] } })
  t.end()
})

t.test('a drain is added once, and not more of them than Heroku takes', (t) => {
  const a = liveApp().clear()
  added(a)
  t.match(a.send({ type: 'addDrain', url }), {
    refused: { code: 'invalid_params', reason: 'Url has already been taken' },
  })
  for (const port of [1, 2, 3, 4]) added(a, `syslog://logs.example.com:${port}`)
  t.match(a.send({ type: 'addDrain', url: 'syslog://logs.example.com:5' }), {
    refused: { reason: 'You have already added the maximum number of drains allowed' },
  })
  t.end()
})

t.test('a drain is removed by id, token or URL, and closed even when that has to be said again', (t) => {
  const a = liveApp().clear()
  const id = added(a)
  t.match(a.send({ type: 'removeDrain', drain: 'other' }), { refused: { code: 'not_found' } })
  t.match(a.send({ type: 'removeDrain', drain: url }), { value: { id } })
  t.match(a.told.at(-1), { to: { to: 'channel' }, message: { type: 'drainsChanged' } })
  t.match(a.send({ type: 'drains' }), { value: { ids: [] } })
  a.askFailed('close', { kind: 'unknown', reason: 'timeout' })
  const next = againApp(a)
  t.match(next.asked, [{ to: { to: 'drain', key: id }, message: { type: 'close' } }])
  next.answered('close', {})
  t.match(next.saved(), { closing: [], app: { drains: [] } })
  t.end()
})

t.test('an app that goes closes its drains, one after the other, before its log goes', (t) => {
  const a = liveApp().clear()
  const ids = [added(a), added(a, 'https://logs.example.com/')]
  a.clear().send({ type: 'destroy' })
  for (const _ of ['formation', 'releases']) a.answered('destroy', {})
  a.answered('close', {})
  for (const name of ['builder.drop', 'vault.drop', 'certificates.drop']) a.done(name)
  t.match(a.asked, [{ to: { to: 'drain', key: ids[0] }, message: { type: 'close' } }])
  a.answered('close', {})
  t.match(a.asked, [{ to: { key: ids[1] } }])
  a.askFailed('close', { kind: 'unknown', reason: 'timeout' })
  t.match(a.saved(), { phase: 'destroying', closing: [ids[1]] })
  const next = againApp(a)
  for (const _ of ['formation', 'releases']) next.answered('destroy', {})
  next.answered('close', {})
  for (const name of ['builder.drop', 'vault.drop', 'certificates.drop']) next.done(name)
  next.answered('close', {})
  next.done('history.drop')
  next.done('access.show')
  next.done('names.release')
  t.equal(next.saved(), undefined)
  t.end()
})

const telemetry = { headersId: 'sealed-1' }
const endpoint = 'https://otlp.example.com'
const opens = (a: DrivenApp) => a.asked.map(({ message }) => message).filter(({ type }) => type === 'open')

t.test('a telemetry drain is one of its own kind, and is known by its id', (t) => {
  const a = liveApp().clear()
  added(a, endpoint)
  a.clear().send({ type: 'addDrain', url: endpoint, telemetry })
  t.match(opens(a), [{ to: { url: endpoint, telemetry: { ...telemetry, appName: 'demo' } } }])
  a.answered('open', {})
  a.answered('drainJoins', {})
  const { value: drain } = a.replies.at(-1) as { value: { id: string; token: string } }
  t.equal(drain.token, drain.id)
  t.match(a.send({ type: 'addDrain', url: endpoint, telemetry }), {
    refused: { code: 'invalid_params', reason: 'Endpoint has already been taken' },
  })
  for (const at of [1, 2, 3, 4]) {
    a.send({ type: 'addDrain', url: endpoint, telemetry: { headersId: `other-${at}` } })
    a.answered('open', {})
    a.answered('drainJoins', {})
  }
  t.match(a.send({ type: 'addDrain', url: 'https://other.example.com', telemetry }), {
    refused: { reason: 'You have already added the maximum number of telemetry drains allowed' },
  })
  added(a, 'https://other.example.com')
  t.end()
})

t.test('a telemetry drain that leads elsewhere is answered once lines go there, whatever is late', (t) => {
  const a = liveApp().clear()
  const logDrain = added(a)
  const sent = (headersId: string) => ({ url: endpoint, telemetry: { headersId } })
  a.send({ type: 'addDrain', ...sent('one') })
  a.answered('open', {})
  a.answered('drainJoins', {})
  const { id } = (a.replies.at(-1) as { value: { id: string } }).value
  a.clear()
  for (const drain of ['other', logDrain])
    t.match(a.send({ type: 'changeDrain', drain, ...sent('two') }), { refused: { code: 'not_found' } })
  a.clear()
  a.send({ type: 'changeDrain', drain: id, ...sent('two') })
  a.send({ type: 'changeDrain', drain: id, ...sent('three') })
  const [two, three] = opens(a) as unknown as { to: { decidedAt: number } }[]
  t.ok(three!.to.decidedAt > two!.to.decidedAt)
  t.match(three, { to: { telemetry: { headersId: 'three' } } })
  a.answered('open', {})
  a.answered('drainJoins', {})
  t.equal(a.replies.length, 0, 'the first is not what holds now')
  t.match(a.saved(), { opening: [id] })
  a.answered('open', {})
  a.answered('drainJoins', {})
  t.match(a.replies, [{ value: { telemetry: { headersId: 'three' } } }, { value: { id } }])
  t.match(a.saved(), { opening: [] })
  t.end()
})

t.test('telemetry says the name that its app has', (t) => {
  const a = liveApp().clear()
  added(a)
  a.send({ type: 'addDrain', url: endpoint, telemetry })
  a.answered('open', {})
  a.answered('drainJoins', {})
  a.clear().send({ type: 'rename', name: 'renamed' })
  a.done('names.claim')
  t.match(opens(a), [{ to: { url: endpoint, telemetry: { appName: 'renamed' } } }])
  t.equal(opens(a).length, 1, 'other drains do not')
  a.askFailed('open', { kind: 'unknown', reason: 'timeout' })
  t.match(opens(againApp(a)), [{ to: { telemetry: { appName: 'renamed' } } }])
  t.end()
})
