/**
 * What strangers send, broken in every way: archives of slugs and the bodies of pushes. Nothing may crash,
 * nothing may be written elsewhere, and what is there stays whole.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { hookServer } from '../../src/git/hook-server.ts'
import { createRepository } from '../../src/git/repository.ts'
import { serveGit } from '../../src/git/serve.ts'
import { unpack } from '../../src/slug/unpack.ts'
import { files, scratch } from '../kit/files.ts'
import { commit, git, refs } from '../kit/git.ts'

const exec = promisify(execFile)

/** Bytes changed, cut, doubled. */
const mutations = fc.array(
  fc.record({
    kind: fc.constantFrom('set', 'cut', 'double', 'swap'),
    /** Of a million parts. */
    at: fc.noBias(fc.nat(1_000_000)),
    length: fc.integer({ min: 1, max: 600 }),
    byte: fc.integer({ min: 0, max: 255 }),
  }),
  { minLength: 1, maxLength: 4 },
)
type Mutations = ReturnType<typeof mutations.generate>['value']

const mutated = (original: Buffer, changes: Mutations): Buffer =>
  changes.reduce((bytes, { kind, at, length, byte }) => {
    const from = Math.floor((at / 1_000_000) * bytes.length)
    const [before, piece, after] = [
      bytes.subarray(0, from),
      bytes.subarray(from, from + length),
      bytes.subarray(from + length),
    ]
    if (kind === 'cut') return Buffer.concat([before, after])
    if (kind === 'double') return Buffer.concat([before, piece, piece, after])
    if (kind === 'swap') return Buffer.concat([after, piece, before])
    return Buffer.concat([before, Buffer.alloc(piece.length, byte), after])
  }, original)

const block = 512

/** A tar whose headers are right again: what is wrong with it is past its checksums. */
const withSums = (tar: Buffer): Buffer => {
  const out = Buffer.from(tar)
  for (let at = 0; at + block <= out.length; at += block) {
    const header = out.subarray(at, at + block)
    if (header.toString('latin1', 257, 262) !== 'ustar') continue
    header.fill(32, 148, 156)
    const sum = header.reduce((all, byte) => all + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  }
  return out
}

t.test('a broken archive of a slug is refused, or is harmless', { timeout: 120_000 }, async (t) => {
  const dir = await scratch(t)
  const outside = await files(join(dir, 'outside'), { secret: 'x' })
  const source = await files(join(dir, 'source'), {
    'app/Procfile': 'web: x\n',
    'app/lib/a': 'a'.repeat(700),
  })
  await symlink('../lib', join(source, 'app/lib/up'))
  await symlink(outside, join(source, 'app/out'))
  await symlink('/etc/passwd', join(source, 'app/passwd'))
  await exec('ln', [join(source, 'app/lib/a'), join(source, 'app/lib/b')])
  const { stdout } = await exec('tar', ['-cf', '-', '--format=gnu', '-C', source, './app'], {
    encoding: 'buffer',
  })
  const into = join(dir, 'slugs/one')
  const ends = { refused: 0, taken: 0 }
  await fc.assert(
    fc.asyncProperty(mutations, fc.boolean(), async (changes, isSummed) => {
      const tar = mutated(stdout, changes)
      const bytes = gzipSync(isSummed ? withSums(tar) : tar)
      const file = join(dir, 'slug')
      await writeFile(file, bytes)
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      const failed = await unpack({ file, sha256, into }).then(
        () => undefined,
        (error: unknown) => error as { code?: string },
      )
      ends[failed === undefined ? 'taken' : 'refused'] += 1
      const isHarmless = failed === undefined || failed.code?.startsWith('SLUG_') === true
      const isAlone =
        (await readdir(dir)).toSorted().join() === 'outside,slug,slugs,source' ||
        (await readdir(dir)).toSorted().join() === 'outside,slug,source'
      const isKept = (await readFile(join(outside, 'secret'), 'utf8')) === 'x'
      const left = await readdir(join(dir, 'slugs')).catch(() => [])
      await exec('rm', ['-rf', join(dir, 'slugs')])
      return (
        isHarmless && isAlone && isKept && (failed === undefined ? left.join() === 'one' : left.length === 0)
      )
    }),
    { numRuns: 40, seed: 20261127 },
  )
  t.ok(ends.refused > 10 && ends.taken > 3, `${ends.refused} refused, ${ends.taken} taken`)
})

const packet = (text: string): Buffer =>
  Buffer.concat([Buffer.from((text.length + 4).toString(16).padStart(4, '0')), Buffer.from(text)])

t.test('a broken push changes nothing, and the next one is taken', { timeout: 120_000 }, async (t) => {
  const dir = await scratch(t)
  const repository = join(dir, 'app.git')
  await createRepository(repository)
  const hooks = await hookServer(
    join(dir, 'hook.sock'),
    async () => 0,
    () => undefined,
  )
  const server = createServer((request, response) => {
    const pathInfo = (request.url ?? '').split('?')[0]?.replace('/app.git', '') ?? ''
    void serveGit(request, response, { repository, pathInfo, env: { ...hooks.env, MANIFOLD_PUSH_ID: 'p1' } })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await hooks.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/app.git`
  const work = join(dir, 'work')
  await mkdir(work)
  await git(work, 'init', '-q', '-b', 'main')
  const tip = await commit(work, 'Procfile', 'web: true\n', 'first')
  const made = exec('git', ['-C', work, 'pack-objects', '--stdout', '--all', '-q'], { encoding: 'buffer' })
  made.child.stdin?.end()
  const command = `${'0'.repeat(40)} ${tip} refs/heads/main\0 report-status side-band-64k agent=test`
  const body = Buffer.concat([packet(command), Buffer.from('0000'), (await made).stdout])
  const send = async (bytes: Buffer): Promise<number> => {
    const headers = { 'content-type': 'application/x-git-receive-pack-request' }
    const answer = await fetch(`${url}/git-receive-pack`, {
      method: 'POST',
      headers,
      body: new Uint8Array(bytes),
    })
    return (await answer.text(), answer.status)
  }
  const ends = { refused: 0, taken: 0 }
  await fc.assert(
    fc.asyncProperty(mutations, async (changes) => {
      const bytes = mutated(body, changes)
      if (bytes.equals(body)) return true
      await send(bytes).catch(() => undefined)
      const standing = await refs(repository)
      // A change of what nobody reads, the pusher's capabilities, leaves a push that is right.
      const isSound = standing === '' || standing.endsWith(tip)
      if (standing !== '') await git(repository, 'update-ref', '-d', standing.split(' ')[0] ?? '')
      ends[standing === '' ? 'refused' : 'taken'] += 1
      return isSound
    }),
    { numRuns: 25, seed: 20261127 },
  )
  t.ok(ends.refused > 12, `${ends.refused} were refused`)
  t.equal((await git(repository, 'fsck', '--full')).code, 0)
  t.equal(await send(body), 200)
  t.equal(await refs(repository), `refs/heads/main ${tip}`)
  const left = (await readdir(join(repository, 'objects'))).filter((name) => name.startsWith('tmp_'))
  t.strictSame(left, [], 'nothing of what was refused')
})
