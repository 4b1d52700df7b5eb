/**
 * Pushes and the repositories behind them: real git clients against the git faces of two hosts that share one
 * record and one object store. Only the compiler is played.
 */
import { createServer } from 'node:http'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openGitFace, type PushDeps } from '../../actors/main/push.ts'
import { openRepositories } from '../../actors/main/repositories.ts'
import { decodeRepository, mergeFrom, packsMax, recordKey } from '../../actors/main/repository-record.ts'
import type { BuildJob, BuildView } from '../../actors/protocols/build.ts'
import { createOutputHub } from '../../src/output/hub.ts'
import type { Objects, Store } from '../../src/ports/store.ts'
import { scratch } from '../kit/files.ts'
import { bring, commit, commits, git, refs } from '../kit/git.ts'
import { memoryObjects } from '../kit/memory-objects.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const by = { id: 'u1', email: 'me@example.com' }
const app = { id: 'app-1', name: 'shop' }

type Shared = {
  readonly dir: string
  readonly store: Store
  readonly objects: Objects
  /** What the compiler does with a build. */
  compile: (job: BuildJob, say: (text: string) => void) => Promise<'succeeded' | 'failed'>
  readonly jobs: BuildJob[]
  readonly logged: object[]
  readonly kept: number[]
  nowMs: number
}

const shared = async (test: Test): Promise<Shared> => ({
  dir: await scratch(test),
  store: memoryStore(),
  objects: memoryObjects(),
  compile: async () => 'succeeded',
  jobs: [],
  logged: [],
  kept: [],
  nowMs: 1_000,
})

let ids = 0

