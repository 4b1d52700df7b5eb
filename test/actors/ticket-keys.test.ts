/** Keys that TLS sessions are resumed by: the same for all shards of a host, and others after half a day. */
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openTicketKeys } from '../../actors/main/ticket-keys.ts'
import { scratch } from '../kit/files.ts'

t.test('shards of a host have the same keys, and change them together', async (t) => {
  const folder = await scratch(t)
  const state = { nowMs: 1_700_000_000_000 }
  const timers: (() => void)[] = []
  const clock = {
    now: () => state.nowMs,
    monotonicMs: () => state.nowMs,
    after: (_ms: number, run: () => void) => {
      timers.push(run)
      return { cancel: () => undefined }
    },
    soon: (run: () => void) => run(),
  }
  const pass = (ms: number): void => {
    state.nowMs += ms
    for (const run of timers.splice(0)) run()
  }
  const log = (fields: object): void => void t.fail(JSON.stringify(fields))
  const open = () => openTicketKeys({ folder, clock, log })
  const [one, other] = [open(), open()]
  let changes = 0
  const quiet = other.onChange(() => void (changes += 1))
  const first = one.now()
  t.equal(first.length, 48)
  t.same(other.now(), first)
  t.equal(statSync(join(folder, 'tickets.key')).mode & 0o077, 0)
  pass(11 * 3_600_000)
  t.same([one.now(), open().now(), changes], [first, first, 0], 'also for one that starts anew')
  pass(3_600_000)
  t.notSame(one.now(), first)
  t.same(other.now(), one.now())
  t.equal(changes, 1)
  const second = one.now()
  writeFileSync(join(folder, 'tickets.key'), 'broken')
  pass(60_000)
  t.notSame(one.now(), second)
  t.same(other.now(), one.now())
  quiet()
  pass(12 * 3_600_000)
  t.equal(changes, 2)
  t.notOk(existsSync(join(folder, `tickets.key.${process.pid}`)))
})
