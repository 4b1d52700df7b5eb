/**
 * Lost builds: what a build was that its host did not end, as its app's ledger says, and once told for ever.
 */
import t from 'tap'
import { lostBuilds } from '../../actors/lost-builds.ts'
import { buildKey } from '../../actors/protocols/build-record.ts'
import { pendingMsMax, type BuildView } from '../../actors/protocols/build.ts'
import type { Entry } from '../../src/ports/store.ts'
import { AskFailed } from '../../src/runtime/errors.ts'
import type { Node } from '../../src/runtime/node.ts'
import { memoryStore } from '../kit/memory-store.ts'

type Released = { readonly id: string; readonly version: number; readonly slugId: string | null } | null

const build: BuildView = {
  id: 'b1',
  appId: 'a1',
  status: 'pending',
  version: 'c0ffee',
  by: { id: 'u1', email: 'me@example.com' },
  buildpacks: [],
  stack: 'heroku-24',
  slugId: null,
  releaseId: null,
  releaseVersion: null,
  createdAt: 1_000,
  updatedAt: 1_000,
  host: 'h3',
}

const site = async (change: Partial<BuildView> = {}) => {
  const store = memoryStore()
  await store.create(buildKey('a1', 'b1'), Buffer.from(JSON.stringify({ ...build, ...change })))
  const world = {
    now: 2_000,
    isGone: true,
    asked: [] as unknown[],
    told: [] as string[],
    answer: (): Released => null,
  }
  const ask = async (to: { key: string }, message: object) => {
    world.asked.push({ key: to.key, ...message })
    return { released: world.answer() }
  }
  const lost = lostBuilds({
    store,
    // One question, whose answer the test gives.
    ask: ask as unknown as Node['ask'],
    isGone: (host) => world.isGone && host === 'h3',
    now: () => world.now,
    told: async (ended) => void world.told.push(`${ended.id} ${ended.status}`),
  })
  const entry = async (): Promise<Entry> => (await store.get(buildKey('a1', 'b1')))!
  return { store, world, lost, entry, view: async () => lost.view(await entry()) }
}

t.test('a build on a host that is gone has failed once its ledger has given it up, for ever', async (t) => {
  const { world, lost, view } = await site()
  world.isGone = false
  t.match(await view(), { status: 'pending' })
  t.equal(await lost.lastWords('a1', 'b1'), undefined)
  t.same(world.asked, [], 'nobody is asked about a build under way')
  world.isGone = true
  t.match(await view(), { status: 'failed', releaseId: null, updatedAt: 2_000 })
  t.same(world.asked, [{ key: 'a1', type: 'giveUpBuild', buildId: 'b1' }])
  t.same(world.told, ['b1 failed'])
  world.isGone = false
  t.match(await view(), { status: 'failed' }, 'also when that host is back')
  t.match(
    await lost.lastWords('a1', 'b1'),
    / !     The host of this build went down: the build has failed\.\n/,
  )
  t.equal(world.asked.length, 1)
})

t.test('a lost build that had made its release has succeeded', async (t) => {
  const { world, lost, view } = await site()
  world.answer = () => ({ id: 'r7', version: 7, slugId: 's1' })
  t.match(await view(), { status: 'succeeded', releaseId: 'r7', releaseVersion: 7, slugId: 's1' })
  t.match(await lost.lastWords('a1', 'b1'), / !     The host of this build went down: v7 was released\.\n/)
})

t.test('while its ledger cannot be asked nobody says that a lost build has failed', async (t) => {
  const { world, lost, view } = await site()
  world.answer = () => {
    throw new AskFailed({ kind: 'nobody', reason: 'unreachable' }, 'releases')
  }
  t.match(await view(), { status: 'pending' })
  t.equal(await lost.lastWords('a1', 'b1'), undefined)
  await t.rejects(lost.settle('a1', 'b1'), /unreachable/)
  world.answer = () => {
    throw new AskFailed({ kind: 'refused', code: 'not_found', reason: 'no such app' }, 'releases')
  }
  t.match(await view(), { status: 'failed' }, 'an app that is gone releases nothing')
})

t.test('a build that is pending for too long was lost, and its own host may know it sooner', async (t) => {
  const late = await site()
  late.world.isGone = false
  late.world.now = 1_000 + pendingMsMax + 1
  t.match(await late.view(), { status: 'failed' })
  const own = await site()
  own.world.isGone = false
  t.match(await own.lost.settle('a1', 'b1'), { status: 'failed' })
  t.match(await own.lost.settle('a1', 'b1'), { status: 'failed' }, 'again')
  t.equal(own.world.asked.length, 1)
  t.equal(await own.lost.settle('a1', 'b2'), undefined, 'never on record')
  t.equal(await own.lost.lastWords('a1', 'b2'), undefined)
  const over = await site({ status: 'succeeded', releaseVersion: 3 })
  t.match(await over.lost.settle('a1', 'b1'), { status: 'succeeded' })
  t.same(over.world.asked, [])
})

t.test('of two who look at once both are told the same', async (t) => {
  const { lost, entry } = await site()
  const seen = await entry()
  t.match(await Promise.all([lost.view(seen), lost.view(seen)]), [{ status: 'failed' }, { status: 'failed' }])
})
