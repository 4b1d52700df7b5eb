/** Patience of the API: what is tried again because nothing was done, and what never is. */
import t from 'tap'
import type { Edge } from '../../actors/api/edge.ts'
import { patient, patientReads, patientTrail } from '../../actors/api/patience.ts'
import { App } from '../../actors/protocols/app.ts'
import { StoreUnavailable } from '../../src/ports/store.ts'
import { ref, type AskFailure } from '../../src/runtime/index.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { memoryTrail } from '../kit/memory-trail.ts'
import { memoryStore } from '../kit/memory-store.ts'

t.test(
  'an ask that surely nobody handled is asked again for some seconds, any other failure is not',
  async (t) => {
    const clock = virtualClock()
    const to = ref(App, 'an-app')
    const asked: number[] = []
    const failing = (failures: readonly AskFailure[]): Edge['ask'] => {
      const left = [...failures]
      return (async () => {
        asked.push(clock.now())
        const failure = left.shift()
        if (failure !== undefined) throw Object.assign(new Error('the ask failed'), failure)
        return 'answered'
      }) as unknown as Edge['ask']
    }
    const outcome = async (failures: readonly AskFailure[]): Promise<unknown> => {
      asked.length = 0
      const run = { isOver: false }
      const promise = patient(clock, failing(failures))(to, { type: 'info' }, { timeoutMs: 1_000 })
        .catch((error: unknown) => error)
        .finally(() => (run.isOver = true))
      while (!run.isOver) {
        await new Promise((resolve) => setImmediate(resolve))
        if (!run.isOver) clock.step(Infinity)
      }
      return promise
    }
    const nobody = { kind: 'nobody', reason: 'unreachable' } as const
    t.equal(await outcome([nobody, nobody]), 'answered')
    t.equal(asked.length, 3)
    t.match(await outcome(Array.from({ length: 100 }, () => nobody)), nobody)
    const [first = 0, last = 0] = [asked[0], asked.at(-1)]
    t.ok(last - first > 5_000 && last - first <= 8_000, `it gave up after ${last - first} ms`)
    for (const failure of [
      { kind: 'unknown', reason: 'timeout' },
      { kind: 'nobody', reason: 'malformed' },
      { kind: 'refused', code: 'no_room', reason: 'full' },
    ] as const) {
      t.match(await outcome([failure]), failure)
      t.equal(asked.length, 1)
    }
  },
)

t.test('a read that the store could not answer is made again for some seconds, a write is not', async (t) => {
  const clock = virtualClock()
  const real = memoryStore()
  let away = 3
  let tries = 0
  const flaky = <T>(work: () => Promise<T>): Promise<T> => {
    tries += 1
    return away-- > 0 ? Promise.reject(new StoreUnavailable('away', 'no')) : work()
  }
  const store = patientReads(clock, {
    ...real,
    get: (key) => flaky(() => real.get(key)),
    list: (prefix) => flaky(() => real.list(prefix)),
    create: (key, value) => flaky(() => real.create(key, value)),
  })
  const ended = async <T>(work: Promise<T>): Promise<T> => {
    const run = { isOver: false }
    const over = (): void => void (run.isOver = true)
    work.then(over, over)
    while (!run.isOver) {
      await new Promise((resolve) => setImmediate(resolve))
      if (!run.isOver) clock.step(Infinity)
    }
    return work
  }
  t.equal(await ended(store.get('nothing')), undefined)
  t.equal(tries, 4)
  away = 1
  t.same(await ended(store.list('none/')), [])
  ;[away, tries] = [1, 0]
  await t.rejects(ended(store.create('key', new Uint8Array())), { name: 'StoreUnavailable' })
  t.equal(tries, 1)
  away = Number.POSITIVE_INFINITY
  await t.rejects(ended(store.get('key')), { name: 'StoreUnavailable' })
})

t.test('a line of the trail is written as soon as it can be', async (t) => {
  const clock = virtualClock()
  const inner = memoryTrail()
  const trail = patientTrail(clock, { ...inner, add: (key, bytes) => inner.add(key, bytes) })
  inner.away = true
  const added = trail.add('app', Buffer.from('line'))
  for (let n = 0; n < 3; n += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    clock.step(Infinity)
  }
  inner.away = false
  await new Promise((resolve) => setImmediate(resolve))
  clock.step(Infinity)
  t.equal(await added, 1)
})
