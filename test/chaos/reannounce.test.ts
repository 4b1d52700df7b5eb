/**
 * A bounded run of `reannounce-200k`: a real bus that is killed twice, real router shards, real formations.
 */
import t from 'tap'
import { reannounce } from '../../scripts/chaos/reannounce/run.ts'

t.setTimeout(240_000)

t.test(
  'every shard answers for every app by its newest version, whatever it missed while the bus was away',
  async (t) => {
    const said: string[] = []
    const verdict = await reannounce(2_000, (line) => said.push(line))
    if (verdict.violations.length > 0) t.comment(said.join('\n'))
    t.strictSame(verdict.violations, [], 'none lost, none stale, none asked for again')
    t.ok(verdict.requests >= 4_000, `${verdict.requests} requests`)
    t.type(verdict.recoverMs, 'number')
  },
)
