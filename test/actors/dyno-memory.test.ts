/**
 * What is seen of a running dyno: memory against its quota, metrics in its log; and the features that it
 * starts with.
 */
import t from 'tap'
import { processEnv } from '../../actors/effects/perform/container/environment.ts'
import { loadOf, type Sample } from '../../actors/dyno/sample.ts'
import { bootTimeoutMsOf } from '../../config/features.ts'
import type { Run } from '../../actors/protocols/shapes.ts'
import { begun, phases, runOf, said, tells } from '../kit/dynos.ts'

const mb = 1024 * 1024
const using = (more: Partial<Sample>): Sample => ({
  rssBytes: 100 * mb,
  cacheBytes: 0,
  swapBytes: 0,
  pgpgin: 5,
  pgpgout: 3,
  runnable: 0,
  ...more,
})
const upDyno = (more: Partial<Run> = {}) => {
  const d = begun(more)
  d.done('container.bound')
  return d
}
/** The next look at it finds this. */
const look = (d: ReturnType<typeof upDyno>, more: Partial<Sample>): readonly string[] => {
  const before = said(d).length
  d.fire('sample')
  d.done('container.sample', using(more))
  return said(d).slice(before)
}
const kills = (d: ReturnType<typeof upDyno>): number =>
  d.ran.filter(({ name, args }) => {
    const { signal } = args as { readonly signal?: string }
    return name === 'container.signal' && signal === 'SIGKILL'
  }).length

t.test('memory over the quota is said with every look at it, and ends with it', (t) => {
  const d = upDyno()
  const firstMs = d.timers.get('sample')?.ms ?? 0
  t.ok(firstMs >= 10_000 && firstMs <= 20_000, 'not all dynos of a host at once')
  t.strictSame(look(d, { rssBytes: 512 * mb, cacheBytes: 4_000 * mb }), [], 'a cache gives way by itself')
  t.equal(d.timers.get('sample')?.ms, 20_000)
  const over = ['Process running mem=737M(144.0%)', 'Error R14 (Memory quota exceeded)']
  t.strictSame(look(d, { rssBytes: 700 * mb, swapBytes: 37.5 * mb }), over)
  t.strictSame(look(d, { rssBytes: 737.5 * mb }), over, 'again after 20 seconds')
  t.strictSame(look(d, {}), [])
  t.equal(phases(d).at(-1), 'up')
  t.equal(kills(d), 0)
  t.end()
})

t.test('memory over twice the quota is the end, and counts as a crash of the app', (t) => {
  const d = upDyno()
  t.strictSame(look(d, { rssBytes: 1_038.5 * mb }), [
    'Process running mem=1038M(202.8%)',
    'Error R15 (Memory quota vastly exceeded)',
    'Stopping process with SIGKILL',
  ])
  t.equal(kills(d), 1)
  t.strictSame(look(d, { rssBytes: 1_038.5 * mb }).length, 2, 'it is on its way out: said, not killed twice')
  t.equal(kills(d), 1)
  d.done('container.wait', { code: 137, oomKilled: false })
  t.equal(said(d).at(-1), 'Process exited with status 137')
  t.match(tells(d, 'dynoChanged').at(-1), { report: { phase: 'exited', error: 'R15' } })
  t.end()
})

t.test('what the kernel killed for memory is told like what was found so', (t) => {
  const d = upDyno({ size: 'Standard-2X' })
  d.done('container.wait', { code: 137, oomKilled: true })
  t.strictSame(said(d).slice(-4), [
    'Process running mem=2048M(200.0%)',
    'Error R15 (Memory quota vastly exceeded)',
    'Stopping process with SIGKILL',
    'Process exited with status 137',
  ])
  const other = upDyno()
  other.done('container.wait', { code: 1, oomKilled: true })
  t.notMatch(said(other).join(), /R15/, 'a process of it was killed once, and it went on until now')
  const last = upDyno()
  last.send({ type: 'stop' })
  last.fire('signal')
  last.done('container.wait', { code: 137, oomKilled: true })
  t.match(said(last).join(), /R15/, 'also while it stops')
  const stopped = upDyno()
  stopped.send({ type: 'stop' })
  stopped.fire('signal')
  stopped.fire('exit')
  stopped.done('container.wait', { code: 137, oomKilled: true })
  t.notMatch(said(stopped).join(), /R15/, 'killed because it did not stop')
  t.end()
})

