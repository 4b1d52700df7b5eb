/**
 * Eco apps sleep while nobody asks for them: when, what of them, and how the next request wakes them; in
 * virtual time.
 */
import t from 'tap'
import { heroku } from '../../config/heroku.ts'
import { formation } from '../../actors/formation.ts'
import { drive } from '../kit/drive.ts'
import {
  appId,
  by,
  place,
  placed,
  record,
  releaseOf,
  report,
  said,
  settleAll,
  tellsTo,
} from '../kit/formations.ts'
import { code, route, settled, world } from '../kit/routes.ts'

const minute = 60_000
/** Two Eco web dynos, an Eco worker; all are up. */
const eco = () => {
  const f = placed()
  const updates = [
    { type: 'web', quantity: '2', size: 'eco' },
    { type: 'worker', quantity: '1', size: 'eco' },
  ]
  f.send({ type: 'scale', updates, by })
  settleAll(f)
  for (const { name, id } of record(f).ending) report(f, name, id, 'exited')
  f.clear()
  return f
}
type Driven = ReturnType<typeof eco>
const states = (f: Driven): string =>
  record(f)
    .slots.map(({ state }) => state)
    .join(' ')
const routeOf = (f: Driven) => f.send({ type: 'route' })?.value

t.test('an app sleeps as a whole half an hour after its last request, and is told so in the log', (t) => {
  const f = eco()
  t.match(routeOf(f), { web: 'up', idles: 'awake' })
  f.nowMs += 20 * minute
  f.send({ type: 'used' })
  t.equal(f.timers.get('idle')?.ms, heroku.idleAfterMs + minute, 'a router says it once a minute')
  f.fire('idle')
  t.equal(states(f), 'idle idle idle')
  t.strictSame(
    said(f).filter((line) => line.startsWith('web.1')),
    ['web.1 Idling', 'web.1 State changed from up to down'],
  )
  t.equal(tellsTo(f, 'halt').length, 3)
  t.strictSame(routeOf(f), { ...(routeOf(f) as object), web: 'booting', idles: 'asleep', targets: [] })
  t.notOk(f.timers.has('idle'))
  t.match(f.send({ type: 'dynos' })?.value, {
    dynos: [{ state: 'idle' }, { state: 'idle' }, { state: 'idle' }],
  })
  t.end()
})

t.test('the next request wakes all of it, once', (t) => {
  const f = eco()
  t.match(f.send({ type: 'idle' })?.value, {})
  for (const { name, id } of record(f).ending) report(f, name, id, 'exited')
  f.clear()
  f.send({ type: 'used' })
  f.send({ type: 'used' })
  t.equal(states(f), 'starting starting starting')
  t.equal(said(f).filter((line) => line.endsWith('Unidling')).length, 3)
  settleAll(f)
  t.strictSame(
    said(f).filter((line) => line.startsWith('worker.1')),
    [
      'worker.1 Unidling',
      'worker.1 State changed from down to starting',
      'worker.1 State changed from starting to up',
    ],
  )
  t.match(routeOf(f), { web: 'up', idles: 'awake' })
  t.equal(f.timers.get('idle')?.ms, heroku.idleAfterMs + minute, 'and its time begins anew')
  t.end()
})

t.test('what happens to its dynos counts as use; other sizes never sleep', (t) => {
  const f = eco()
  f.nowMs += 25 * minute
  f.send({ type: 'restart', by })
  settleAll(f)
  t.equal(f.timers.get('idle')?.ms, heroku.idleAfterMs + minute)
  f.send({ type: 'scale', updates: [{ type: 'worker', size: 'basic' }], by })
  settleAll(f)
  f.send({ type: 'idle' })
  t.equal(states(f), 'idle idle up')
  f.send({ type: 'scale', updates: [{ type: 'web', size: 'basic' }], by })
  settleAll(f)
  t.equal(states(f), 'up up up', 'a size that never sleeps wakes it')
  t.notOk(f.timers.has('idle'))
  t.match(f.send({ type: 'idle' })?.refused, { code: 'invalid_params', reason: /web dynos are Eco/ })
  t.equal((routeOf(f) as { idles?: string }).idles, undefined)
  t.end()
})

t.test('a release or a restart wakes an app; a run that comes up late does not', (t) => {
  const f = eco()
  const late = record(f).slots[0]!.run!
  f.send({ type: 'idle' })
  report(f, 'web.1', 'stray', 'up', { epoch: late.epoch + 1 })
  t.equal(states(f), 'idle idle idle')
  t.match(tellsTo(f, 'halt').at(-1), { runId: 'stray' })
  f.send({ type: 'released', release: releaseOf(4), by })
  while (f.asked.length > 0) place(f, 'h')
  t.equal(states(f), 'starting starting starting')
  t.ok(said(f).includes('web.1 State changed from down to starting'))
  t.end()
})

