/**
 * Builds: one is compiled where it was pushed to, on record for every host, and not pending for ever when its
 * host dies.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { access, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { build } from '../../actors/build.ts'
import { builds } from '../../actors/builds.ts'
import { buildsUnderWay, performBuildRecords } from '../../actors/effects/perform/build-records.ts'
import { buildThrough } from '../../actors/main/push.ts'
import { buildIn, buildKey } from '../../actors/protocols/build-record.ts'
import { Releases } from '../../actors/protocols/releases.ts'
import { releases } from '../../actors/releases.ts'
import { Build, type BuildView } from '../../actors/protocols/build.ts'
import type { Effects } from '../../src/ports/effects.ts'
import { StoreUnavailable, type Store } from '../../src/ports/store.ts'
import { child, dynamic, keyed, ref, refAt, supervise } from '../../src/runtime/index.ts'
import { AskFailed } from '../../src/runtime/errors.ts'
import { drive, textsOf } from '../kit/drive.ts'
import { files, scratch } from '../kit/files.ts'
import { Lab } from '../kit/lab.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { perform } from '../kit/perform.ts'
import { slugOf } from '../kit/runs.ts'

const by = { id: 'u1', email: 'me@example.com' }
const source = { version: 'c0ffee1234', sourceDir: '/builds/source-1', submodules: [] }
const job = { appId: 'a1', appName: 'shop', ...source, by }
const begun = () => drive(build, { key: 'b1', args: job })

/** On record, described, and compiling. */
const compiling = () => {
  const b = begun()
  b.done('builder.keep')
  b.answered('info', { buildpacks: ['heroku/nodejs'], buildStack: 'heroku-24' })
  b.answered('turn', { ahead: 0 })
  b.answered('current', { release: { configId: 'cfg' } })
  return b
}

t.test('a build is on record before it compiles, and its end before anybody is told', async (t) => {
  const b = begun()
  t.match(b.ran, [{ name: 'builder.keep', args: { view: { id: 'b1', status: 'pending' } } }])
  t.strictSame(b.asked, [], 'nothing else yet')
  t.equal(b.send({ type: 'finished' }), undefined)
  b.done('builder.keep')
  b.answered('info', { buildpacks: ['heroku/nodejs'], buildStack: 'heroku-24' })
  b.answered('turn', { ahead: 0 })
  b.answered('current', { release: { configId: 'cfg' } })
  t.match(b.ran, [{ name: 'builder.compile', args: { buildId: 'b1', stack: 'heroku-24', configId: 'cfg' } }])
  b.done('builder.compile', { slug: { ...slugOf('5'), id: 's1' } })
  t.match(b.asked, [{ message: { type: 'deploy', description: 'Deploy c0ffee12' } }])
  b.answered('deploy', { id: 'r7', version: 7, status: 'succeeded' })
  t.match(b.ran, [
    { name: 'builder.conclude', args: { outcome: { version: 7 } } },
    { name: 'builder.keep', args: { view: { status: 'succeeded', slugId: 's1', releaseVersion: 7 } } },
  ])
  t.strictSame(b.replies, [], 'not on record yet')
  b.failed('builder.keep', 'store_unavailable')
  b.fire('again')
  b.done('builder.keep')
  t.match(b.replies, [{ type: 'finished', value: { status: 'succeeded', releaseId: 'r7' } }])
  t.match(b.send({ type: 'finished' }), { value: { status: 'succeeded' } }, 'who asks late is answered')
  t.match(textsOf(b), ['Build started by user me@example.com', 'Build succeeded'])
  b.fire('over')
  t.equal(b.stopped, 'normal')
})

