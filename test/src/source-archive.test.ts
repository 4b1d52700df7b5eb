/**
 * Source archives with real tar and curl: taken, refused, and nothing outside their folder touched.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { archiveFile, fetchSource, type SourceArchive } from '../../src/slug/source-archive.ts'
import { files, scratch } from '../kit/files.ts'
import { localSandbox } from '../kit/local-sandbox.ts'

const exec = promisify(execFile)
const env = { PATH: '/usr/local/bin:/usr/bin:/bin' }

/** An archive of the folder `of` and what tar is told besides. */
const archived = async (dir: string, of: string, args: readonly string[] = ['.']): Promise<string> => {
  const file = join(dir, `${createHash('sha1').update(args.join()).digest('hex')}.tgz`)
  await exec('tar', ['-czf', file, '-C', of, ...args])
  return file
}

const fetched = async (
  t: Test,
  file: string | undefined,
  archive: SourceArchive = {},
  limits: { archiveBytesMax?: number; unpackedBytesMax?: number; timeoutMs?: number } = {},
): Promise<string> => {
  const folder = join(await scratch(t), 'source')
  await mkdir(folder)
  if (file !== undefined) await cp(file, join(folder, archiveFile))
  return fetchSource(archive, { sandbox: localSandbox, folder, env, mounts: [], limits })
}

t.test('a source is what its archive holds, without a folder around everything', async (t) => {
  const dir = await scratch(t)
  const tree = await files(join(dir, 'in'), {
    Procfile: 'web: x\n',
    'bin/run*': '#!/bin/sh\n',
    '.hidden': '',
  })
  await symlink('../Procfile', join(tree, 'bin/link'))
  const plain = await archived(dir, tree)
  const one = await fetched(t, plain)
  t.same((await readdir(one)).toSorted(), ['.hidden', 'Procfile', 'bin'])
  t.equal(await readFile(join(one, 'bin/link'), 'utf8'), 'web: x\n')
  t.equal((await stat(join(one, 'bin/run'))).mode & 0o111, 0o111)

  const wrapped = await fetched(t, await archived(dir, dir, ['in']))
  t.same((await readdir(wrapped)).toSorted(), ['.hidden', 'Procfile', 'bin'])
  const sum = createHash('sha256')
    .update(await readFile(plain))
    .digest('hex')
  t.ok(await fetched(t, plain, { sha256: sum }))
  await t.rejects(fetched(t, plain, { sha256: '0'.repeat(64) }), {
    code: 'source_refused',
    message: `the checksum of the source is SHA256:${sum} and not SHA256:${'0'.repeat(64)}.`,
  })
})

t.test('an archive that would leave its folder, or is none, is refused by name', async (t) => {
  const dir = await scratch(t)
  const tree = await files(join(dir, 'in'), { a: 'a', 'deep/b': 'b' })
  const refused = async (file: string, message: RegExp): Promise<void> => {
    await t.rejects(fetched(t, file), { code: 'source_refused', message })
  }
  const upwards = await archived(dir, tree, ['-P', '--transform=s,^a,../../escaped,', 'a'])
  await refused(upwards, /a path in the source contains '\.\.'/)
  const absolute = await fetched(
    t,
    await archived(dir, tree, ['-P', `--transform=s,^a,${dir}/x,`, 'a', 'deep']),
  )
  t.notMatch(await readdir(dir), ['x'], 'an absolute path is one inside')
  t.ok(absolute)

  for (const [name, target] of Object.entries({ far: '/etc/passwd', up: '../../../x', by: 'deep/../..' })) {
    const linked = await files(join(dir, `link-${name}`), { 'deep/x': '' })
    await symlink(target, join(linked, 'out'))
    await refused(await archived(dir, linked), /the link out leads out of the source/)
  }
  // Each link alone stays inside; the way through both does not.
  const through = await files(join(dir, 'through'), { 'x/y/z/f': '' })
  await symlink('../../..', join(through, 'x/y/z/root'))
  await symlink('x/y/z/root/../..', join(through, 'sly'))
  await refused(await archived(dir, through), /the link sly leads out/)

  const odd = await files(join(dir, 'odd'), { a: '' })
  await exec('mkfifo', [join(odd, 'pipe')])
  await refused(await archived(dir, odd), /pipe is neither a file, a directory nor a link/)

  const text = join(dir, 'text.tgz')
  await writeFile(text, 'no archive at all')
  await refused(text, /no gzip tar that can be unpacked/)
  const large = await archived(dir, await files(join(dir, 'large'), { z: '0'.repeat(5_000_000) }))
  await t.rejects(fetched(t, large, {}, { archiveBytesMax: 1_000 }), { message: /larger than/ })
  await t.rejects(fetched(t, large, {}, { unpackedBytesMax: 1e6 }), { message: /no gzip tar/ })
})

t.test('an address is fetched, followed and bounded; what it answers is said', async (t) => {
  const dir = await scratch(t)
  const file = await archived(dir, await files(join(dir, 'in'), { Procfile: 'web: x\n' }))
  const server = createServer((req, res) => {
    if (/^\/source\.tgz(\?a\[\]=\{b,c\})?$/.test(req.url ?? ''))
      void readFile(file).then((bytes) => res.end(bytes))
    else if (req.url === '/moved') res.writeHead(302, { location: '/source.tgz' }).end()
    else if (req.url === '/file') res.writeHead(302, { location: 'file:///etc/passwd' }).end()
    else if (req.url === '/endless')
      setImmediate(function more() {
        if (!res.destroyed) res.write(Buffer.alloc(64 * 1024), () => setImmediate(more))
      })
    else res.writeHead(404).end()
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const at = (path: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
  t.same(await readdir(await fetched(t, undefined, { url: at('/moved') })), ['Procfile'])
  t.same(await readdir(await fetched(t, undefined, { url: at('/source.tgz?a[]={b,c}') })), ['Procfile'])
  await t.rejects(fetched(t, undefined, { url: at('/none') }), { message: /cannot be fetched: .*404/ })
  await t.rejects(fetched(t, undefined, { url: at('/file') }), { message: /cannot be fetched/ })
  const bounds = { archiveBytesMax: 1024 ** 2 }
  await t.rejects(fetched(t, undefined, { url: at('/endless') }, bounds), { message: /larger than 1 MB/ })
  const stop = AbortSignal.abort(new Error('stopped'))
  const folder = await scratch(t)
  await t.rejects(
    fetchSource(
      { url: at('/endless') },
      { sandbox: localSandbox, folder, env, mounts: [], signal: stop, limits: bounds },
    ),
    { message: 'stopped' },
  )
})
