/**
 * What dynos cost: counted in the formation's record, handed to the usage record day by day, reported by
 * month. Random histories are held against a reckoning that knows slots and a calendar and nothing else.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { performUsage } from '../../actors/effects/perform/usage.ts'
import type { EcoQuota } from '../../actors/effects/usage.ts'
import { formation } from '../../actors/formation.ts'
import { formationFormat, formationRecord } from '../../actors/formation/kept.ts'
import { entered, lastOver, metered } from '../../actors/formation/meter.ts'
import { formed, type Formed, type Slot } from '../../actors/formation/record.ts'
import { freshSlot } from '../../actors/formation/rollout.ts'
import { dayOf, monthOf } from '../../actors/usage/days.ts'
import { decodeUsage, usageKey } from '../../actors/usage/record.ts'
import { monthOfAll, usageReports } from '../../actors/usage/report.ts'
import { plus } from '../../actors/usage/spent.ts'
import { StoreConflict, StoreUnavailable, type Entry, type Store } from '../../src/ports/store.ts'
import { openStore } from '../../src/nats/store.ts'
import { noReminders, recordKey } from '../../src/runtime/record.ts'
import { openBus } from '../kit/bus.ts'
import { drive } from '../kit/drive.ts'
import { by, releaseOf, slug } from '../kit/formations.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { perform } from '../kit/perform.ts'

const hourMs = 3_600_000
const at = (text: string): number => Date.parse(`${text}Z`)
const appId = 'app-1'

const slotOf = (name: string, size = 'Basic', more: Partial<Slot> = {}): Slot => ({
  ...freshSlot(name, 0),
  type: name.slice(0, name.indexOf('.')),
  size,
  ...more,
})
const withSlots = (f: Formed, slots: readonly Slot[], now: number): Formed =>
  metered(f, { ...f, slots: [...slots] }, now)
const entryOf = (f: Formed): Entry => {
  const key = recordKey('formation', appId)
  return { key, value: formationFormat.encode(f, noReminders, 'w'.repeat(26), [])!, revision: 1 }
}
const month = (f: Formed, records: readonly Entry[], name: string, now: number) =>
  monthOfAll([entryOf(f)], records, name, now)[0]?.spent ?? []

t.test('a slot costs from when it appears until it is gone, at the size that it had', (t) => {
  const from = at('2026-11-10T12:00:00')
  let f = withSlots(formed('shop'), [slotOf('web.1'), slotOf('web.2'), slotOf('worker.1', 'Eco')], from)
  // Crashed, restarted, moved: none of it matters.
  f = withSlots(
    f,
    [slotOf('web.1'), slotOf('web.2', 'Basic', { state: 'crashed' }), slotOf('worker.1', 'Eco')],
    from + 500,
  )
  t.equal(f.meter?.at, from, 'nothing else is billed: the record says nothing new')
  f = withSlots(
    f,
    [slotOf('web.1'), slotOf('web.2', 'Standard-2X'), slotOf('worker.1', 'Eco', { state: 'idle' })],
    from + hourMs,
  )
  f = withSlots(f, [slotOf('web.1')], from + 3 * hourMs)
  t.same(month(f, [], '2026-11', from + 4 * hourMs), [
    ['web', 'Basic', 2 * hourMs + 2 * hourMs + hourMs],
    ['worker', 'Eco', hourMs],
    ['web', 'Standard-2X', 2 * hourMs],
  ])
  t.same(month(f, [], '2026-12', from + 4 * hourMs), [], 'another month')
  t.end()
})

t.test('a one-off costs from its start to its end, not while it waits or is shown', (t) => {
  const from = at('2026-11-10T12:00:00')
  const oneOff = { release: null as never, env: {}, attach: null, timeToLiveMs: null }
  const run = { phase: 'placing', host: null } as unknown as NonNullable<Slot['run']>
  const waiting = slotOf('run.1', 'Basic', { oneOff, run })
  const states = [
    waiting,
    { ...waiting, run: { ...run, phase: 'sent' as const } },
    { ...waiting, state: 'up' as const, run: { ...run, phase: 'up' as const } },
    { ...waiting, state: 'complete' as const, run: null },
  ]
  let f = formed('shop')
  for (const [index, slot] of states.entries()) f = withSlots(f, [slot], from + index * 1000)
  const { today } = f.meter!
  t.same(today, [['run', 'Basic', 2000]])
  t.end()
})

t.test('a clock that goes back makes nothing negative and counts nothing twice', (t) => {
  const from = at('2026-11-10T12:00:00')
  let f = withSlots(formed('shop'), [slotOf('web.1')], from)
  f = withSlots(f, [slotOf('web.1'), slotOf('web.2')], from + 10_000)
  f = withSlots(f, [slotOf('web.1')], from - hourMs)
  t.same(month(f, [], '2026-11', from - hourMs), [['web', 'Basic', 10_000]])
  t.same(month(f, [], '2026-11', from + 15_000), [['web', 'Basic', 15_000]])
  t.end()
})

t.test('more kinds in a day than a record holds are added up by size', (t) => {
  const many = Array.from({ length: 500 }, (_, index): [string, string, number] => [`t${index}`, 'Basic', 2])
  const sum = plus([], many)
  t.ok(sum.length <= 201)
  t.equal(
    sum.reduce((ms, row) => ms + row[2], 0),
    1000,
  )
  t.same(sum.at(-1)?.slice(0, 2), ['other', 'Basic'])
  t.same(plus(sum, [['t499', 'Basic', 1]]).at(-1), ['other', 'Basic', (sum.at(-1)?.[2] ?? 0) + 1])
  t.end()
})

/** One slot's life, as somebody with a watch writes it down. */
type Life = { readonly kind: string; readonly from: number; to: number }
/** What overlaps a month, by kind. */
const reckoned = (lives: readonly Life[], name: string, now: number): Record<string, number> => {
  const [year, number] = name.split('-').map(Number) as [number, number]
  const [first, end] = [Date.UTC(year, number - 1, 1), Date.UTC(year, number, 1)]
  const sum: Record<string, number> = {}
  for (const { kind, from, to } of lives) {
    const ms = Math.min(to, end, now) - Math.max(from, first)
    if (ms > 0) sum[kind] = (sum[kind] ?? 0) + ms
  }
  return sum
}
const sumOf = (spent: readonly (readonly [string, string, number])[]): Record<string, number> =>
  Object.fromEntries(spent.map(([type, size, ms]) => [`${type} ${size}`, ms]))