t.test('a failed build says so once; a store that stays away holds nobody up for ever', async (t) => {
  const b = compiling()
  b.send({ type: 'finished' })
  b.failed('builder.compile', 'COMPILE_FAILED', 'npm')
  t.match(b.ran, [{ name: 'builder.conclude', args: { outcome: { code: 'COMPILE_FAILED' } } }, {}])
  b.send({ type: 'failed', code: 'late', reason: 'late' })
  t.equal(b.ran.length, 2)
  for (let tries = 0; tries < 100 && b.replies.length === 0; tries++) {
    b.failed('builder.keep', 'store_unavailable')
    if (b.timers.has('again')) b.fire('again')
  }
  t.match(b.replies, [{ value: { status: 'failed' } }])
  t.match(textsOf(b).at(-1), /Build failed/)

  const unkept = begun()
  for (let tries = 0; tries < 100 && !unkept.timers.has('over'); tries++) {
    unkept.failed('builder.keep', 'store_unavailable')
    if (unkept.timers.has('again')) unkept.fire('again')
  }
  t.match(
    unkept.send({ type: 'finished' }),
    { value: { status: 'failed' } },
    'never on record, never compiled',
  )
  const deaf = begun()
  deaf.done('builder.keep')
  for (let tries = 0; tries < 100 && deaf.ran.length < 2; tries++) {
    deaf.askFailed('info', { kind: 'unknown', reason: 'timeout' })
    if (deaf.timers.has('askAgain')) deaf.fire('askAgain')
  }
  t.match(deaf.ran, [{ args: { outcome: { code: 'platform' } } }, { args: { view: { status: 'failed' } } }])
})

t.test("an app's first deploy sets the config vars of its buildpack before its release", async (t) => {
  const first = (slug: unknown) => {
    const b = begun()
    b.done('builder.keep')
    b.answered('info', { buildpacks: [], buildStack: 'heroku-24' })
    b.answered('turn', { ahead: 0 })
    b.answered('current', { release: { configId: '', slug } })
    return b
  }
  t.match(first(slugOf('1')).ran.at(-1), { name: 'builder.compile', args: { isFirst: false } })
  const b = first(null)
  t.match(b.ran.at(-1), { name: 'builder.compile', args: { isFirst: true } })
  b.done('builder.compile', {
    slug: { ...slugOf('5'), id: 's1' },
    buildpacks: ['heroku/ruby'],
    detected: 'heroku/ruby',
    configVars: { RACK_ENV: 'production' },
  })
  const set = { message: { type: 'setConfig', patch: { RACK_ENV: 'production' }, build: 'b1' } }
  t.match(b.asked, [set])
  b.askFailed('setConfig', { kind: 'unknown', reason: 'timeout' })
  b.fire('askAgain')
  b.askFailed('setConfig', { kind: 'refused', code: 'conflict', reason: 'busy' })
  b.fire('askAgain')
  t.match(b.asked, [set])
  b.answered('setConfig', { version: 3, configId: 'c3', changed: true })
  t.match(b.asked, [{ message: { type: 'deploy' } }])
  b.askFailed('deploy', { kind: 'refused', code: 'conflict', reason: 'busy' })
  b.fire('askAgain')
  t.match(b.asked, [{ message: { type: 'deploy' } }], 'they are not set twice')
  const facts = () => b.told.filter(({ message }) => message.type === 'built')
  t.strictSame(facts(), [], 'nothing is said of the app before its release')
  b.answered('deploy', { id: 'r4', version: 4, status: 'succeeded' })
  t.match(facts(), [{ message: { type: 'built', detected: 'heroku/ruby' } }], 'the app keeps to it')
  t.match(b.ran.at(-1), { args: { view: { status: 'succeeded', buildpacks: ['heroku/ruby'] } } })
})

t.test('a build of an archive is begun once on record, and known by itself without a version', async (t) => {
  const archive = { url: 'https://a/b.tgz', checksum: null, description: 'a fix', object: null }
  const buildpacks = ['https://github.com/me/pack']
  const b = drive(build, {
    key: 'b1234567-89ab',
    args: { ...job, version: '', sourceDir: '', archive, buildpacks },
  })
  const view = { host: 'host-1', archive: { url: archive.url, checksum: null, description: 'a fix' } }
  t.equal(b.send({ type: 'begun' }), undefined, 'not on record yet')
  b.done('builder.keep')
  t.match(b.replies, [{ type: 'begun', value: { status: 'pending', ...view } }])
  t.match(b.send({ type: 'begun' }), { value: { status: 'pending' } })
  b.answered('info', { buildpacks: ['heroku/nodejs'], buildStack: 'heroku-24' })
  b.answered('turn', { ahead: 0 })
  b.answered('current', { release: { configId: 'cfg' } })
  t.match(b.ran.at(-1), { name: 'builder.compile', args: { archive, buildpacks, sourceDir: '' } })
  b.done('builder.compile', { slug: { ...slugOf('5'), id: 's1' } })
  t.match(b.asked, [{ message: { type: 'deploy', description: 'Deploy b1234567' } }])
  b.answered('deploy', { id: 'r7', version: 7, status: 'succeeded' })
  t.match(b.ran, [{ name: 'builder.conclude', args: { isPush: false } }, { args: { view } }])
})

