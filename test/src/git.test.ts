/**
 * src/git with real parties: git's own client pushes to, and clones from, a real HTTP server over real
 * repositories, hooks and sockets.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { mkdir, mkdtemp, readFile, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { changes, checkoutCommit, commitTime } from '../../src/git/checkout.ts'
import { hookServer, type HookHandler, type HookServer } from '../../src/git/hook-server.ts'
import { addPack, packOf } from '../../src/git/packs.ts'
import { createRepository, refsOf, setHead, setRefs } from '../../src/git/repository.ts'
import { serveGit, type ServeOptions } from '../../src/git/serve.ts'
import { judge, type RefUpdate } from '../../src/git/updates.ts'
import { killAll } from '../../src/oci/signal.ts'
import { commit, git, refs } from '../kit/git.ts'
import { until } from '../kit/until.ts'

const zero = '0'.repeat(40)
const one = '1'.repeat(40)
const two = '2'.repeat(40)
const update = (branch: string, from = zero, to = one): RefUpdate => ({
  from,
  to,
  ref: `refs/heads/${branch}`,
})

type World = {
  dir: string
  work: string
  repository: string
  url: string
  errors: unknown[]
  hooks: HookServer
}

/**
 * A repository behind a server with a hook handler, and a work tree with one commit and the remote
 * `heroku`.
 */