const step = fc.record({
  waitMs: fc.oneof(fc.nat(5_000), fc.nat(26 * hourMs), fc.nat(40 * 24 * hourMs)),
  slots: fc.uniqueArray(
    fc.record({
      name: fc.constantFrom('web.1', 'web.2', 'web.3', 'worker.1', 'clock.1'),
      size: fc.constantFrom('Eco', 'Basic', 'Standard-2X'),
      isIdle: fc.boolean(),
    }),
    { selector: ({ name }) => name },
  ),
  /** What becomes of days that are over: entered, entered with the answer lost, or not at all. */
  hand: fc.constantFrom('done', 'unheard', 'failed'),
  destroys: fc.constantFrom(false, false, false, false, true),
})

t.test('any history of slots costs what a watch and a calendar say, without gap or double', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 12 }),
      fc.nat(30 * 24 * hourMs),
      async (steps, startMs) => {
        const store = memoryStore()
        let now = at('2027-11-28T23:00:00') + startMs
        const effects = performUsage(store, () => now)
        let f = formed('shop')
        const lives: Life[] = []
        const open = new Map<string, Life>()
        const months = new Set<string>()
        const look = (): void => void months.add(monthOf(dayOf(now)))
        for (const { waitMs, slots, hand, destroys } of steps) {
          look()
          now += waitMs
          const next = destroys ? [] : slots.filter(({ isIdle }) => !isIdle)
          for (const life of open.values()) life.to = now
          for (const [name, life] of open) {
            const slot = next.find((one) => one.name === name)
            if (slot === undefined || life.kind !== `${name.split('.')[0]} ${slot.size}`) open.delete(name)
          }
          for (const { name, size } of next) {
            if (open.has(name)) continue
            const life: Life = { kind: `${name.split('.')[0]} ${size}`, from: now, to: now }
            open.set(name, life)
            lives.push(life)
          }
          const stated = destroys
            ? []
            : slots.map(({ name, size, isIdle }) => slotOf(name, size, isIdle ? { state: 'idle' } : {}))
          f = metered(f, { ...f, slots: stated, destroying: destroys }, now)
          // Every write is read again, as after a crash.
          f = formationFormat.decode(entryOf(f).value, 'f').state as Formed
          const last = lastOver(f)
          if (last !== undefined && hand !== 'failed') {
            await perform(effects, 'usage.enter', { appId, appName: f.appName, over: f.meter!.over })
            if (hand === 'done') f = entered(f, last)
          }
          if (destroys) break
        }
        look()
        for (const name of months) {
          const later = now + 1234
          for (const life of open.values()) life.to = later
          const records = await store.list(`usage/${name}/`)
          assert.deepEqual(sumOf(month(f, records, name, later)), reckoned(lives, name, later), name)
          // Once all is handed over, the record alone says the same of an app that is gone.
          if (!f.destroying) continue
          await perform(effects, 'usage.enter', { appId, appName: 'shop', over: f.meter?.over ?? [] })
          const kept = monthOfAll([], await store.list(`usage/${name}/`), name, later)
          assert.deepEqual(sumOf(kept[0]?.spent ?? []), reckoned(lives, name, later), `${name}, destroyed`)
        }
      },
    ),
    { numRuns: 150 },
  )
})