t.test('a pusher that goes away ends the compilation, also before it began', async (t) => {
  const b = compiling()
  b.send({ type: 'cancel' })
  t.match(b.ran, [{ name: 'builder.compile' }, { name: 'builder.cancel' }])
  b.failed('builder.compile', 'CANCELLED')
  b.send({ type: 'cancel' })
  t.notMatch(b.ran.slice(-1), [{ name: 'builder.cancel' }])
  const early = begun()
  early.send({ type: 'cancel' })
  early.done('builder.keep')
  early.answered('info', { buildpacks: [], buildStack: 'heroku-24' })
  early.answered('turn', { ahead: 0 })
  t.match(early.ran.at(-1), { name: 'builder.keep', args: { view: { status: 'failed' } } })
})

const noStream = (): void => undefined
const view = (change: Partial<BuildView> = {}): BuildView => ({
  id: 'b1',
  appId: 'a1',
  status: 'pending',
  version: 'c0ffee',
  by,
  buildpacks: [],
  stack: '',
  slugId: null,
  releaseId: null,
  releaseVersion: null,
  createdAt: 1_000,
  updatedAt: 1_000,
  ...change,
})

t.test(
  'records of builds can be read anywhere; what a host lost is put right by its next life',
  async (t) => {
    const home = await scratch(t)
    const store = memoryStore()
    const now = 2_000
    const ended: string[] = []
    const lost = {
      settle: async (_: string, id: string) => {
        const entry = await store.get(buildKey('a1', id))
        const build = entry && buildIn(entry.value)
        if (entry && build?.status === 'pending') {
          const value = Buffer.from(JSON.stringify({ ...build, status: 'failed' }))
          await store.update(entry.key, value, entry.revision)
        }
        return entry && buildIn((await store.get(entry.key))!.value)
      },
    }
    const told: string[] = []
    const rest = {
      home,
      now: () => now,
      begun: noStream,
      ended: (id: string, words: string) => void ended.push(`${id}${words}`),
      isGone: () => false,
      lost,
      told: async ({ id, status }: BuildView) => void told.push(`${id} ${status}`),
    }
    const effects = performBuildRecords({ ...rest, store })
    const read = async (id: string): Promise<BuildView | undefined> => {
      const entry = await store.get(buildKey('a1', id))
      return entry && buildIn(entry.value)
    }
    const keep = (one: BuildView, sourceDir = '/none'): Promise<void> =>
      perform(effects, 'builder.keep', { view: one, sourceDir })
    await keep(view())
    await keep(view())
    t.strictSame(await read('b1'), view())
    await keep(view({ status: 'succeeded', releaseVersion: 7 }))
    t.match(await read('b1'), { status: 'succeeded', releaseVersion: 7 })
    t.strictSame(await readdir(join(home, 'builds')), [])

    const sourceDir = await files(join(home, 'builds/source-x'), { a: 'a' })
    await mkdir(join(home, 'builds/b2'))
    await keep(view({ id: 'b2' }), sourceDir)
    await keep(view({ id: 'b3', createdAt: 4_000 }))
    await writeFile(join(home, 'builds/torn.json'), '{"app')
    t.strictSame(buildsUnderWay(home).toSorted(), ['b2', 'b3', 'torn'])
    await perform(effects, 'builder.bury', { before: 4_000 })
    t.match(await read('b2'), { status: 'failed' })
    const words = ' !     The host of this build went down: the build has failed.\n'
    t.strictSame(ended.toSorted(), [`b2${words}`, 'torn'], 'who reads its output is told')
    t.match(await read('b3'), { status: 'pending' }, 'of this life')
    t.match(await read('b1'), { status: 'succeeded' })
    t.strictSame(await readdir(join(home, 'builds')), ['b3.json'])
    await t.rejects(access(sourceDir))

    await keep(view({ id: 'b2' }))
    t.match(await read('b2'), { status: 'failed' }, 'a late first word makes it no build under way again')
    const twice = ['b1 pending', 'b1 pending', 'b1 succeeded']
    t.strictSame(told, [...twice, 'b2 pending', 'b3 pending', 'b2 failed'], 'nor is it told')
    await store.create(buildKey('a1', 'old'), Buffer.from('{"at":1}'))
    t.equal(await read('old'), undefined, 'of an older form')

    let conflicts = 0
    const racing: Store = {
      ...store,
      get: async (key) => (conflicts++ === 0 ? undefined : store.get(key)),
    }
    await perform(performBuildRecords({ ...rest, store: racing }), 'builder.keep', {
      view: view({ status: 'failed' }),
      sourceDir: '/none',
    })
    t.match(await read('b1'), { status: 'failed' }, 'written in spite of a lost race')
    const away = { ...store, get: () => Promise.reject(new StoreUnavailable('no answer', 'unknown')) }
    const nobody = () => Promise.reject(new AskFailed({ kind: 'nobody', reason: 'unreachable' }, 'releases'))
    const dark = performBuildRecords({ ...rest, store: away, lost: { settle: nobody } })
    const refused = { code: 'store_unavailable' }
    await t.rejects(perform(dark, 'builder.keep', { view: view({ id: 'b4' }), sourceDir: '/none' }), refused)
    await t.rejects(perform(dark, 'builder.bury', { before: 1e12 }), 'and is asked for again')
  },
)

