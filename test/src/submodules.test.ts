/**
 * Submodules of a pushed commit: fetched by the build, in its sandbox, from a real git server.
 */
import { createServer } from 'node:http'
import { mkdir, readFile, rename } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkoutCommit } from '../../src/git/checkout.ts'
import { serveGit } from '../../src/git/serve.ts'
import { unpack } from '../../src/slug/unpack.ts'
import { build, type Built } from '../kit/builds.ts'
import { files, scratch } from '../kit/files.ts'
import { commit, git } from '../kit/git.ts'

/** Serves every repository under a folder, for reading. @returns where */
const serve = async (test: Test, folder: string): Promise<string> => {
  const server = createServer((request, response) => {
    const [, name = '', pathInfo = ''] = /^\/([\w-]+)(\/[^?]*)/.exec(request.url ?? '') ?? []
    void serveGit(request, response, { repository: join(folder, name, '.git'), pathInfo })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  test.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const repository = async (dir: string, name: string, file: string): Promise<string> => {
  const work = join(dir, name)
  await mkdir(work)
  await git(work, 'init', '-q', '-b', 'main')
  await commit(work, file, name, 'first')
  return work
}

/** What a push of its head builds to. */
const pushed = async (dir: string, work: string): Promise<Built> => {
  const head = (await git(work, 'rev-parse', 'HEAD')).out.trim()
  const source = join(dir, 'source')
  const submodules = await checkoutCommit(join(work, '.git'), head, source)
  const pack = await files(join(dir, 'pack'), {
    'bin/detect*': '#!/bin/sh\necho any\n',
    'bin/compile*': '#!/bin/sh\nls -A "$1"\n',
  })
  return build(
    dir,
    {},
    { checkout: (into) => rename(source, into), submodules, builtins: { 'heroku/any': pack } },
  )
}

t.test('the commits that a push names are fetched, nested ones too, and are in the slug', async (t) => {
  const dir = await scratch(t)
  const url = await serve(t, dir)
  await repository(dir, 'inner', 'inner.txt')
  const lib = await repository(dir, 'lib', 'lib.txt')
  const add = (into: string, of: string, path: string) =>
    git(into, 'submodule', '--quiet', 'add', `${url}/${of}`, path)
  t.match(await add(lib, 'inner', 'deep'), { code: 0 })
  const named = await commit(lib, 'second.txt', 'second', 'with a submodule')
  const work = await repository(dir, 'app', 'Procfile')
  t.match(await add(work, 'lib', 'vendor/a lib'), { code: 0 })
  await commit(work, 'x', 'x', 'with a submodule')
  await commit(lib, 'later.txt', 'later', 'what the push does not name')
  const { output, result } = await pushed(dir, work)
  t.match(output, '-----> Git submodules detected, installing\n')
  t.match(output, `       Submodule 'vendor/a lib' (${url}/lib) registered for path 'vendor/a lib'\n`)
  t.match(output, `checked out '${named}'`)
  t.match(output, /-----> any app detected\nProcfile\nvendor\nx\n/, 'nothing of git is left')
  const into = join(dir, 'slug')
  await unpack({ file: result?.slugFile ?? '', sha256: result?.sha256 ?? '', into })
  const read = (path: string): Promise<string> => readFile(join(into, 'vendor/a lib', path), 'utf8')
  t.equal(await read('second.txt'), 'second')
  t.equal(await read('deep/inner.txt'), 'inner')
  await t.rejects(read('later.txt'), { code: 'ENOENT' })
  await t.rejects(read('.git'), { code: 'ENOENT' })
})

t.test('one that cannot be fetched, or has no address, fails the push and says why', async (t) => {
  for (const [address, why] of [
    ['https://127.0.0.1:1/gone', /Failed to connect|unable to access/],
    ['file:///etc', /transport 'file' not allowed/],
    [undefined, /No url found for submodule path 'lib' in \.gitmodules/],
  ] as const) {
    const dir = await scratch(t)
    const work = await repository(dir, 'app', 'Procfile')
    const id = (await git(work, 'rev-parse', 'HEAD')).out.trim()
    await git(work, 'update-index', '--add', '--cacheinfo', `160000,${id},lib`)
    const modules = address === undefined ? '' : `[submodule "lib"]\n\tpath = lib\n\turl = ${address}\n`
    await files(work, { '.gitmodules': modules })
    await git(work, 'add', '.gitmodules')
    await git(work, 'commit', '-q', '-m', 'submodule')
    const { output, failure } = await pushed(dir, work)
    t.match(output, why)
    t.match(failure, { code: 'SUBMODULES_FAILED', text: / !     Push rejected, submodule install failed\./ })
  }
})
