/** The place of a removed bus server: one host fills it, as soon as a control host is there to take it. */
import t from 'tap'
import { spareOf, vacancyOf, withVacancy } from '../../actors/main/bus-vacancy.ts'
import { placeAt } from '../../actors/main/bus-place.ts'
import { memberOf } from '../kit/operator.ts'

const at = (name: string) => ({ name, address: `${name}.example`, port: 5100 })
const place = withVacancy(placeAt([at('h1'), at('h2'), at('h3')]), 'h1')
const since = memberOf('h1').since
const now = since + 10_000

t.test('an empty place waits for a control host that has been up for a moment', (t) => {
  const left = [memberOf('h2'), memberOf('h3')]
  const look = (self: string, ...more: ReturnType<typeof memberOf>[]) =>
    vacancyOf(place, [...left, ...more], self, now, 5_000)
  t.equal(look('h2'), undefined, 'nobody is there to take it')
  t.equal(look('h2', { ...memberOf('h4'), roles: ['dyno'] }), undefined)
  t.equal(look('h2', { ...memberOf('h4'), since: now - 1_000 }), undefined, 'it has just come')
  t.equal(look('h2', memberOf('h4', 'suspect')), undefined)
  t.same(look('h2', memberOf('h4')), { dead: 'h1', spare: 'h4' })
  t.equal(look('h3', memberOf('h4')), undefined, 'one host acts, not all')
  t.same(
    vacancyOf(place, [memberOf('h2', 'dead'), memberOf('h3'), memberOf('h4')], 'h3', now, 5_000),
    { dead: 'h1', spare: 'h4' },
    'the first of those that are up',
  )
  t.equal(
    vacancyOf(placeAt([at('h1'), at('h2'), at('h3')]), [...left, memberOf('h4')], 'h2', now, 5_000),
    undefined,
    'only what an operator removed is replaced',
  )
  t.end()
})

t.test('who has a server is no spare, and a place is empty once', (t) => {
  t.equal(spareOf(place, [memberOf('h2'), memberOf('h3')], now, 0), undefined)
  t.equal(spareOf(place, [memberOf('h2'), memberOf('h4')], now, 0), 'h4')
  t.same(withVacancy(place, 'h1').removed, ['h1'])
  t.end()
})
