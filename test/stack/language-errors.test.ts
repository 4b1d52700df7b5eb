/**
 * Mistakes in Python, static, Go and Ruby apps, and stacks that lack their language, are told in clear lines;
 * and what the buildpacks keep from build to build is used.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Sandbox } from '../../src/slug/sandbox.ts'
import { openCompiler } from '../kit/compiler.ts'
import { localSandbox } from '../kit/local-sandbox.ts'

t.setTimeout(300_000)

const { build, dir } = await openCompiler(t, { lightNode: true })

/** What a failing build says after "app detected", without the lines of every failure. */
const said = async (name: string, source: Record<string, string>, sandbox: Sandbox = localSandbox) => {
  const { output, failure } = await build(name, source, { sandbox })
  if (failure?.code !== 'COMPILE_FAILED') throw new Error(`${name} did not fail to compile: ${output}`)
  return output.split('app detected\n')[1]?.split(' !     Push rejected')[0] ?? ''
}
const lines = (...text: readonly string[]): string => text.map((line) => ` !     ${line}\n`).join('')

/** A machine on which only these commands are there. */
const bare = join(dir, 'bare')
mkdirSync(bare)
const tools = [
  'bash',
  'cat',
  'cp',
  'cut',
  'dirname',
  'env',
  'ls',
  'mkdir',
  'mv',
  'rm',
  'sed',
  'sort',
  'grep',
  'tail',
  'tr',
]
const withoutLanguages: Sandbox = (job) => {
  const links = tools.map((tool) => `ln -sf "$(PATH=/usr/bin:/bin command -v ${tool})" ${bare}/${tool}`)
  const script = `${links.join('; ')}; PATH=${bare}; exec "$@"`
  return localSandbox({
    ...job,
    argv: ['/bin/bash', '-c', `PATH=/usr/bin:/bin; ${script}`, 'x', ...job.argv],
  })
}

t.test('a language that the stack does not have is named, with what to do', async (t) => {
  t.match(
    await said('no python', { 'requirements.txt': '' }, withoutLanguages),
    lines(
      'There is no Python on this stack.',
      '',
      'Choose a stack that has it, or a buildpack that brings it.',
    ),
  )
  t.match(
    await said('no static', { 'index.html': '' }, withoutLanguages),
    lines('There is no Python on this stack, which the server is written in.'),
  )
  t.match(
    await said('no ruby', { Gemfile: '' }, withoutLanguages),
    lines('There is no Ruby with Bundler on this stack.', ''),
  )
  const hasGo = existsSync('/usr/local/go/bin') || existsSync('/usr/lib/go-1.19/bin')
  if (!hasGo)
    t.match(
      await said('no go', { 'go.mod': '' }, withoutLanguages),
      lines('There is no Go on this stack.', ''),
    )
  else
    t.match(
      await said('newer go', { 'go.mod': 'module a\n\ngo 1.999\n' }),
      /go\.mod asks for go1\.999; this stack has go1\./,
    )
})

t.test('a Python version that is no version, or not there, is told with what there is', async (t) => {
  t.match(
    await said('words', { '.python-version': 'newest\n' }),
    lines('Invalid Python version in .python-version', '', 'It is: newest'),
  )
  t.match(
    await said('two', { '.python-version': '3.11\n3.12\n' }),
    lines('Invalid Python version in .python-version'),
  )
  t.match(await said('runtime', { 'runtime.txt': '3.11\n' }), lines('Invalid Python version in runtime.txt'))
  t.match(
    await said('later', { '.python-version': '3.99.1 # soon\n', 'app.py': '' }),
    /Requested Python version isn't available: 3\.99\.1\n !     \n !     \.python-version asks for it; this stack has 3\./,
  )
  t.match(await said('toml', { 'pyproject.toml': '[project\n' }), lines('Unable to parse pyproject.toml', ''))
  t.match(await said('poetry', { 'poetry.lock': '' }), lines('poetry.lock is not supported', ''))
  t.match(
    await said('hook', { 'app.py': '', 'bin/post_compile': 'echo half; exit 3\n' }),
    /-----> Running bin\/post_compile\n {7}half\n[^]*bin\/post_compile failed/,
  )
})

t.test('a static.json that cannot be used is refused by the build', async (t) => {
  const refusal = async (text: string): Promise<string> =>
    (await said('static', { 'static.json': text, 'public_html/x': '' })).split('\n')[4]?.slice(7) ?? ''
  t.match(await refusal('{'), /Expecting property name/)
  t.equal(await refusal('[]'), 'it is not an object')
  t.equal(await refusal('{"root": 1}'), 'root is not of the right kind: 1')
  t.equal(await refusal('{"root": "../.."}'), 'root leads out of the app: ../..')
  t.equal(await refusal('{"root": "site"}'), 'root is no folder of the app: site')
  t.equal(await refusal('{"redirects": {"/a": "/b"}}'), 'redirects: /a has no url')
})

t.test(
  'a Rack app has the process types and the config vars of the first deploy',
  { skip: !existsSync('/usr/bin/bundle') && 'there is no Ruby' },
  async (t) => {
    const app = join(import.meta.dirname, '../apps/ruby')
    const of = (name: string): string => readFileSync(join(app, name), 'utf8')
    const source = { Gemfile: of('Gemfile'), 'Gemfile.lock': of('Gemfile.lock'), 'config.ru': '' }
    const made = await build('rack', source)
    t.same(made.result?.processTypes, {
      console: 'bundle exec irb',
      rake: 'bundle exec rake',
      web: 'bundle exec rackup config.ru -p ${PORT:-5000} -o 0.0.0.0',
    })
    t.same(made.result?.configVars, { LANG: 'en_US.UTF-8', RACK_ENV: 'production' })
    t.match(
      await said('unlocked', { Gemfile: of('Gemfile') }),
      lines('Gemfile.lock required. Please check it in.'),
    )
  },
)