const release = { ...releaseOf(3), slug: { ...slug, processTypes: { web: 'web' } } }

t.test('a day that is over is held until the usage record has it, and asked for again', (t) => {
  const f = drive(formation, { key: appId, args: undefined, nowMs: at('2026-11-30T20:00:00') })
  f.send({ type: 'open', appName: 'shop' })
  f.send({ type: 'released', release, by })
  f.nowMs += 6 * hourMs
  t.equal(f.ran.filter(({ name }) => name === 'usage.enter').length, 0)
  f.send({ type: 'scale', updates: [{ type: 'web', quantity: '2' }], by })
  const [asked] = f.ran.filter(({ name }) => name === 'usage.enter')
  const day = dayOf(at('2026-11-30T00:00:00'))
  t.same(asked?.args, {
    appId,
    appName: 'shop',
    over: [{ day, days: 1, spent: [['web', 'Basic', 4 * hourMs]] }],
  })
  f.failed('usage.enter', 'store_unavailable')
  t.equal(f.state.f?.meter?.over.length, 1, 'it is held')
  f.fire('reconcile')
  // Its activation ends with the question open: the next one asks again.
  const next = drive(formation, { key: appId, args: undefined, saved: f.saved()!, nowMs: f.nowMs })
  next.fire('reconcile')
  next.done('usage.enter')
  t.same(next.state.f?.meter?.over, [])
  t.same(next.state.f?.meter?.today, [['web', 'Basic', 2 * hourMs]])
  t.end()
})

t.test('an app is gone only when what it cost is on record', (t) => {
  const f = drive(formation, { key: appId, args: undefined, nowMs: at('2026-11-30T20:00:00') })
  f.send({ type: 'open', appName: 'shop' })
  f.send({ type: 'released', release, by })
  f.nowMs += 1500
  t.equal(f.send({ type: 'destroy' }), undefined)
  t.ok(f.saved(), 'its record is there')
  t.match(f.ran.find(({ name }) => name === 'usage.enter')?.args, {
    over: [{ spent: [['web', 'Basic', 1500]] }],
  })
  f.nowMs += 48 * hourMs
  f.failed('usage.enter', 'store_unavailable')
  f.fire('reconcile')
  t.match(f.ran.find(({ name }) => name === 'usage.enter')?.args, {
    over: [{ spent: [['web', 'Basic', 1500]] }],
  })
  f.done('usage.enter')
  t.equal(f.saved(), undefined)
  t.match(f.replies.at(-1), { type: 'destroy', value: {} })
  t.end()
})

t.test('dynos of a record from before anything was counted are counted from the first look on', (t) => {
  const now = at('2026-11-30T20:00:00')
  const saved = formationRecord.save({ ...formed('shop'), slots: [slotOf('web.1')] })!
  const f = drive(formation, { key: appId, args: undefined, saved, nowMs: now })
  f.fire('reconcile')
  t.same(month(f.state.f!, [], '2026-11', now + 5000), [['web', 'Basic', 5000]])
  t.end()
})

