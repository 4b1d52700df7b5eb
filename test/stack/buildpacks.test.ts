/**
 * The built-in buildpacks with real parties: the sample app pushed by git's own client, compiled, adopted and
 * run; an app with dependencies from the npm registry, built twice.
 */
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { cp, readFile, readdir, stat } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { checkoutCommit } from '../../src/git/checkout.ts'
import { hookServer } from '../../src/git/hook-server.ts'
import { createRepository } from '../../src/git/repository.ts'
import { serveGit } from '../../src/git/serve.ts'
import { judge } from '../../src/git/updates.ts'
import { compile, type Compiled } from '../../src/slug/compile.ts'
import { findNpm } from '../../src/slug/platform-node.ts'
import { adopt } from '../../src/slug/unpack.ts'
import { openCompiler, startDyno } from '../kit/compiler.ts'
import { files } from '../kit/files.ts'
import { until } from '../kit/until.ts'

const exec = promisify(execFile)
const config = join(import.meta.dirname, '../../config')
const path = process.env['PATH'] ?? ''
// Fetching a version of Node.js takes longer than most tests may.
t.setTimeout(300_000)

const { dir, options, build } = await openCompiler(t)

t.test('the sample app is pushed, compiled, adopted and answers', async (t) => {
  const repository = join(dir, 'hello.git')
  await createRepository(repository)
  let result: Compiled | undefined
  const hooks = await hookServer(
    join(dir, 'hook.sock'),
    async (push, answer) => {
      const verdict = judge(push.updates)
      if (verdict.kind !== 'build') return 1
      result = await compile({
        ...(await options('build')),
        checkout: (into) => checkoutCommit(repository, verdict.commit, into, { env: push.quarantine }),
        onOutput: answer.write,
        signal: answer.signal,
      })
      return 0
    },
    (cause) => t.fail(String(cause)),
  )
  const server = createServer((req, res) => {
    const pathInfo = (req.url ?? '').split('?')[0]?.replace('/hello.git', '') ?? ''
    void serveGit(req, res, { repository, pathInfo, env: hooks.env })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await hooks.close()
  })

  const work = join(dir, 'work')
  await cp(join(config, 'sample'), work, { recursive: true })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hello.git`
  const git = (...argv: string[]): Promise<{ stderr: string }> =>
    exec('env', ['-i', `PATH=${path}`, 'git', '-c', 'user.name=a', '-c', 'user.email=a@b', ...argv], {
      cwd: work,
    })
  await git('init', '-q', '-b', 'main')
  await git('add', '-A')
  await git('commit', '-q', '-m', 'hello')
  const { stderr } = await git('push', url, 'main')
  t.match(stderr, /remote: -----> Node.js app detected/)
  t.match(stderr, /remote: {8}Procfile declares types -> web, worker/)
  t.match(result, { processTypes: { web: 'node web.js', worker: 'node worker.js' } })

  const into = join(dir, 'slugs/hello')
  await adopt(result?.appDir ?? '', into)
  const dyno = startDyno(into, 'node web.js', { PORT: '0', DYNO: 'web.7', GREETING: 'Good day' })
  t.teardown(() => dyno.kill('SIGKILL'))
  let log = ''
  dyno.stdout?.on('data', (bytes: Buffer) => {
    log += bytes.toString()
  })
  const port = await until(() => /listening on (\d+)/.exec(log)?.[1], {
    what: 'the sample to listen',
  })
  const answer = await (await fetch(`http://127.0.0.1:${port}/x`)).text()
  t.match(answer, /^Good day from web\.7\nrelease unknown\nrequests served by this dyno: 1\n$/)
  // Its output may come a moment after its answer.
  await until(() => log.includes('method=GET path=/x'), { what: 'the request in its log' })
  dyno.kill('SIGTERM')
  const code = await new Promise((resolve) => dyno.once('close', resolve))
  t.equal(code, 0, 'SIGTERM stops it cleanly')
})

