/**
 * Packing and unpacking slugs with real archives, hostile ones too.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, lstat, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import t from 'tap'
import { asGzip } from '../../src/slug/as-gzip.ts'
import { pack } from '../../src/slug/pack.ts'
import { adopt, unpack } from '../../src/slug/unpack.ts'
import { setTimes } from '../../src/slug/times.ts'
import { build, simple } from '../kit/builds.ts'
import { files, scratch } from '../kit/files.ts'

const exec = promisify(execFile)

t.test('a slug packs under ./app, owned by root, and unpacks to the same tree', async (t) => {
  const dir = await scratch(t)
  await files(join(dir, 'in/app'), {
    Procfile: 'web: x\n',
    'bin/run*': '#!/bin/sh\n',
    'big.bin': randomBytes(4_500_000).toString('hex'),
  })
  await symlink('bin/run', join(dir, 'in/app/link'))
  await chmod(join(dir, 'in/app/Procfile'), 0o600)
  await chmod(join(dir, 'in/app/bin/run'), 0o4755)
  const file = join(dir, 'slug.tar.zst')
  const packed = await pack(join(dir, 'in'), { file, bytesMax: 1e9 })
  t.equal(packed.bytes, (await stat(file)).size)
  const { stdout } = await exec('tar', ['-tv', '--zstd', '-f', file])
  t.match(stdout, /^drwxr-xr-x 0\/0 .* \.\/app\/\n/)
  t.match(stdout, /-rw-r--r-- 0\/0 .* \.\/app\/Procfile\n/)
  t.match(stdout, /-rwxr-xr-x 0\/0 .* \.\/app\/bin\/run\n/, 'no set-id bit')

  t.same(await pack(join(dir, 'in'), { file, bytesMax: 1e9 }), packed, 'again, the same bytes')

  const into = join(dir, 'slugs/one')
  await unpack({ file, sha256: packed.sha256, into })
  t.equal(await readFile(join(into, 'link'), 'utf8'), '#!/bin/sh\n')
  t.equal((await stat(join(into, 'Procfile'))).mode & 0o777, 0o644)
  t.equal((await stat(join(into, 'bin'))).mode & 0o777, 0o755)
  await unpack({ file, sha256: packed.sha256, into })
  await adopt(join(dir, 'in/app'), join(dir, 'slugs/two'))
  t.equal((await stat(join(dir, 'slugs/two/bin/run'))).mode & 0o7777, 0o755)
  t.same((await readdir(join(dir, 'slugs'))).toSorted(), ['one', 'two'])

  await t.rejects(unpack({ file, sha256: '0'.repeat(64), into: join(dir, 'slugs/bad') }), {
    code: 'SLUG_CHECKSUM',
    message:
      `Checksum does match expected value. Expected: SHA256:${'0'.repeat(64)} ` +
      `Actual: SHA256:${packed.sha256}`,
  })
  await t.rejects(unpack({ file, ...packed, into: join(dir, 'slugs/bomb'), unpackedBytesMax: 1e6 }), {
    code: 'SLUG_DAMAGED',
  })
  const asTgz = await buffer(asGzip(createReadStream(file)))
  const tgz = join(dir, 'slug.tgz')
  await writeFile(tgz, asTgz)
  t.equal((await exec('tar', ['-tvzf', tgz])).stdout, stdout, 'for tools that read gzip')
  t.same(await buffer(asGzip(createReadStream(tgz))), asTgz, 'what is gzip passes as it is')
  t.equal((await buffer(asGzip(Readable.from([])))).length, 0)

  // A file of holes, which would keep a host busy for days and is next to nothing when it is packed.
  await files(join(dir, 'holes/app'), { far: '' })
  await truncate(join(dir, 'holes/app/far'), 2 ** 43)
  await t.rejects(pack(join(dir, 'holes'), { file, bytesMax: 1e9, unpackedBytesMax: 1e7 }), {
    code: 'TOO_LARGE',
    text: /^ !     Uncompressed slug size: more than 9\.5M is too large\.\n/,
  })
  await t.rejects(stat(file), { code: 'ENOENT' })

  const large = await pack(join(dir, 'slugs').replace('slugs', 'one'), { file, bytesMax: 1 }).catch(
    (e: unknown) => e,
  )
  t.match(large, { code: 'SLUG_NOT_PACKED' })
})

t.test('a hostile slug leaves nothing outside its directory and is refused', async (t) => {
  const dir = await scratch(t)
  const outside = await files(join(dir, 'outside'), { secret: 'x' })
  await chmod(join(outside, 'secret'), 0o600)
  const make = async (
    name: string,
    ...argv: string[]
  ): Promise<{ file: string; sha256: string; into: string }> => {
    const file = join(dir, `${name}.tgz`)
    await exec('tar', ['-czf', file, ...argv])
    const { stdout } = await exec('sha256sum', [file])
    return { file, sha256: stdout.split(' ')[0] ?? '', into: join(dir, 'slugs', name) }
  }
  const src = await files(join(dir, 'src'), { 'app/a': 'a', 'other/b': 'b' })
  await unpack(await make('extra', '-C', src, './app', './other'))
  t.same(await readdir(join(dir, 'slugs')), ['extra'], 'what is not under ./app is dropped')
  const dots = await make('dots', '-P', '-C', src, '--transform', 's,^./app/a,./app/../../../evil,', './app')
  await t.rejects(unpack(dots), { code: 'SLUG_UNSAFE' })
  await symlink(outside, join(src, 'link'))
  const linked = await make('linked', '-C', src, '--transform', 's,^./link$,./app,', './link')
  await t.rejects(unpack(linked), { code: 'SLUG_DAMAGED' }, 'app is a link')
  const through = await make(
    'through',
    '-C',
    src,
    '--transform',
    's,^./link$,./app/l,;s,^./app/a$,./app/l/a,',
    './link',
    './app',
  )
  await unpack(through).catch((cause: unknown) => t.match(cause, { name: 'SlugError' }))
  await exec('mkfifo', [join(src, 'app/pipe')])
  await t.rejects(unpack(await make('fifo', '-C', src, './app')), { code: 'SLUG_UNSAFE' })
  await writeFile(join(dir, 'no.tgz'), 'not a tar')
  const { stdout } = await exec('sha256sum', [join(dir, 'no.tgz')])
  await t.rejects(
    unpack({ file: join(dir, 'no.tgz'), sha256: stdout.split(' ')[0] ?? '', into: join(dir, 'slugs/no') }),
    {
      code: 'SLUG_DAMAGED',
    },
  )
  t.same(await readdir(outside), ['secret'])
  t.equal((await stat(join(outside, 'secret'))).mode & 0o777, 0o600)
  t.notOk((await readdir(join(dir, 'slugs'))).some((name) => name.includes('part')))
})

t.test('one source builds to the same bytes each time, and its files are as old as the source', async (t) => {
  const dir = await scratch(t)
  const sourceTime = 1_700_000_000
  const checkout = async (into: string): Promise<void> => {
    await files(into, { 'any.app': '', 'lib/a': 'a' })
    await setTimes(into, sourceTime)
  }
  const compileText = 'cd "$1"; date -d @$SOURCE_DATE_EPOCH +%F; mkdir out; echo made > out/x; ln -s x out/y'
  const builtins = { 'heroku/any': await files(join(dir, 'any'), simple('any', compileText)) }
  const built = [await build(dir, {}, { checkout, builtins }), await build(dir, {}, { checkout, builtins })]
  const [one, two] = built.map(({ result }) => result)
  t.match(built[0]?.output, '2023-11-14')
  t.match(one?.sha256, /^[0-9a-f]{64}$/)
  t.equal(two?.sha256, one?.sha256)
  for (const path of ['any.app', 'lib', 'out', 'out/x', 'out/y'])
    t.equal((await lstat(join(one?.appDir ?? '', path))).mtimeMs, sourceTime * 1_000, path)
})