t.test('log-runtime-metrics logs load and memory with each look; long windows when they are known', (t) => {
  const appId = '02adcafe-0000-4000-8000-000000000001'
  const d = upDyno({ features: ['log-runtime-metrics'], appId })
  const [load = '', memory = ''] = look(d, { runnable: 3, cacheBytes: mb / 2, swapBytes: mb })
  const who = 'source=web.1 dyno=heroku.2809007.run-1'
  t.match(load, new RegExp(`^${who} sample#load_avg_1m=0\\.\\d\\d$`))
  t.equal(
    memory,
    `${who} sample#memory_total=101.50MB sample#memory_rss=100.00MB sample#memory_cache=0.50MB ` +
      'sample#memory_swap=1.00MB sample#memory_pgpgin=5pages sample#memory_pgpgout=3pages ' +
      'sample#memory_quota=512.00MB',
  )
  d.nowMs += 300_000
  t.match(look(d, { runnable: 3 })[0], /load_avg_1m=2\.\d\d sample#load_avg_5m=\d\.\d\d$/)
  d.nowMs += 900_000
  t.match(look(d, { runnable: 3 })[0], /load_avg_1m=3\.00 .*5m=2\.\d\d sample#load_avg_15m=\d\.\d\d$/)
  t.strictSame(look(upDyno(), {}), [], 'nothing without the feature')
  t.end()
})

t.test('load is an exponential average of runnable tasks, as of 1, 5 and 15 minutes', (t) => {
  const first = loadOf(null, 0, using({ runnable: 2 }), 60_000)
  t.strictSame(
    first.averages.map((average) => average.toFixed(3)),
    ['1.264', '0.363', '0.129'],
  )
  const same = loadOf(first, 0, using({ runnable: 9 }), 30_000)
  t.strictSame(same.averages, first.averages, 'a clock that went back counts nothing')
  t.end()
})

t.test('the boot timeout is the longest that is on, and R10 says it', (t) => {
  t.equal(bootTimeoutMsOf([]), 60_000)
  t.equal(bootTimeoutMsOf(['preboot', 'boot-timeout-90', 'boot-timeout-180']), 180_000)
  const plain = begun()
  t.equal(plain.timers.get('boot')?.ms, 60_000)
  const patient = begun({ features: ['boot-timeout-120'] })
  t.equal(patient.timers.get('boot')?.ms, 120_000)
  patient.fire('boot')
  t.strictSame(said(patient).slice(-2), [
    'Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 120 seconds of launch',
    'Stopping process with SIGKILL',
  ])
  t.equal(kills(patient), 1)
  t.end()
})

t.test('runtime-dyno-metadata tells the dyno who it is; config vars may say otherwise', (t) => {
  const place = { appDir: '/app', port: 3_000, domain: 'apps.test' }
  const run = runOf('run-1', {
    features: ['runtime-dyno-metadata'],
    releasedAt: Date.UTC(2015, 3, 2, 18, 0, 42),
  })
  const env = processEnv(run, { HEROKU_APP_NAME: 'other' }, place)
  const told = Object.entries(env).filter(([name]) => name.startsWith('HEROKU_'))
  t.strictSame(Object.fromEntries(told), {
    HEROKU_APP_ID: 'app-1',
    HEROKU_APP_NAME: 'other',
    HEROKU_APP_DEFAULT_DOMAIN_NAME: 'demo.apps.test',
    HEROKU_DYNO_ID: 'run-1',
    HEROKU_RELEASE_CREATED_AT: '2015-04-02T18:00:42Z',
    HEROKU_RELEASE_VERSION: 'v3',
    HEROKU_BUILD_COMMIT: '60a874b3',
    HEROKU_BUILD_DESCRIPTION: 'Deploy',
    HEROKU_SLUG_COMMIT: '60a874b3',
    HEROKU_SLUG_DESCRIPTION: 'Deploy',
  })
  const unnamed = processEnv({ ...run, slug: { ...run.slug, description: '' } }, {}, place)
  t.equal(unnamed['HEROKU_SLUG_DESCRIPTION'], 'Deploy 60a874b3')
  t.notMatch(Object.keys(processEnv(runOf('run-1'), {}, place)).join(), 'HEROKU_')
  t.end()
})