t.test('sources that a former life left, and no build had taken over, are cleared away', async (t) => {
  const home = await scratch(t)
  const effects = performBuildRecords({
    home,
    store: memoryStore(),
    now: () => 1,
    begun: noStream,
    ended: noStream,
    isGone: () => false,
    lost: { settle: () => Promise.resolve(undefined) },
    told: () => Promise.resolve(),
  })
  for (const name of ['source-x', 'setup-y', 'b1'])
    await mkdir(join(home, 'builds', name), { recursive: true })
  // Longer than the path of a file can be, one step at a time.
  const deeper = 'for n in {1..30}; do mkdir "$0" && cd -P "./$0" || exit 1; done'
  await promisify(execFile)('bash', ['-c', deeper, 'x'.repeat(200)], { cwd: join(home, 'builds/setup-y') })
  await perform(effects, 'builder.bury', { before: 1 })
  t.equal((await readdir(join(home, 'builds'))).length, 3, 'of this life')
  await perform(effects, 'builder.bury', { before: Date.now() + 60_000 })
  t.strictSame(await readdir(join(home, 'builds')), ['b1'])
})

t.test('a push is built by the host that took it, whoever owns the app', async (t) => {
  const lab = new Lab()
  const store = memoryStore()
  const home = await scratch(t)
  const ran: string[] = []
  const host = (name: string, isStuck: boolean) => {
    const performs = performBuildRecords({
      home: join(home, name),
      store,
      now: () => lab.clock.now(),
      begun: noStream,
      ended: noStream,
      isGone: () => false,
      lost: { settle: () => Promise.resolve(undefined) },
      told: () => Promise.resolve(),
    })
    const records: Effects = Object.fromEntries(
      Object.entries(performs).map(([effect, perform]): [string, Effects[string]] => [
        effect,
        (args, signal) => lab.real(Promise.resolve(perform(args, signal))),
      ]),
    )
    const effects: Effects = {
      ...records,
      'builder.keep': async (args: { view: BuildView; sourceDir: string }) => {
        ran.push(`${name} ${args.view.status}`)
        if (isStuck) await new Promise(() => undefined)
        return records['builder.keep']!(args as never, AbortSignal.any([]))
      },
      'builder.conclude': () => Promise.resolve(),
    }
    const tree = supervise('compiler', { strategy: 'rest_for_one', intensity: 1, periodMs: 1_000 }, [
      child('builds', builds, { atOnce: 1 }),
      keyed(releases),
      dynamic(build, { restart: 'temporary' }),
    ])
    return lab.host(name, tree, { effects })
  }
  const [a, b] = [await host('a', false), await host('b', true)]
  const opened = a.node.ask(ref(Releases, 'a1'), { type: 'open', appName: 'shop', by }, { timeoutMs: 10_000 })
  await lab.answer(opened)
  const push = (node: typeof a.node, id: string) => buildThrough(node)(id, job, new AbortController().signal)
  // Nobody here knows the app, so it fails; where it was compiled is what counts.
  t.match(await lab.answer(push(a.node, 'b1')), { id: 'b1', status: 'failed' })
  t.strictSame(ran, ['a pending', 'a failed'])
  await lab.run(5_000)
  const stuck = push(b.node, 'b2')
  await lab.run(1_000, () => ran.includes('b pending'))
  b.node.tell(refAt(Build, 'b2', 'b'), { type: 'over' })
  const why = await lab.answer(stuck.catch((error: unknown) => error))
  t.match(why, { kind: 'nobody' }, 'a build that is no more is not waited for')
})