async function world(test: Test, handler: HookHandler, serve: Partial<ServeOptions> = {}): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), 'manifold-git-'))
  const repository = join(dir, 'app.git')
  const errors: unknown[] = []
  await createRepository(repository)
  const hooks = await hookServer(join(dir, 'hook.sock'), handler, (cause) => errors.push(cause))
  const server = createServer((req, res) => {
    const path = (req.url ?? '').split('?')[0] ?? ''
    const pathInfo = path.replace('/app.git', '')
    void serveGit(req, res, { repository, pathInfo, env: { ...hooks.env, MANIFOLD_PUSH_ID: 'p1' }, ...serve })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  test.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await hooks.close()
    await rm(dir, { recursive: true, force: true, maxRetries: 3 })
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/app.git`
  const work = join(dir, 'work')
  await mkdir(work)
  await git(work, 'init', '-q', '-b', 'main')
  await git(work, 'remote', 'add', 'heroku', url)
  await commit(work, 'Procfile', 'web: true\n', 'first')
  return { dir, work, repository, url, errors, hooks }
}

t.test(
  'judge builds main or master, keeps other branches unbuilt and refuses to delete either',
  async (t) => {
    t.same(judge([update('main')]), { kind: 'build', branch: 'main', commit: one })
    t.same(judge([update('x'), update('master', one, two)]), {
      kind: 'build',
      branch: 'master',
      commit: two,
      previous: one,
    })
    t.match(judge([update('master'), update('main', one, two)]), { branch: 'main' })
    t.same(judge([update('feature')]), {
      kind: 'skip',
      text: 'Pushed to branch other than [main, master], skipping build.\n',
    })
    t.match(judge([{ from: zero, to: one, ref: 'refs/tags/v1' }]), { kind: 'skip' })
    t.same(judge([update('main'), update('master', one, zero)]), {
      kind: 'refuse',
      text: '!\tPush rejected, cannot delete master branch\n',
    })
  },
)

t.test('a push runs the hook, shows its output as it comes and moves the ref when it accepts', async (t) => {
  const seen: unknown[] = []
  const w = await world(t, async (push, { write }) => {
    seen.push(push.updates, push.push, push.repository)
    const verdict = judge(push.updates)
    if (verdict.kind !== 'build') return 1
    const made = await commitTime(push.repository, verdict.commit, { env: push.quarantine })
    await checkoutCommit(push.repository, verdict.commit, join(w.dir, 'build'), { env: push.quarantine })
    write(`-----> Building ${verdict.commit}\n`)
    t.ok(Math.abs(made - Date.now() / 1_000) < 600, 'made just now')
    return 0
  })
  const head = (await git(w.work, 'rev-parse', 'HEAD')).out.trim()
  const pushed = await git(w.work, 'push', 'heroku', 'main')
  t.equal(pushed.code, 0, pushed.err)
  t.match(pushed.err, `remote: -----> Building ${head}`)
  t.same(seen, [[{ from: zero, to: head, ref: 'refs/heads/main' }], 'p1', w.repository])
  t.equal(await readFile(join(w.dir, 'build/Procfile'), 'utf8'), 'web: true\n')
  t.equal(await refs(w.repository), `refs/heads/main ${head}`)

  const second = await commit(w.work, 'a.txt', 'a', 'second')
  t.equal((await git(w.work, 'push', 'heroku', 'main')).code, 0)
  t.match(await changes(w.repository, head, second), { paths: 1, tree: /^[0-9a-f]{7}$/ })
  const clone = await git(w.dir, 'clone', '-q', w.url, 'clone')
  t.equal(clone.code, 0, clone.err)
  t.same((await readdir(join(w.dir, 'clone'))).toSorted(), ['.git', 'Procfile', 'a.txt'])
  t.same(w.errors, [])
})

t.test('a refused push leaves every ref as it was and tells the pusher why', async (t) => {
  let answer = 1
  const w = await world(t, async (push, { write }) => {
    const verdict = judge(push.updates)
    if (verdict.kind !== 'build') write(verdict.text)
    if (verdict.kind === 'build' && answer === 2) throw new Error('out of order')
    return verdict.kind === 'build' ? answer : verdict.kind === 'skip' ? 0 : 1
  })
  const refused = await git(w.work, 'push', 'heroku', 'main')
  t.equal(refused.code, 1)
  t.match(refused.err, '! [remote rejected] main -> main (pre-receive hook declined)')
  t.equal(await refs(w.repository), '')
  t.equal((await readdir(join(w.repository, 'objects'))).filter((name) => name.startsWith('tmp')).length, 0)

  answer = 2
  t.match(
    (await git(w.work, 'push', 'heroku', 'main')).err,
    'Push rejected, the platform failed to handle it.',
  )
  t.match(w.errors, [{ message: 'out of order' }])

  const branch = await git(w.work, 'push', 'heroku', 'main:feature')
  t.equal(branch.code, 0)
  t.match(branch.err, 'remote: Pushed to branch other than [main, master], skipping build.')
  answer = 0
  t.equal((await git(w.work, 'push', 'heroku', 'main', 'main:other')).code, 0)
  const gone = await git(w.work, 'push', 'heroku', ':main')
  t.equal(gone.code, 1)
  t.match(gone.err, 'cannot delete main branch')
  t.match(await refs(w.repository), /feature .*\n.*main .*\n.*other/)
})

t.test(
  'a push larger than the post buffer and a build with megabytes of output both pass whole',
  async (t) => {
    const line = 'x'.repeat(99) + '\n'
    const w = await world(t, async (_, { write }) => {
      for (let i = 0; i < 30; i++) write(line.repeat(1000))
      return 0
    })
    await writeFile(join(w.work, 'noise.bin'), randomBytes(3 * 1024 * 1024))
    await commit(w.work, 'more', 'more', 'big')
    const pushed = await git(w.work, 'push', 'heroku', 'main')
    t.equal(pushed.code, 0, pushed.err.slice(-500))
    t.equal(pushed.err.split('\n').filter((each) => each.includes('x'.repeat(99))).length, 30_000)
  },
)

t.test('the hook ends the push with a clear line when the host process dies or is not there', async (t) => {
  const w = await world(t, async () => {
    void w.hooks.close()
    return new Promise(() => undefined)
  })
  const dead = await git(w.work, 'push', 'heroku', 'main')
  t.equal(dead.code, 1)
  t.match(dead.err, 'Push rejected, the platform went away during the build.')
  const absent = await git(w.work, 'push', 'heroku', 'main')
  t.match(absent.err, 'Push rejected, the platform cannot be reached.')
  const local = await git(w.work, 'push', w.repository, 'main')
  t.match(local.err, 'this repository takes pushes through the platform only')
  t.equal(await refs(w.repository), '')
})

t.test('a pusher who goes away aborts the build and leaves no process behind', async (t) => {
  let signal: AbortSignal | undefined
  const w = await world(t, (_, answer) => {
    signal = answer.signal
    return new Promise(() => undefined)
  })
  const client = spawn('env', ['-i', `PATH=${process.env['PATH']}`, 'git', 'push', 'heroku', 'main'], {
    cwd: w.work,
    stdio: 'ignore',
    detached: true,
  })
  await until(() => signal, { what: 'the hook to ask' })
  killAll([-(client.pid ?? 0)], 'SIGKILL')
  await until(() => signal?.aborted, { what: 'the abort' })
  await until(async () => !(await commandLines()).some((line) => line.includes(w.dir)), {
    what: 'the backend and its hook to be gone',
  })
  t.equal(await refs(w.repository), '')
})

/**
 * The environments' paths of all processes would need more; hooks and backends carry the directory in
 * these.
 */
async function commandLines(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const read = (pid: string): Promise<string> => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return Promise.all(pids.map(read))
}

t.test('a client that gives up on a silent server waits for a silent build', async (t) => {
  const bearsSeconds = 3
  const w = await world(t, async () => {
    const since = performance.now()
    // Too short for the beats that git has by default.
    const isBorne = (): boolean => performance.now() - since > 1_500 * bearsSeconds
    await until(isBorne, { what: 'the client to have had enough' })
    return 0
  })
  const patience = ['-c', 'http.lowSpeedLimit=1', '-c', `http.lowSpeedTime=${bearsSeconds}`]
  await git(w.work, ...patience, 'push', '-q', 'heroku', 'main')
  t.match(await refs(w.repository), /refs\/heads\/main/)
  t.same(w.errors, [])
})

t.test('a push whose record could not be kept ends as an error for the pusher', async (t) => {
  let fail = true
  const beforeEnd = async (): Promise<void> => {
    if (fail) throw new Error('store is away')
  }
  const w = await world(t, async () => 0, { beforeEnd })
  t.not((await git(w.work, 'push', 'heroku', 'main')).code, 0)
  fail = false
  await commit(w.work, 'b', 'b', 'second')
  t.equal((await git(w.work, 'push', 'heroku', 'main')).code, 0)
})

t.test('the server answers what git clients ask and refuses the rest', async (t) => {
  const w = await world(t, async () => 0, { bodyBytesMax: 1000 })
  for (const [path, status] of [
    ['/info/refs?service=git-receive-pack', 200],
    ['/info/refs?service=git-upload-pack', 200],
    ['/info/refs?service=git-shell', 404],
    ['/info/refs', 404],
    ['/objects/info/packs', 404],
    ['/config', 404],
    ['/../../etc/passwd', 404],
  ] as const)
    t.equal((await fetch(w.url + path)).status, status, path)
  const head = await fetch(`${w.url}/info/refs?service=git-upload-pack`, { method: 'HEAD' })
  t.equal(head.headers.get('content-type'), 'application/x-git-upload-pack-advertisement')
  const type = { 'content-type': 'application/x-git-receive-pack-request' }
  const probe = await fetch(`${w.url}/git-receive-pack`, { method: 'POST', body: '0000', headers: type })
  t.equal(probe.status, 200)
  const gzipped = await fetch(`${w.url}/git-receive-pack`, {
    method: 'POST',
    body: gzipSync('0000'),
    headers: { ...type, 'content-encoding': 'gzip' },
  })
  t.equal(gzipped.status, 200)
  const large = await fetch(`${w.url}/git-receive-pack`, {
    method: 'POST',
    body: 'x'.repeat(2000),
    headers: type,
  })
  t.equal(large.status, 413)
  await writeFile(join(w.work, 'noise'), randomBytes(5000))
  await commit(w.work, 'c', 'c', 'big')
  t.not(
    (await git(w.work, '-c', 'http.postBuffer=100', 'push', 'heroku', 'main')).code,
    0,
    'chunked and too large',
  )
  t.equal(await refs(w.repository), '')
})

t.test('packs hold what refs reach beyond others, and make a repository with the same refs', async (t) => {
  const w = await world(t, async () => 0)
  const none = { want: [], without: [] }
  t.equal(await packOf(w.repository, none), undefined, 'nothing to pack yet')
  const first = (await git(w.work, 'rev-parse', 'HEAD')).out.trim()
  await writeFile(join(w.work, 'noise'), randomBytes(100_000))
  const second = await commit(w.work, 'd', 'd', 'second')
  await git(w.work, 'push', 'heroku', 'main:master', 'main:feature')
  const base = (await packOf(w.repository, { want: [first], without: [] }))!
  const more = (await packOf(w.repository, { want: [second], without: [first, one] }))!
  t.equal(await packOf(w.repository, { want: [first], without: [second] }), undefined, 'nothing is new')
  const copy = join(w.dir, 'copy.git')
  await createRepository(copy)
  await addPack(copy, base)
  await t.rejects(setRefs(copy, { 'refs/heads/main': second }), { code: 'GIT_FAILED' }, 'not there yet')
  await addPack(copy, more)
  await setRefs(copy, { 'refs/heads/main/x': first })
  await setRefs(copy, await refsOf(w.repository))
  t.equal(await refs(copy), await refs(w.repository))
  await setHead(copy, 'master')
  t.equal((await git(copy, 'symbolic-ref', 'HEAD')).out, 'refs/heads/master\n')
  t.equal((await git(copy, 'fsck', '--full', '--strict')).code, 0)

  await t.rejects(
    addPack(copy, halfOf(await text((await packOf(w.repository, { want: [second], without: [] }))!))),
    {
      code: 'GIT_FAILED',
    },
  )
  const broken = (async function* () {
    yield Buffer.from('PACK')
    throw new Error('the store is away')
  })()
  await t.rejects(addPack(copy, broken), { message: 'the store is away' })
  const objects = join(w.repository, 'objects')
  await rm(objects, { recursive: true })
  await mkdir(objects)
  await t.rejects(packOf(w.repository, { want: [second], without: [] }), { code: 'GIT_FAILED' })
})

async function* halfOf(pack: string): AsyncGenerator<Buffer> {
  yield Buffer.from(pack.slice(0, pack.length / 2))
}

t.test(
  'checkout names submodules, and follows attributes of a checkout rather than of an archive',
  async (t) => {
    const w = await world(t, async () => 0)
    await mkdir(join(w.work, 'dir'))
    await writeFile(join(w.work, '.gitattributes'), 'kept.txt export-ignore\n')
    await writeFile(join(w.work, 'dir/run'), '#!/bin/sh\n', { mode: 0o755 })
    await symlink('dir/run', join(w.work, 'link'))
    const id = await commit(w.work, 'kept.txt', 'kept', 'files')
    const into = join(w.dir, 'out')
    await checkoutCommit(join(w.work, '.git'), id, into)
    t.same((await readdir(into)).toSorted(), ['.gitattributes', 'Procfile', 'dir', 'kept.txt', 'link'])
    t.equal((await stat(join(into, 'dir/run'))).mode & 0o111, 0o111)
    t.equal(await readlink(join(into, 'link')), 'dir/run')
    await git(w.work, 'update-index', '--add', '--cacheinfo', `160000,${id},vendor/lib`)
    await git(w.work, 'commit', '-q', '-m', 'submodule')
    const linked = (await git(w.work, 'rev-parse', 'HEAD')).out.trim()
    t.strictSame(await checkoutCommit(join(w.work, '.git'), linked, join(w.dir, 'linked')), [
      { path: 'vendor/lib', commit: id },
    ])
  },
)

t.test('a socket path that a unix socket cannot have is refused by name', async (t) => {
  const long = join(tmpdir(), 'x'.repeat(120))
  await t.rejects(
    hookServer(
      long,
      async () => 0,
      () => undefined,
    ),
    { code: 'GIT_SOCKET' },
  )
})