/** A host that takes pushes. @returns the app's address and the host's working copy */
const host = async (test: Test, world: Shared, name: string) => {
  const home = join(world.dir, name)
  await mkdir(join(home, 'run'), { recursive: true })
  const hub = createOutputHub(join(home, 'output'), 1_000_000)
  const build: PushDeps['build'] = async (buildId, job) => {
    world.jobs.push(job)
    const status = await world.compile(job, (text) => hub.write(buildId, text))
    hub.end(buildId)
    await rm(job.sourceDir, { recursive: true })
    return { id: buildId, status } as BuildView
  }
  const face = await openGitFace({
    home,
    hub,
    objects: world.objects,
    store: world.store,
    log: (fields) => world.logged.push(fields),
    now: () => world.nowMs,
    uuid: () => `id-${(ids += 1)}`,
    kept: (_, bytes) => world.kept.push(bytes),
    build,
  })
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    void face.serve(request, response, app, by, path.replace('/shop.git', ''))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  test.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await face.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/shop.git`
  return { url, copy: join(home, 'git', `${app.id}.git`), home, face }
}

const workTree = async (world: Shared, name = 'work'): Promise<string> => {
  const work = join(world.dir, name)
  await mkdir(work)
  await git(work, 'init', '-q', '-b', 'main')
  await commit(work, 'Procfile', 'web: true\n', 'first')
  return work
}

const recorded = async (world: Shared) => {
  const entry = await world.store.get(recordKey(app.id))
  return entry && decodeRepository(entry.value)
}
const stored = (world: Shared): Promise<readonly string[]> => world.objects.list(`repository/${app.id}/`)

/** Everything that its refs reach is there. */
const isWhole = async (test: Test, url: string, into: string): Promise<void> => {
  const cloned = await git('/', 'clone', '-q', '--mirror', url, into)
  test.equal(cloned.code, 0, cloned.err)
  const check = await git(into, 'fsck', '--full', '--strict')
  test.equal(check.code, 0, check.err)
}

t.test('a push is stored while its build runs, and is on record before it is acknowledged', async (t) => {
  const world = await shared(t)
  const { url } = await host(t, world, 'a')
  const work = await workTree(world)
  world.compile = async (_, say) => {
    await until(async () => (await stored(world)).length === 1, { what: 'the pack' })
    t.equal(await recorded(world), undefined, 'not before it is built')
    say('-----> built\n')
    return 'succeeded'
  }
  const pushed = await git(work, 'push', url, 'main')
  t.equal(pushed.code, 0, pushed.err)
  t.match(pushed.err, 'remote: -----> built')
  const tip = (await git(work, 'rev-parse', 'HEAD')).out.trim()
  t.match(await recorded(world), { head: 'main', refs: { 'refs/heads/main': tip }, packs: [{ tips: [tip] }] })
  t.match(world.jobs, [{ appId: app.id, version: tip, submodules: [] }])

  world.compile = async () => 'failed'
  await commit(work, 'b', 'b', 'second')
  const refused = await git(work, 'push', url, 'main')
  t.match(refused.err, /! \[remote rejected\] main -> main \(pre-receive hook declined\)/)
  t.match(await recorded(world), { refs: { 'refs/heads/main': tip } }, 'its ref is where it was')
  t.equal((await stored(world)).length, 1, 'and nothing of it is kept')
  t.equal(world.kept.length, 1)
  t.equal(world.kept[0], (await recorded(world))?.packs[0]?.bytes)
})

t.test('any host takes the next push, from what the record and its packs say', async (t) => {
  const world = await shared(t)
  const [a, b] = [await host(t, world, 'a'), await host(t, world, 'b')]
  const work = await workTree(world)
  await git(work, 'push', a.url, 'main')
  await commit(work, 'b', 'b', 'second')
  await git(work, 'tag', '-a', 'v1', '-m', 'one')
  await git(work, 'push', b.url, 'main', 'v1', 'main:feature')
  await commit(work, 'c', 'c', 'third')
  await git(work, 'push', a.url, 'main')
  t.equal((await recorded(world))?.packs.length, 3, 'each adds what is new')
  await isWhole(t, b.url, join(world.dir, 'clone'))
  t.equal(await refs(join(world.dir, 'clone')), await refs(a.copy))
  t.match(await refs(a.copy), /refs\/tags\/v1/)

  await git(work, 'reset', '-q', '--hard', 'HEAD~2')
  await commit(work, 'd', 'd', 'other')
  t.match((await git(work, 'push', b.url, 'main')).err, /non-fast-forward/)
  t.equal((await git(work, 'push', '--force', b.url, 'main', ':feature', 'main:feature/x')).code, 0)
  await isWhole(t, a.url, join(world.dir, 'forced'))
  t.equal(await refs(join(world.dir, 'forced')), await refs(b.copy))
  t.match(await refs(a.copy), /refs\/heads\/feature\/x/)
})

t.test(
  'of two hosts that take a push at once, the one that comes second is told and put right',
  async (t) => {
    const world = await shared(t)
    const [a, b] = [await host(t, world, 'a'), await host(t, world, 'b')]
    const [one, two] = [await workTree(world, 'one'), await workTree(world, 'two')]
    await commit(two, 'x', 'x', 'of two')
    const { promise: go, resolve: release } = Promise.withResolvers<void>()
    world.compile = async () => {
      await go
      return 'succeeded'
    }
    const late = git(one, 'push', a.url, 'main')
    await until(() => world.jobs.length === 1, { what: 'the first build' })
    world.compile = async () => 'succeeded'
    t.equal((await git(two, 'push', b.url, 'main')).code, 0)
    const tip = (await git(two, 'rev-parse', 'HEAD')).out.trim()
    release()
    t.not((await late).code, 0, 'not acknowledged')
    t.match(await recorded(world), { refs: { 'refs/heads/main': tip } })
    await isWhole(t, a.url, join(world.dir, 'clone'))
    t.equal(await refs(a.copy), `refs/heads/main ${tip}`)
  },
)

t.test('what a host that died had not yet put on record counts for nothing when it is back', async (t) => {
  const world = await shared(t)
  const { promise: dead, resolve: end } = Promise.withResolvers<void>()
  const unwritten = async (): Promise<never> => (await dead, Promise.reject(new Error('the host is dead')))
  const a = await host(t, { ...world, store: { ...world.store, create: unwritten } }, 'a')
  const work = await workTree(world)
  const tip = (await git(work, 'rev-parse', 'HEAD')).out.trim()
  const lost = git(work, 'push', a.url, 'main')
  await until(async () => (await refs(a.copy).catch(() => '')) === `refs/heads/main ${tip}`, {
    what: 'the ref on its disk',
  })
  const again = await host(t, world, 'a')
  t.equal((await git('/', 'ls-remote', again.url)).out, '')
  t.equal((await git(work, 'push', again.url, 'main')).code, 0)
  t.match(await recorded(world), { refs: { 'refs/heads/main': tip } })
  end()
  t.not((await lost).code, 0, 'not acknowledged')
})

t.test('a second push while a build runs is refused, and one to another branch is taken', async (t) => {
  const world = await shared(t)
  const { url } = await host(t, world, 'a')
  const work = await workTree(world)
  const { promise: go, resolve: release } = Promise.withResolvers<void>()
  world.compile = async () => {
    await go
    return 'succeeded'
  }
  const first = git(work, 'push', url, 'main')
  await until(() => world.jobs.length === 1, { what: 'the first build' })
  t.match((await git(work, 'push', url, 'main:master')).err, /Push rejected, another build is in progress/)
  const branch = await git(work, 'push', '-o', 'ci.skip\u001b[31m', url, 'main:feature')
  t.match(branch.err, /Pushed to branch other than \[main, master\], skipping build\./)
  t.match(branch.err, /Warning: push options have no effect here: ci\.skip\?\[31m/)
  release()
  t.equal((await first).code, 0)
  t.strictSame(Object.keys((await recorded(world))?.refs ?? {}), ['refs/heads/feature', 'refs/heads/main'])
  t.match((await git(work, 'push', url, ':main')).err, /Push rejected, cannot delete main branch/)
  await isWhole(t, url, join(world.dir, 'clone'))
})

t.test('an app without a push clones as empty, and a shallow clone pushes what is whole', async (t) => {
  const world = await shared(t)
  const { url } = await host(t, world, 'a')
  const empty = await git(world.dir, 'clone', url, 'empty')
  t.equal(empty.code, 0)
  t.match(empty.err, /cloned an empty repository/)
  const work = await workTree(world)
  for (const file of ['b', 'c']) await commit(work, file, file, file)
  const foreign = await git(world.dir, 'clone', '-q', '--depth', '1', `file://${work}`, 'foreign')
  t.equal(foreign.code, 0)
  const refused = await git(join(world.dir, 'foreign'), 'push', url, 'main')
  t.match(refused.err, /Push rejected, source repository is a shallow clone\. Unshallow it with `git fetch/)
  t.strictSame(world.jobs, [])
  t.equal(await recorded(world), undefined)
  t.equal((await git(work, 'push', url, 'main')).code, 0)
  t.equal((await git(world.dir, 'clone', '-q', '--depth', '1', url, 'shallow')).code, 0)
  const shallow = join(world.dir, 'shallow')
  await commit(shallow, 'd', 'd', 'from a shallow clone')
  t.equal((await git(shallow, 'push', url, 'main')).code, 0)
  await isWhole(t, url, join(world.dir, 'clone'))
})

t.test('a repository that was reset is empty on every host, and takes a push anew', async (t) => {
  const world = await shared(t)
  const [a, b] = [await host(t, world, 'a'), await host(t, world, 'b')]
  const work = await workTree(world)
  await git(work, 'push', a.url, 'main')
  t.equal((await git('/', 'ls-remote', b.url)).out.split('\n').length, 3, 'HEAD and main')
  await b.face.reset(app.id)
  t.strictSame([await recorded(world), await stored(world)], [undefined, []])
  for (const { url } of [a, b]) t.equal((await git('/', 'ls-remote', url)).out, '')
  await b.face.reset(app.id)
  t.equal(world.kept.at(-1), 0)
  t.equal((await git(work, 'push', b.url, 'main')).code, 0)
  await isWhole(t, a.url, join(world.dir, 'clone'))

  const { promise: go, resolve: release } = Promise.withResolvers<void>()
  world.compile = async () => {
    await go
    return 'succeeded'
  }
  await commit(work, 'b', 'b', 'second')
  const under = git(work, 'push', a.url, 'main')
  await until(() => world.jobs.length === 3, { what: 'its build' })
  await a.face.reset(app.id)
  release()
  t.equal((await under).code, 0, 'a push that was under way makes it anew')
  await isWhole(t, b.url, join(world.dir, 'after'))
})

t.test('submodules are named to the build and not fetched by the host', async (t) => {
  const world = await shared(t)
  const { url } = await host(t, world, 'a')
  const work = await workTree(world)
  const id = (await git(work, 'rev-parse', 'HEAD')).out.trim()
  await git(work, 'update-index', '--add', '--cacheinfo', `160000,${id},vendor/lib one`)
  await git(work, 'commit', '-q', '-m', 'submodule')
  t.equal((await git(work, 'push', url, 'main')).code, 0)
  t.match(world.jobs, [{ submodules: [{ path: 'vendor/lib one', commit: id }] }])
})

t.test('many pushes become few packs, and a new host has them all', async (t) => {
  const world = await shared(t)
  const home = join(world.dir, 'a')
  const errors: unknown[] = []
  const repositories = await openRepositories({
    ...world,
    folder: home,
    now: () => world.nowMs,
    uuid: () => `id-${(ids += 1)}`,
    onError: (_, cause) => errors.push(cause),
  })
  const copy = join(home, `${app.id}.git`)
  const work = await workTree(world)
  const pushes = await commits(work, 3 * packsMax + 1, { large: 'abcdefghij'.repeat(10_000) })
  const push = async (at: number): Promise<void> => {
    const id = pushes[at + 1] ?? ''
    await repositories.use(app.id, async (directory) => {
      await bring(work, directory, { 'refs/heads/main': id, [`refs/heads/branch-${at % 3}`]: id })
      await repositories.keep(app.id, 'main', undefined)
    })
    await repositories.close()
  }
  for (let at = 0; at <= packsMax; at++) await push(at)
  const packs = (await recorded(world))?.packs ?? []
  t.ok(packs.length < packsMax, `${packs.length} packs`)
  t.strictSame((await stored(world)).toSorted(), packs.map(({ name }) => name).toSorted(), 'and no others')

  // What a push that never ended left behind goes with the first merge a day later.
  await world.objects.put(`repository/${app.id}/1000-gone`, (async function* () {})())
  for (let at = packsMax + 1; at <= 3 * packsMax; at++) {
    if (at === 2 * packsMax) {
      t.ok((await stored(world)).some((name) => name.endsWith('-gone')))
      world.nowMs += 25 * 60 * 60_000
    }
    await push(at)
  }
  t.notOk((await stored(world)).some((name) => name.endsWith('-gone')))
  t.strictSame(errors, [])

  const b = await host(t, world, 'b')
  await isWhole(t, b.url, join(world.dir, 'clone'))
  t.equal(await refs(b.copy), await refs(copy))
  // Torn by a power cut: made again from the record.
  await rm(join(b.copy, 'objects'), { recursive: true })
  await mkdir(join(b.copy, 'objects'))
  await writeFile(join(b.copy, 'manifold-packs'), '{"sum":"')
  await isWhole(t, b.url, join(world.dir, 'again'))
  t.strictSame(await readdir(join(b.home, 'git')), [`${app.id}.git`])
})

t.test('packs are made one while others read and push, and nothing is lost', async (t) => {
  const world = await shared(t)
  const work = await workTree(world)
  const merges = [0, 1].map(() => ({
    begun: Promise.withResolvers<void>(),
    go: Promise.withResolvers<void>(),
  }))
  let puts = 0
  const put: Objects['put'] = async (name, pack) => {
    // After one of each push.
    const merge = merges[(puts += 1) - packsMax - 2]
    merge?.begun.resolve()
    await merge?.go.promise
    return world.objects.put(name, pack)
  }
  const repositories = await openRepositories({
    ...world,
    objects: { ...world.objects, put },
    folder: join(world.dir, 'a'),
    now: () => world.nowMs,
    uuid: () => `id-${(ids += 1)}`,
    onError: () => undefined,
  })
  const keepAt = async (directory: string, ref: string, id: string): Promise<void> => {
    await bring(work, directory, { [ref]: id })
    await repositories.keep(app.id, 'main', undefined)
  }
  const push = (id: string): Promise<void> =>
    repositories.use(app.id, (directory) => keepAt(directory, 'refs/heads/main', id))
  const made = (await commits(work, packsMax)).slice(1)
  for (const id of made) await push(id)
  const dropped = made.at(-1) ?? ''
  await git(work, 'reset', '-q', '--hard', 'HEAD~1')
  const instead = await commit(work, 'other', 'other', 'instead')
  await repositories.use(app.id, async (directory) => {
    await push(instead)
    await merges[0]?.begun.promise
    // It brings nothing new: the merge that is under way does not know of it.
    await keepAt(directory, 'refs/heads/back', dropped)
    merges[0]?.go.resolve()
    await merges[1]?.begun.promise
  })
  await repositories.use(app.id, async () => undefined)
  merges[1]?.go.resolve()
  await repositories.close()
  t.match(await recorded(world), { refs: { 'refs/heads/back': dropped }, packs: { length: 1 } })
  t.equal((await stored(world)).length, 1, 'what came to nothing is gone')
  await isWhole(t, (await host(t, world, 'b')).url, join(world.dir, 'clone'))
})

t.test('small packs are made one, and a large one is left as it is', async (t) => {
  const packs = (sizes: readonly number[]) => sizes.map((bytes, at) => ({ name: `p${at}`, bytes, tips: [] }))
  const many = Array.from({ length: packsMax }, () => 10)
  t.equal(mergeFrom(packs(many)), undefined)
  t.equal(mergeFrom(packs([1_000, ...many])), 1)
  t.equal(mergeFrom(packs([150, ...many])), 0)
  const halving = Array.from({ length: packsMax + 1 }, (_, at) => 3 ** (packsMax - at))
  t.equal(mergeFrom(packs(halving)), packsMax / 2 - 1, 'even where each is far larger than all after it')
  t.end()
})
