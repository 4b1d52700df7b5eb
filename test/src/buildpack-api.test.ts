/**
 * The classic buildpack API, as buildpacks see it: what they are called with, in which order, and what of
 * their doings outlives a build.
 */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import * as texts from '../../src/slug/texts.ts'
import { build, shell, simple } from '../kit/builds.ts'
import { files, scratch } from '../kit/files.ts'

t.test(
  'the first default buildpack that fits builds, and a warning names them all when several do',
  async (t) => {
    const dir = await scratch(t)
    const pack = (name: string, says: string): Promise<string> =>
      files(join(dir, name), {
        'bin/detect*': shell(`[ -f "$1/${name}" ] || exit 1; printf '${says}\\nmore\\n'`),
        'bin/compile*': shell('true'),
      })
    const builtins = {
      'heroku/ruby': await pack('Gemfile', 'Ruby'),
      'heroku/nodejs': await pack('package.json', 'Node.js'),
      'heroku/static': await pack('index.html', 'Static'),
      'heroku/procfile': await pack('Procfile', 'Procfile'),
    }
    const options = { builtins, fallbacks: ['heroku/static', 'heroku/procfile'] }
    const named = async (...names: string[]): Promise<string> => {
      const made = await build(dir, Object.fromEntries(names.map((name) => [name, ''])), options)
      return made.output.split('for this app\n')[1]?.split('-----> Discovering')[0] ?? ''
    }
    t.equal(
      await named('package.json', 'Gemfile', 'index.html', 'Procfile'),
      ' !     Warning: Multiple default buildpacks reported the ability to handle this app. The first buildpack ' +
        'in the list below will be used.\n\t\t\tDetected buildpacks: Ruby,Node.js\n' +
        '\t\t\tSee https://devcenter.heroku.com/articles/buildpacks#buildpack-detect-order\n' +
        '-----> Ruby app detected\n',
    )
    t.equal(await named('package.json', 'index.html', 'Procfile'), '-----> Node.js app detected\n')
    t.equal(await named('Procfile', 'index.html'), '-----> Static app detected\n')
    t.equal(
      (await build(dir, { Gemfile: '' }, { ...options, fallbacks: ['heroku/ruby'] })).failure,
      undefined,
    )
  },
)

t.test('scripts find what Heroku gives them: directories, one-off dyno, no config vars', async (t) => {
  const dir = await scratch(t)
  const pack = await files(
    join(dir, 'p'),
    simple(
      'p',
      `printf '%s\\n' "$(env | sed 's/=.*//' | sort | grep -v -e '^_$' -e SHLVL -e PWD | tr '\\n' ' ')" "$DYNO $REQUEST_ID"
cat data; ls "$3" | tr '\\n' ' '; od -c "$3/SECRET" | head -n 1`,
    ),
  )
  await writeFile(join(pack, 'data'), 'beside bin\n')
  const made = await build(dir, { 'p.app': '' }, { builtins: { 'heroku/p': pack } })
  const said = made.output.split('app detected\n')[1] ?? ''
  t.match(
    said,
    'CURL_CONNECT_TIMEOUT CURL_TIMEOUT DYNO HOME LANG PATH REQUEST_ID SOURCE_DATE_EPOCH SOURCE_VERSION STACK \n',
  )
  t.match(said, /^run\.\d{4} r1\nbeside bin\nEMPTY SECRET 0000000 {3}s {3}e/m)
})

