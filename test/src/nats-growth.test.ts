/**
 * src/nats: a growth from one server to three that fails or is cut off in the middle.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { connect } from '../../src/nats/connection.ts'
import { finishGrowth, grow } from '../../src/nats/grow.ts'
import type { ServerStep } from '../../src/nats/steps.ts'
import { openStore } from '../../src/nats/store.ts'
import { StoreUnavailable } from '../../src/ports/store.ts'
import { systemRandom } from '../../src/system/random.ts'
import { callOf, growAll, openKeepers, openWriter } from '../kit/growth.ts'
import { accessOf, joinAs, placeOf, planCluster, urlsOf } from '../kit/servers.ts'
import { until } from '../kit/until.ts'

// Three servers each, and every write waits for the disk: one after the other.
t.setTimeout(300_000)
const bytes = (text: string): Uint8Array => Buffer.from(text)
const record = { bucket: 'manifold', replicas: 1, timeoutMs: 2_000 }

t.test('a growth that fails leaves the one server as it was', async (t) => {
  const plan = await planCluster(t, ['a', 'b', 'c'])
  const keepers = openKeepers(t, plan.hosts)
  await keepers.get('a')!.start(accessOf(plan.hosts))
  const store = await openStore(await joinAs(t, plan, plan.hosts[1]!), record)
  const writer = await openWriter(store, 'counter/one')
  const call = callOf(keepers)
  const options = {
    keeper: keepers.get('a')!,
    name: 'a',
    cluster: 'm',
    servers: plan.hosts.map(placeOf),
    access: accessOf(plan.hosts),
    random: systemRandom,
    progress: () => undefined,
  }
  const broken = (host: string, step: ServerStep): Promise<void> =>
    host === 'c' && step.step === 'prepare' ? Promise.reject(new Error('host c is away')) : call(host, step)
  await t.rejects(grow({ ...options, call: broken }), { code: 'nats_grow', message: /host c is away/ })
  t.match(
    [...keepers.values()].map((keeper) => keeper.mode().kind),
    ['alone', 'none', 'none'],
  )
  const before = writer.count()
  await until(() => writer.count() > before + 20, { what: 'writes after it' })

  // One that opens late is told later.
  let deaf = true
  const late = (host: string, step: ServerStep): Promise<void> =>
    host === 'c' && step.step === 'open' && deaf ? Promise.reject(new Error('away')) : call(host, step)
  await grow({ ...options, call: late })
  t.match(keepers.get('a')!.mode(), { kind: 'clustered', unopened: ['c'] })
  t.equal(await finishGrowth({ keeper: keepers.get('a')!, call: late }), false)
  deaf = false
  t.equal(await finishGrowth({ keeper: keepers.get('a')!, call: late }), true)
  t.match(keepers.get('c')!.mode(), { kind: 'clustered' })
  await writer.stop()
  t.strictSame(writer.faults, [])
})

t.test('hosts that all lose their process in the middle of a growth find their way', async (t) => {
  const steps = [
    ['a.prepare', 'after'],
    ['a.freeze', 'after'],
    ['a.commit', 'before'],
    ['a.commit', 'after'],
    ['b.open', 'before'],
    ['b.open', 'after'],
  ] as const
  for (const [at, when] of steps) {
    await t.test(`the record is whole when they die ${when} ${at}`, async (t) => {
      const plan = await planCluster(t, ['a', 'b', 'c'])
      const file = join(dirname(plan.hosts[0]!.home), 'plan.json')
      writeFileSync(file, JSON.stringify(plan))
      const seeded = openKeepers(t, plan.hosts)
      await seeded.get('a')!.start(accessOf(plan.hosts))
      const first = await connect({
        urls: urlsOf(plan.hosts),
        nkeySeed: plan.hosts[1]!.seed,
        ca: plan.ca,
        host: 'b',
      })
      const revision = await (await openStore(first, record)).create('app/one', bytes('1'))
      await first.close()
      await seeded.get('a')!.stop()
      const child = spawn(
        'env',
        ['-i', `HOME=${process.env['HOME'] ?? ''}`, process.execPath].concat([
          join(process.cwd(), 'test/kit/grow-until.ts'),
          file,
          at,
          when,
        ]),
        { stdio: 'ignore' },
      )
      const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
      t.equal(signal, 'SIGKILL', 'it was killed at that step')

      const keepers = openKeepers(t, plan.hosts)
      const isCommitted = keepers.get('a')!.mode().kind === 'clustered'
      t.equal(isCommitted, (at === 'a.commit' && when === 'after') || at === 'b.open')
      for (const keeper of keepers.values()) await keeper.start()
      const connection = await joinAs(t, plan, plan.hosts[1]!, { connectMsMax: 30_000 })
      const store = await openStore(connection, { ...record, ensure: false })
      const entry = await until(() => store.get('app/one').catch(() => undefined), {
        what: 'the record',
      })
      t.equal(entry.revision, revision)
      const call = callOf(keepers)
      if (isCommitted) t.equal(await finishGrowth({ keeper: keepers.get('a')!, call }), true)
      else await growAll(plan, keepers)
      t.match(
        [...keepers.values()].map((keeper) => keeper.mode().kind),
        ['clustered', 'clustered', 'clustered'],
      )
      const next = await until(
        () => store.update('app/one', bytes('2'), revision).catch((error: unknown) => notConflict(error)),
        { what: 'a write' },
      )
      t.ok(next > revision, 'compare-and-set goes on')
    })
  }
})

const notConflict = (error: unknown): undefined => {
  if (error instanceof StoreUnavailable) return undefined
  throw error
}