t.test(
  'a day on record stays as it was, whoever comes late, and every conflict is tried again',
  async (t) => {
    const store = memoryStore()
    let lost = 1
    const racing: Store = {
      ...store,
      update: async (key, value, revision) => {
        if (lost-- > 0) throw new StoreConflict('somebody was first')
        return store.update(key, value, revision)
      },
    }
    const effects = performUsage(racing, () => 0)
    const day = dayOf(at('2026-11-29T00:00:00'))
    const enter = (from: number, days: number, ms: number) =>
      perform(effects, 'usage.enter', {
        appId,
        appName: 'shop',
        over: [{ day: from, days, spent: [['web', 'Basic', ms]] }],
      })
    await enter(day, 1, 1)
    await enter(day, 4, 2)
    const days = async (name: string) => decodeUsage((await store.get(usageKey(name, appId)))!.value).days
    t.same(await days('2026-11'), {
      '2026-11-29': [['web', 'Basic', 1]],
      '2026-11-30': [['web', 'Basic', 2]],
    })
    t.same(Object.keys(await days('2026-12')), ['2026-12-01', '2026-12-02'])
    const before = (await store.get(usageKey('2026-12', appId)))!.revision
    await enter(day, 4, 3)
    t.equal(
      (await store.get(usageKey('2026-12', appId)))!.revision,
      before,
      'nothing new: nothing is written',
    )
    t.throws(() => decodeUsage(Buffer.from('{"days":[]}')), RangeError)
  },
)

t.test('the pool of Eco hours is what all apps took of it this month', async (t) => {
  const inner = memoryStore()
  let away = true
  const store: Store = {
    ...inner,
    list: async (prefix) => {
      if (away) throw new StoreUnavailable('away', 'no')
      return inner.list(prefix)
    },
  }
  let now = at('2026-11-20T00:00:00')
  const effects = performUsage(store, () => now)
  await t.rejects(perform(effects, 'usage.quota', {}), { code: 'store_unavailable' })
  away = false
  for (const [id, size] of [
    ['a', 'Eco'],
    ['b', 'Eco'],
    ['c', 'Basic'],
  ] as const) {
    const f = withSlots(formed(id), [slotOf('web.1', size)], at('2026-10-30T00:00:00'))
    await inner.create(recordKey('formation', id), entryOf(f).value)
  }
  const usedMs = 2 * 19 * 24 * hourMs
  const first = await perform<EcoQuota>(effects, 'usage.quota', {})
  t.same(first, { limitMs: 1000 * hourMs, usedMs, leftMs: 1000 * hourMs - usedMs })
  now += 1000
  t.same(await perform(effects, 'usage.quota', {}), first, 'the same for a moment')
  now = at('2026-11-30T00:00:00')
  t.equal((await perform<EcoQuota>(effects, 'usage.quota', {})).leftMs, 0, 'never below nothing')
})

t.test('the real store keeps it, lists a month, and says the same', async (t) => {
  const bus = await openBus(t)
  const store = await openStore(await bus.join('h1'), { bucket: 'manifold', replicas: 1 })
  let now = at('2026-11-30T22:00:00')
  const effects = performUsage(store, () => now)
  let f = withSlots(formed('shop'), [slotOf('web.1', 'Eco')], now)
  now += 4 * hourMs
  f = withSlots(f, [slotOf('web.1', 'Eco'), slotOf('web.2', 'Eco')], now)
  await store.create(recordKey('formation', appId), entryOf(f).value)
  await perform(effects, 'usage.enter', { appId, appName: 'shop', over: f.meter!.over })
  await perform(effects, 'usage.enter', { appId: 'gone', appName: 'old', over: f.meter!.over })
  const used = async (name: string) =>
    (await usageReports(store, () => now + hourMs).month(name)).apps.map(({ appName, isThere, spent }) => [
      appName,
      isThere,
      sumOf(spent),
    ])
  t.same(await used('2026-11'), [
    ['shop', true, { 'web Eco': 2 * hourMs }],
    ['old', false, { 'web Eco': 2 * hourMs }],
  ])
  t.same(await used('2026-12'), [['shop', true, { 'web Eco': 4 * hourMs }]])
  t.same((await usageReports(store, () => now).month('2026-11', 'gone')).apps.length, 1, 'of one app')
})
