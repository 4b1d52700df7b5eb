/** The pool of requests that each account has. */
import t from 'tap'
import { createRateLimits } from '../../actors/api/rate-limits.ts'

const poolMax = 4_500
const minuteMs = 60_000

t.test('a pool is filled again at 75 requests a minute, and never above its size', async (t) => {
  let nowMs = 0
  const rates = createRateLimits(() => nowMs)
  for (let n = 0; n < poolMax; n += 1) rates.take('ann')
  t.notOk(rates.take('ann'))
  t.equal(rates.remaining('bob'), poolMax, 'each has one of its own')
  nowMs += minuteMs
  t.equal(rates.remaining('ann'), 75)
  t.ok(rates.take('ann'))
  nowMs += 24 * 60 * minuteMs
  t.equal(rates.remaining('ann'), poolMax)
  nowMs -= minuteMs
  t.equal(rates.remaining('ann'), poolMax, 'a clock that goes back takes nothing')
})