t.test(
  'an app with dependencies is installed, built and pruned, and the second build uses the cache',
  async (t) => {
    const manifest = {
      name: 'app',
      version: '1.0.0',
      engines: { node: '24.x' },
      scripts: {
        start: 'node server.js',
        'heroku-prebuild': 'echo prebuilding',
        build:
          "node -e \"console.log(process.version, require('escape-html')('<'), process.env.TOKEN)\" > built",
      },
      dependencies: { ms: '2.1.3' },
      devDependencies: { 'escape-html': '1.0.3' },
    }
    const work = join(dir, 'locked')
    await files(work, { 'package.json': JSON.stringify(manifest) })
    const npm = join(await findNpm(path), 'bin/npm-cli.js')
    await exec(process.execPath, [npm, 'install', '--package-lock-only', '--no-audit'], { cwd: work })
    const source = Object.fromEntries(
      await Promise.all(
        (await readdir(work)).map(async (name) => [name, await readFile(join(work, name), 'utf8')] as const),
      ),
    )
    const more = { config: { TOKEN: 'from config', NODE_VERBOSE: 'true', PATH: '/nowhere' } }
    const first = await build('one', source, more)
    t.equal(first.failure, undefined, first.output)
    t.match(
      first.output,
      /Resolving node version 24\.x\.\.\.\n {7}Downloading and installing node 24\.\d+\.\d+/,
    )
    t.match(first.output, 'Running heroku-prebuild')
    t.match(first.output, 'NODE_VERBOSE=true')
    t.match(first.output, '-----> Pruning devDependencies')
    t.match(first.output, 'Default types for buildpack -> web')
    t.same(first.result?.processTypes, { web: 'npm start' })
    const app = first.result?.appDir ?? ''
    t.match(await readFile(join(app, 'built'), 'utf8'), /^v24\.\d+\.\d+ &lt; from config\n$/)
    t.same(
      (await readdir(join(app, 'node_modules'))).filter((name) => !name.startsWith('.')),
      ['ms'],
    )
    t.ok((await stat(join(app, '.heroku/node/bin/node'))).mode & 0o111)

    const second = await build('two', source, more)
    t.match(second.output, /Using cached node 24\./)
    t.match(second.output, 'Restoring node modules from the cache (package-lock.json is unchanged)')
    t.notMatch(second.output, 'Downloading')
    t.same(
      (await readdir(join(second.result?.appDir ?? '', 'node_modules'))).filter((n) => !n.startsWith('.')),
      ['ms'],
    )

    const dyno = startDyno(
      app,
      "sh -c 'echo $NODE_ENV $WEB_MEMORY $MEMORY_AVAILABLE $WEB_CONCURRENCY; npm --version'",
      {},
    )
    const out: Buffer[] = []
    dyno.stdout?.on('data', (bytes: Buffer) => out.push(bytes))
    await new Promise((resolve) => dyno.once('close', resolve))
    t.match(Buffer.concat(out).toString(), /^production \d+ \d+ [1-9]\d*\n\d+\.\d+\.\d+\n$/)
  },
)

t.test('mistakes in a Node.js app are told in one clear line', async (t) => {
  const light = await openCompiler(t, { lightNode: true })
  const said = async (name: string, source: Record<string, string>): Promise<string> => {
    const { output, failure } = await light.build(name, source)
    t.equal(failure?.code, 'COMPILE_FAILED', name)
    return output
  }
  const manifest = (fields: object): Record<string, string> => ({ 'package.json': JSON.stringify(fields) })
  t.match(await said('json', { 'package.json': '{' }), ' !     Unable to parse package.json')
  t.match(
    await said('range', manifest({ engines: { node: 'newest' } })),
    ' !     Invalid semver requirement\n !     \n !     engines.node in package.json is newest\n',
  )
  t.match(
    await said('none', manifest({ engines: { node: '>=1000' } })),
    ' !     No matching version found for Node: >=1000',
  )
  t.match(
    await said('locks', { ...manifest({}), 'yarn.lock': '', 'package-lock.json': '{}' }),
    ' !     Multiple lockfiles found\n !     \n !     Only one of them can say what is installed: ' +
      'package-lock.json, yarn.lock.\n',
  )
  t.match(
    await said('bun', manifest({ packageManager: 'bun@1.2.0' })),
    ' !     packageManager bun is not supported',
  )
  t.match(await said('file', { ...manifest({}), '.heroku': '' }), ' !     The directory .heroku could not be')
  t.match(
    await said('range of yarn', { ...manifest({ engines: { yarn: '0.1.999' } }), 'yarn.lock': '' }),
    ' !     No matching version found for yarn: 0.1.999',
  )
  t.match(
    await said('build', manifest({ scripts: { build: 'echo half; exit 3' } })),
    / {7}half\n[^]* ! {5}The build script of package\.json failed\./,
  )
  t.match(
    await said('quote', manifest({ engines: { npm: "1'; touch /tmp/x #" } })),
    'engines.npm in package.json',
  )
})

t.test('an app with a Procfile alone is taken as it is', async (t) => {
  const made = await build('plain', {
    Procfile: 'web: python3 -m http.server $PORT\n',
    'index.html': 'hi',
  })
  t.match(made.output, '-----> Procfile app detected\n-----> Nothing to compile: the app runs as it is\n')
  t.same(made.result?.processTypes, { web: 'python3 -m http.server $PORT' })
  t.ok((made.result?.bytes ?? 0) < 2000)
})
