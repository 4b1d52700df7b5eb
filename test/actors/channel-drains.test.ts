/** A channel and the drains of its app: it learns of them by itself, and tells them what is stored. */
import t from 'tap'
import { channel } from '../../actors/logplex/channel.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import { drive } from '../kit/drive.ts'

const line: Line = { atUs: 1, source: 'app', process: 'web.1', text: Buffer.from('hello') }
const stored = { sequence: 11, after: 10, first: 100, count: 1, bytes: new Uint8Array(9) }

const open = () => drive(channel, { key: 'app-1', args: undefined })
type Driven = ReturnType<typeof open>
let next = 0
const write = (c: Driven): void => void c.send({ type: 'deliver', source: 's', first: next++, lines: [line] })
/** Since it was looked last. */
const told = ({ told }: Driven): object[] =>
  told.splice(0).map(({ to, message }) => ({ to: `${to.to}/${to.key}`, ...message }))

t.test('drains are asked for with the first lines, and look for themselves what they missed', (t) => {
  const c = open()
  t.equal(c.asked.length, 0, 'an app that says nothing costs no question')
  write(c)
  t.match(c.asked, [{ to: { to: 'app', key: 'app-1' }, message: { type: 'drains' } }])
  c.done('history.append', stored)
  write(c)
  t.same(told(c), [], 'they are not known yet')
  t.equal(c.asked.length, 1, 'one question at a time')
  c.answered('drains', { ids: ['d1', 'd2'] })
  t.same(told(c), [
    { to: 'drain/d1', type: 'look' },
    { to: 'drain/d2', type: 'look' },
  ])
  c.done('history.append', stored)
  t.match(told(c), [
    { to: 'drain/d1', type: 'stored', batch: stored },
    { to: 'drain/d2', type: 'stored', batch: stored },
  ])
  write(c)
  t.equal(c.asked.length, 0, 'they are known')
  c.failed('history.append', 'store_unavailable')
  t.same(told(c), [], 'what is not stored is told to nobody')
  t.end()
})

t.test('the last that drains were told is told again, without the lines, when all is quiet', (t) => {
  const c = open()
  write(c)
  c.answered('drains', { ids: ['d1'] })
  c.done('history.append', stored)
  t.match(c.timers.get('again'), { ms: 20_000 })
  write(c)
  c.done('history.append', { ...stored, sequence: 12 })
  told(c)
  c.fire('again')
  t.same(told(c), [{ to: 'drain/d1', type: 'look', sequence: 12 }])
  t.equal(c.timers.size, 0)
  const quiet = open()
  write(quiet)
  quiet.answered('drains', { ids: [] })
  quiet.done('history.append', stored)
  t.equal(quiet.timers.size, 0, 'there is nobody to be told')
  t.end()
})

t.test('a drain that joins is asked for before that is answered', (t) => {
  const c = open()
  write(c)
  c.answered('drains', { ids: [] })
  t.match(c.send({ type: 'drainJoins' }), { value: {} })
  c.answered('drains', { ids: ['d1'] })
  told(c)
  c.done('history.append', stored)
  t.match(told(c), [{ to: 'drain/d1', type: 'stored' }])
  t.end()
})

t.test('drains that change are asked for at once', (t) => {
  const c = open()
  write(c)
  c.answered('drains', { ids: ['d1'] })
  c.send({ type: 'drainsChanged' })
  c.answered('drains', { ids: ['d2'] })
  told(c)
  c.done('history.append', stored)
  t.match(told(c), [{ to: 'drain/d2', type: 'stored' }])
  t.end()
})

t.test('when the app cannot be asked, it is asked again; when it is gone, no more', (t) => {
  const c = open()
  write(c)
  c.askFailed('drains', { kind: 'unknown', reason: 'no answer' })
  c.fire('ask')
  t.equal(c.asked.length, 1)
  c.askFailed('drains', { kind: 'refused', code: 'not_found', reason: 'gone' })
  t.equal(c.timers.has('ask'), false)
  c.done('history.append', stored)
  write(c)
  t.equal(c.asked.length, 0)
  t.same(told(c), [])
  t.end()
})
