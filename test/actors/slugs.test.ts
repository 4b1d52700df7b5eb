/**
 * Slugs on a host's disk: fetched once, from wherever they are nearest, and as many as there is room for.
 */
import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { chmod, link, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { createPacked } from '../../actors/effects/perform/container/packed.ts'
import { createSlugs, type Slugs } from '../../actors/effects/perform/container/slugs.ts'
import { ObjectCorrupt, type Objects } from '../../src/ports/store.ts'
import { pack } from '../../src/slug/pack.ts'
import { files, scratch } from '../kit/files.ts'
import { slugOf } from '../kit/runs.ts'
import { until } from '../kit/until.ts'

const exec = promisify(execFile)

const alone = {
  now: () => 1,
  inUse: () => Promise.resolve(new Set<string>()),
  onError: (cause: unknown) => t.fail(String(cause)),
}

t.test('a slug is fetched once; one compiled here is taken over without being fetched', async (t) => {
  const dir = await scratch(t)
  const file = join(dir, 'slug.tgz')
  const tree = await files(join(dir, 'build/app'), { Procfile: 'web: x\n', 'bin/run*': '#!/bin/sh\n' })
  await chmod(join(tree, 'Procfile'), 0o600)
  await chmod(join(tree, 'bin/run'), 0o4755)
  const { sha256 } = await pack(join(dir, 'build'), { file, bytesMax: 1e9 })
  let gets = 0
  let content: () => AsyncIterable<Uint8Array> | undefined = () => undefined
  const objects = {
    get: async () => {
      gets += 1
      return content()
    },
  } as unknown as Objects
  const bytes = await readFile(file)
  const folder = join(dir, 'slugs')
  const slugs = createSlugs({ ...alone, folder, objects })
  await t.rejects(slugs.prepare(slugOf(sha256)), { code: 'slug_missing' })
  content = async function* () {
    yield Buffer.concat([bytes, Buffer.from('x')])
  }
  await t.rejects(slugs.prepare(slugOf(sha256)), {
    code: 'R17',
    message: /Checksum does match expected value/,
  })
  content = async function* () {
    yield bytes.subarray(0, 10)
    throw new ObjectCorrupt('torn')
  }
  await t.rejects(slugs.prepare(slugOf(sha256)), { code: 'R17' })
  t.strictSame(await readdir(folder), [], 'what failed leaves nothing')
  content = async function* () {
    yield bytes
  }
  gets = 0
  const [one, two] = await Promise.all([slugs.prepare(slugOf(sha256)), slugs.prepare(slugOf(sha256))])
  t.equal(one, two)
  t.equal(await slugs.prepare(slugOf(sha256)), slugs.folderOf(slugOf(sha256)))
  t.equal(gets, 1)
  const fetched = await shape(one)
  const packed = slugs.packedOf(sha256) ?? ''
  t.strictSame(await readFile(packed), bytes, 'others may have it from here')
  for (const sum of ['0'.repeat(64), '..', `../${sha256}`]) t.equal(slugs.packedOf(sum), undefined, sum)

  await rm(one, { recursive: true })
  t.equal(await slugs.prepare(slugOf(sha256)), one)
  t.equal(gets, 1, 'it lies here packed')
  t.strictSame(await shape(one), fetched)
  await rm(one, { recursive: true })
  await rm(packed)
  t.ok(await slugs.seed(sha256, tree, file))
  t.strictSame(await readFile(packed), bytes)
  t.equal(await slugs.prepare(slugOf(sha256)), one)
  t.equal(gets, 1, 'not fetched')
  t.strictSame(await shape(one), fetched, 'the same rights and owners as when fetched')
  await t.rejects(stat(tree), { code: 'ENOENT' }, 'moved, not copied')

  const shared = await files(join(dir, 'other/app'), { a: 'a' })
  await link(join(shared, 'a'), join(dir, 'outside'))
  t.notOk(await slugs.seed('0'.repeat(64), shared, file), 'a file that can be written from elsewhere')
  const odd = await files(join(dir, 'odd/app'), { a: 'a' })
  await exec('mkfifo', [join(odd, 'pipe')])
  t.notOk(await slugs.seed('1'.repeat(64), odd, file))
  t.notOk(await slugs.seed('2'.repeat(64), join(dir, 'none'), join(dir, 'none')))
  t.strictSame((await readdir(folder)).toSorted(), [sha256, `${sha256}.used`, 'packed'].toSorted())
})

t.test('a slug comes from another host first, and from the store whatever is wrong there', async (t) => {
  const dir = await scratch(t)
  const file = join(dir, 'slug.tgz')
  await files(join(dir, 'build/app'), { Procfile: 'web: x\n' })
  const { sha256 } = await pack(join(dir, 'build'), { file, bytesMax: 1e9 })
  const bytes = await readFile(file)
  const give = async function* (...chunks: readonly Uint8Array[]) {
    yield* chunks
  }
  const asked: string[] = []
  const objects = {
    get: async () => {
      asked.push('store')
      return give(bytes)
    },
  } as unknown as Objects
  const torn = async function* () {
    yield bytes.subarray(0, 10)
    throw new Error('the host is gone')
  }
  type Peer = () => Promise<AsyncIterable<Uint8Array> | undefined>
  const peers: Readonly<Record<string, readonly [peer: Peer, asked: readonly string[]]>> = {
    'has it': [async () => give(bytes), ['peer']],
    'nobody has it': [async () => undefined, ['peer', 'store']],
    'cannot be asked': [() => Promise.reject(new Error('no route')), ['peer', 'store']],
    'has something else': [async () => give(Buffer.from('no slug')), ['peer', 'store']],
    'dies while it sends': [async () => torn(), ['peer', 'store']],
  }
  for (const [what, [peer, wanted]] of Object.entries(peers)) {
    asked.length = 0
    const fetchSlug = (sum: string) => {
      t.equal(sum, sha256)
      asked.push('peer')
      return peer()
    }
    const slugs = createSlugs({ ...alone, folder: join(dir, what), objects, fetchSlug })
    const into = await slugs.prepare(slugOf(sha256))
    t.equal(await readFile(join(into, 'Procfile'), 'utf8'), 'web: x\n', what)
    t.strictSame(asked, wanted, what)
    t.strictSame(await readFile(slugs.packedOf(sha256) ?? ''), bytes, what)
  }
})

t.test('packed slugs are bounded: the one that was kept longest ago goes first', async (t) => {
  const dir = await scratch(t)
  const packed = createPacked(join(dir, 'packed'), 10)
  const sums = ['a', 'b', 'c'].map((digit) => digit.repeat(64))
  await files(dir, { a: '1234', b: '2345', c: '3456' })
  const fileOf = (sum: string): string => join(dir, sum.slice(0, 1))
  for (const [at, sum] of sums.entries()) await packed.keep(sum, fileOf(sum), 1_000 * at)
  t.strictSame(
    sums.map((sum) => packed.pathOf(sum) !== undefined),
    [false, true, true],
  )
  const [a = '', b = '', c = ''] = sums
  await packed.keep(b, fileOf(b), 5_000)
  await packed.keep(a, fileOf(a), 6_000)
  t.equal(packed.pathOf(c), undefined, 'kept again is kept later')
  await packed.drop(a)
  t.equal(packed.pathOf(a), undefined)
  t.equal(await readFile(fileOf(a), 'utf8'), '1234', 'where it came from it stays')
})

t.test('unpacked slugs are bounded, and none goes from which a dyno runs or is about to', async (t) => {
  const dir = await scratch(t)
  const folder = join(dir, 'slugs')
  const state = { nowMs: 1_000_000_000, running: new Set<string>() }
  const archives = new Map<string, string>()
  for (const name of ['a', 'b', 'c', 'd']) {
    await files(join(dir, name, 'app'), { name, large: name.repeat(200_000) })
    const file = join(dir, `${name}.tar.zst`)
    archives.set((await pack(join(dir, name), { file, bytesMax: 1e9 })).sha256, file)
  }
  const [a = '', b = '', c = '', d = ''] = archives.keys()
  const objects = {
    get: async (name: string) => createReadStream(archives.get(name.replace('slug/', '')) ?? ''),
  } as unknown as Objects
  const open = (): Slugs =>
    createSlugs({
      ...alone,
      folder,
      objects,
      now: () => state.nowMs,
      inUse: async () => state.running,
      unpackedBytesMax: 500_000,
    })
  const slugs = open()
  const there = async (): Promise<string[]> => (await readdir(folder)).filter((name) => archives.has(name))
  const use = async (sha256: string, by = slugs): Promise<void> => {
    state.nowMs += 20 * 60_000
    await by.prepare(slugOf(sha256))
  }
  await files(folder, { [`${a}.part-x1/app/half`]: '' })
  for (const sum of [a, b, a, c]) await use(sum)
  await until(async () => (await there()).length === 2, { what: 'the oldest gone' })
  t.strictSame((await there()).toSorted(), [a, c].toSorted(), 'what was wanted again stays')
  state.running = new Set([a])
  await use(d, open())
  await until(async () => (await there()).length === 2, { what: 'another gone' })
  t.strictSame((await there()).toSorted(), [a, d].toSorted(), 'also by what an earlier process noted')
  state.nowMs += 20 * 60_000
  const late = slugs.prepare(slugOf(b))
  await slugs.prepare(slugOf(c))
  await late
  await until(async () => (await there()).length === 3, { what: 'the one that is over its time gone' })
  t.strictSame((await there()).toSorted(), [a, b, c].toSorted(), 'over the bound, but all of them needed')
  t.equal(await readFile(join(folder, b, 'name'), 'utf8'), 'b')
  state.nowMs = Date.now() + 20 * 60_000
  await use(b)
  await until(async () => !(await readdir(folder)).some((name) => name.includes('part')), {
    what: 'what a killed process left gone',
  })
})

/** Path, rights, owner and content sum of everything in a tree. */
const shape = async (root: string): Promise<string> => {
  const list = `find . -printf '%p %M %U:%G\\n' | sort; find . -type f -exec sha256sum {} + | sort`
  return (await exec('bash', ['-c', list], { cwd: root })).stdout
}
