/** The pace of a log: how much of what a container prints passes, by the times at which it was printed. */
import t from 'tap'
import { makePace } from '../../src/oci/pace.ts'

t.test('a pace lets a burst pass, and then so much a second, a second at a time', async (t) => {
  const pace = makePace({ linesPerSecond: 10, bytesPerSecond: 1_000, burstSeconds: 3 })
  const passed = (lines: number, bytes: number, atMs: number): number =>
    Array.from({ length: lines }, () => pace.admits(1, bytes, atMs)).filter(Boolean).length
  t.equal(passed(100, 1, 0), 30, 'the burst')
  t.equal(passed(100, 1, 900), 0)
  t.equal(passed(100, 1, 1_000), 10, 'a second later')
  t.equal(passed(5, 200, 2_500), 5, 'what is there also passes as fewer long ones')
  t.equal(passed(100, 400, 2_500), 5, 'though no more of them than their bytes')
  t.equal(passed(100, 1, 3_000), 0)
  t.equal(passed(100, 1, 1_000_000), 30, 'rested, for one burst and no more')
  t.equal(passed(1, 1, 999_000), 0, 'a clock that was set back gives nothing')
  t.equal(passed(100, 1, 1_000_000), 10)
  const flood = makePace({ linesPerSecond: 10, bytesPerSecond: 1_000, burstSeconds: 3 })
  let lines = 0
  for (let atMs = 0; atMs < 60_000; atMs++) if (flood.admits(1, 50, atMs)) lines++
  t.ok(lines > 600 && lines <= 630, `${lines} lines in a minute`)
})
