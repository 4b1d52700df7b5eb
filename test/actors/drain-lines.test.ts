/** A drain in any world: every line is delivered or counted, whatever the history has lost by then. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { drain } from '../../actors/logplex/drain.ts'
import { delivered, failed, history, linesOf, opening, refused, shipmentOf } from '../kit/drain-history.ts'
import { drive } from '../kit/drive.ts'

t.test('every line is delivered or counted, in order, whatever is lost on the way', async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('log' as const),
        count: fc.integer({ min: 1, max: 40 }),
        isHeard: fc.boolean(),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('answer' as const),
        how: fc.constantFrom('all', 'some', 'refused', 'failed', 'failed', 'no-room'),
      }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('time' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), keep: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('overflow' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 30 }), (steps, frameMax) => {
      const log = history()
      let driven = drive(drain, { key: 'drain-1', args: null })
      driven.send(opening)
      driven.done('history.end', log.end())
      const { line: first } = log.end()
      const got: number[] = []
      let counted = 0
      const answer = (how: string): void => {
        const [ran] = driven.ran
        if (ran?.name === 'history.read') {
          const { after } = ran.args as { after: number }
          if (how === 'failed' || how === 'no-room') driven.failed('history.read', 'store_unavailable')
          else driven.done('history.read', { batches: log.after(after).slice(0, how === 'some' ? 1 : 9) })
        } else if (ran?.name === 'drains.send') {
          const shipment = shipmentOf(ran)
          const open = linesOf(shipment)
          const count = shipment.count ?? Math.min(open.length, how === 'some' ? 1 : frameMax)
          assert(count > 0 && count <= open.length, 'a frame has lines')
          if (how === 'failed') return driven.done('drains.send', failed(count))
          if (how === 'no-room') return driven.done('drains.send', failed(count, { room: 120 }))
          if (how === 'refused') return driven.done('drains.send', refused(count))
          counted += shipment.loss?.count ?? 0
          got.push(...open.slice(0, count))
          driven.done('drains.send', delivered(count))
        }
      }
      const tick = (): void => {
        const [name] = driven.timers.keys()
        if (name !== undefined) driven.fire(name)
      }
      for (const one of steps) {
        if (one.do === 'log') {
          const batch = log.append(one.count)
          if (one.isHeard) driven.send({ type: 'stored', batch })
        } else if (one.do === 'answer') answer(one.how)
        else if (one.do === 'time') tick()
        else if (one.do === 'trim') log.kept.splice(0, Math.max(0, log.kept.length - one.keep))
        else if (one.do === 'overflow') driven.lost(1)
        // What was under way had not arrived.
        else driven = drive(drain, { key: 'drain-1', args: null, saved: driven.saved()! })
      }
      // The last line, and then as much time as it takes.
      driven.send({ type: 'stored', batch: log.append(1) })
      for (let rounds = 0; rounds < 5_000 && (driven.ran.length > 0 || driven.timers.size > 0); rounds++)
        if (driven.ran.length > 0) answer('all')
        else tick()
      const { line: end } = log.end()
      assert.equal(got.at(-1), end - 1, 'it came to the end')
      assert.deepEqual(
        got,
        [...new Set(got)].sort((a, b) => a - b),
        'each once and in order',
      )
      assert.equal(got.length + counted, end - first, 'delivered and counted are all')
    }),
    { numRuns: 400 },
  )
})