t.test('what a build leaves in the cache is there for the next one only when it succeeded', async (t) => {
  const dir = await scratch(t)
  const counts = await files(
    join(dir, 'c'),
    simple(
      'c',
      `echo "found $(cat "$2/runs" 2>/dev/null || echo none)"; date +%s%N >> "$2/runs"; wc -l < "$2/runs" > "$2/count"
[ ! -f "$1/fail" ] || exit 1`,
    ),
  )
  const options = { builtins: { 'heroku/c': counts } }
  const count = (): Promise<string> => readFile(join(dir, 'cache/count'), 'utf8').catch(() => 'none')
  t.ok((await build(dir, { 'c.app': '', fail: '' }, options)).failure)
  t.equal(await count(), 'none')
  await build(dir, { 'c.app': '' }, options)
  t.equal(await count(), '1\n')
  t.ok((await build(dir, { 'c.app': '', fail: '' }, options)).failure)
  t.equal(await count(), '1\n', 'also what it changed in place is as before')
  const tooLarge = await build(dir, { 'c.app': '' }, { ...options, limits: { slugBytesMax: 1 } })
  t.equal(tooLarge.failure?.code, 'TOO_LARGE')
  t.equal(await count(), '1\n')
  await build(dir, { 'c.app': '' }, options)
  t.equal(await count(), '2\n')
  t.same(
    (await readdir(dir)).filter((name) => name.startsWith('cache')),
    ['cache'],
    'nothing of the old is left',
  )
})

t.test('bin/report is called after good and bad builds, and nobody sees what comes of it', async (t) => {
  const dir = await scratch(t)
  const pack = (name: string, end: string): Promise<string> =>
    files(join(dir, name), {
      ...simple(name, end),
      'bin/report*': shell(
        `echo "told $# $(basename "$1") $(cat "$3/SECRET")" > ${dir}/report-${name}; echo loud; exit 7`,
      ),
    })
  const builtins = { 'heroku/good': await pack('good', 'true'), 'heroku/bad': await pack('bad', 'false') }
  for (const name of ['good', 'bad']) {
    const made = await build(dir, { [`${name}.app`]: '' }, { builtins })
    t.notMatch(made.output, 'loud')
    t.equal(made.failure?.text, name === 'good' ? undefined : texts.compileFailed('bad'))
    t.equal(await readFile(join(dir, `report-${name}`), 'utf8'), 'told 3 app se cret\n')
  }
})

t.test('links in a buildpack change nothing outside of it', async (t) => {
  const dir = await scratch(t)
  const outside = await files(join(dir, 'outside'), { secret: 'x', 'detect*': shell('echo linked') })
  await chmod(join(outside, 'secret'), 0o600)
  const one = await files(join(dir, 'one'), { 'bin/detect': shell('echo One') })
  await symlink(join(outside, 'secret'), join(one, 'bin/compile'))
  const two = join(dir, 'two')
  await mkdir(two)
  await symlink(outside, join(two, 'bin'))
  for (const pack of [one, two]) await build(dir, {}, { builtins: { 'heroku/linked': pack } })
  const three = join(dir, 'three')
  await files(three, { '.hidden/bin/detect*': shell('echo Three'), '.hidden/bin/compile*': shell('true') })
  await symlink('all/.hidden', join(three, 'pack'))
  execFileSync('tar', ['-czf', join(dir, 'three.tgz'), '-C', three, '.hidden', 'pack'])
  const { failure } = await build(dir, {}, { buildpacks: [join(dir, 'three.tgz')] })
  t.match(failure, { code: 'FETCH_FAILED', text: /there is no bin directory in it/ })
  t.equal((await stat(join(outside, 'secret'))).mode & 0o777, 0o600)
})

t.test('BUILDPACK_URL is the buildpack of an app that has none set', async (t) => {
  const dir = await scratch(t)
  const one = await files(join(dir, 'one'), simple('one', 'true'))
  const two = await files(join(dir, 'two'), simple('two', 'true'))
  const options = {
    builtins: { 'heroku/one': one, 'heroku/two': two },
    config: { BUILDPACK_URL: 'heroku/two\n' },
  }
  const legacy = await build(dir, { 'one.app': '', 'two.app': '' }, options)
  t.match(legacy.output, '-----> Using buildpack: heroku/two\n-----> two app detected\n')
  const list = await build(dir, { 'one.app': '', 'two.app': '' }, { ...options, buildpacks: ['heroku/one'] })
  t.match(list.output, '-----> Using buildpack: heroku/one\n')
})