t.test('nothing sleeps on that no request could wake', (t) => {
  const asleep = () => {
    const f = eco()
    f.send({ type: 'scale', updates: [{ type: 'web', quantity: '1' }], by })
    f.send({ type: 'idle' })
    f.clear()
    t.equal(states(f), 'idle idle')
    return f
  }
  const withoutWeb = asleep()
  withoutWeb.send({ type: 'scale', updates: [{ type: 'web', quantity: '0' }], by })
  t.equal(states(withoutWeb), 'starting', 'its worker')
  const larger = asleep()
  larger.send({ type: 'scale', updates: [{ type: 'web', size: 'basic' }], by })
  t.equal(states(larger), 'starting starting')
  const restarted = asleep()
  restarted.send({ type: 'restart', dyno: 'web.1', by })
  t.equal(states(restarted), 'starting starting')
  t.ok(said(restarted).includes('worker.1 Unidling'))
  const one = eco()
  one.send({ type: 'idle' })
  one.send({ type: 'restart', dyno: 'web.1', by })
  t.equal(states(one), 'starting idle idle', 'the next request wakes the others')
  settleAll(one)
  t.match(routeOf(one), { web: 'up', idles: 'asleep' })
  one.nowMs += 1_000
  one.clear()
  one.send({ type: 'used' })
  t.equal(states(one), 'up starting starting')
  t.match(one.ran, [{ name: 'routes.announce', args: { route: { idles: 'awake' } } }], 'at once')
  const ended = asleep()
  ended.send({ type: 'destroy' })
  t.strictSame(ended.asked, [], 'an app that goes wakes nobody')
  t.end()
})

t.test('an activation that knows of no use waits its time', (t) => {
  const f = eco()
  f.nowMs += 29 * minute
  const again = placed()
  t.notOk(again.timers.has('idle'), 'Basic')
  f.send({ type: 'idleDue' })
  t.equal(states(f), 'up up up', 'not due yet')
  t.equal(f.timers.get('idle')?.ms, 2 * minute)
  const next = drive(formation, {
    key: appId,
    args: undefined,
    saved: f.saved()!,
    nowMs: f.nowMs + 60 * minute,
  })
  t.equal(next.timers.get('idle')?.ms, heroku.idleAfterMs + minute)
  t.end()
})

t.test('a shard says once a minute that such an app is used, and of others nothing', async (t) => {
  const w = world({ 'app shop': 'a1', 'app other': 'a2' }, [
    route({ idles: 'awake' }),
    route({ appId: 'a2', appName: 'other' }),
  ])
  for (let i = 0; i < 3; i++)
    for (const name of ['shop', 'other']) await settled(w.table.resolve(`${name}.localhost`))
  t.strictSame(w.uses, ['a1'])
  w.advance(heroku.usedEveryMs - 1)
  await settled(w.table.resolve('shop.localhost'))
  t.strictSame(w.uses, ['a1'])
  w.advance(1)
  await settled(w.table.resolve('shop.localhost'))
  t.strictSame(w.uses, ['a1', 'a1'])
})

t.test('a request for an app that sleeps is held, and said again until the app wakes', async (t) => {
  const asleep = route({ idles: 'asleep', web: 'booting', targets: [] })
  const w = world({ 'app shop': 'a1' }, [asleep])
  const waiting = [1, 2].map(() => settled(w.table.resolve('shop.localhost')))
  await new Promise(setImmediate)
  t.strictSame(w.uses, ['a1'], 'one word for all that wait')
  w.advance(1_000)
  t.strictSame(w.uses, ['a1', 'a1'], 'it may have been lost')
  w.table.update({ ...asleep, version: 2, idles: 'awake' })
  w.advance(1_000)
  t.strictSame(w.uses, ['a1', 'a1'], 'it wakes')
  w.table.update(route({ idles: 'awake', version: 3 }))
  for (const one of waiting) t.match(await one, { kind: 'route' })
  w.table.update({ ...asleep, version: 4 })
  w.advance(heroku.usedEveryMs)
  const late = code(w.table.resolve('shop.localhost'))
  await new Promise(setImmediate)
  w.advance(75_000)
  t.match(await late, /H20/, 'not for ever')
  const told = w.uses.length
  w.advance(10_000)
  t.equal(w.uses.length, told, 'nobody waits any more')
})
