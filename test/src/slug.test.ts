/**
 * src/slug: the pure parts, and the compiler's flow with small buildpacks of shell.
 */
import { execFile } from 'node:child_process'
import { chmod, cp, lstat, mkdtemp, readdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { buildpackName, parseBuildpack } from '../../src/slug/buildpack.ts'
import type { CompileOptions } from '../../src/slug/compile.ts'
import { parseProcfile } from '../../src/slug/procfile.ts'
import { parseRelease } from '../../src/slug/release-yaml.ts'
import { passEnv, placer } from '../../src/slug/sandbox.ts'
import { slugignored } from '../../src/slug/slugignore.ts'
import { readInside } from '../../src/slug/source.ts'
import * as texts from '../../src/slug/texts.ts'
import { unpack } from '../../src/slug/unpack.ts'
import { build, shell, simple } from '../kit/builds.ts'
import { files, scratch } from '../kit/files.ts'

const exec = promisify(execFile)

t.test(
  'a Procfile gives its types in order, tolerates CRLF and comments and ignores what does not fit',
  async (t) => {
    const text =
      '\uFEFFweb: node web.js # inline\r\n# note: no\n  # x: no\nworker-2 :  a: b  \n\n' +
      'bad type: x\n: y\nempty:\nblank:  \nweb_1:x\nweb: later\r\n'
    t.same(parseProcfile(text), { web: 'later', 'worker-2': 'a: b', web_1: 'x' })
    t.same(Object.keys(parseProcfile(text)), ['web', 'worker-2', 'web_1'])
    t.same(parseProcfile('__proto__x: no\nconstructor: yes'), { constructor: 'yes' })
    t.same(parseProcfile(''), {})
  },
)

t.test(
  '.slugignore patterns follow Ruby globs: anywhere without a slash, at the root with one',
  async (t) => {
    const paths = [
      'a.psd',
      'img',
      'img/b.psd',
      'img/.c.psd',
      'test',
      'test/x',
      'lib',
      'lib/test',
      'lib/test/y',
      'doc',
      'doc/z.md',
    ]
    const drop = (text: string): Promise<string[]> => slugignored(paths, text)
    t.same(await drop('*.psd # art\n'), ['a.psd', 'img/b.psd'])
    t.same(await drop('test'), ['test', 'lib/test'])
    t.same(await drop('/test'), ['test'])
    t.same(await drop('lib/test doc/*.md'), ['lib/test', 'doc/z.md'])
    t.same(await drop('**/*.md'), ['doc/z.md'])
    t.same(await drop('doc/?.{md,txt} [ai]*'), ['a.psd', 'img', 'doc/z.md'])
    t.same(await drop('../x ! !test #test\n\n'), [], 'no escape, no negation')
    t.same(await drop('/'), [])
    t.same(
      await drop('{im{g,age},**/{y,z.md}} lib/{a,b'),
      ['img', 'lib/test/y', 'doc/z.md'],
      'braces in braces',
    )
    t.same(await drop('[!a-l]es[s-u] img/.*'), ['img/.c.psd', 'test', 'lib/test'], 'characters that are not')
    t.same(await drop('**/test/*/ lib/**'), ['test/x', 'lib/test'])
  },
)

t.test(
  'no .slugignore, whatever is in it, holds up the process that reads it',
  { timeout: 10_000 },
  async (t) => {
    const name = 'a'.repeat(250)
    const deep = Array.from({ length: 1000 }, () => 'a').join('/')
    t.same(await slugignored([name], `${'*a'.repeat(40)}*b`), [])
    t.same(await slugignored([name], `${'*a'.repeat(40)}*`), [name])
    t.same(await slugignored([deep], `${'**/a/'.repeat(40)}b`), [])
    await t.rejects(slugignored([], '{a,b}'.repeat(30)), {
      message: '.slugignore has more than 1000 patterns',
    })
    const dir = await scratch(t)
    const { failure } = await build(dir, { '.slugignore': 'x '.repeat(1001) })
    t.match(failure, {
      code: 'CHECKOUT_FAILED',
      text: ' !     Push rejected, .slugignore has more than 1000 patterns.\n\n !     Push failed\n',
    })
    const paths = Array.from({ length: 64 }, (_, at) => `folder/file-${at}`)
    const work = slugignored(paths, '*q* '.repeat(1000)).then(() => 'it ended')
    const other = lstat(dir).then(() => 'others had a turn')
    t.equal(await Promise.race([work, other]), 'others had a turn')
    await work
  },
)

t.test('texts are those of a push to Heroku', async (t) => {
  t.equal(texts.size(43.5 * 1024 ** 2), '43.5M')
  t.equal(texts.size(25 * 1024 ** 2), '25M')
  t.equal(texts.size(1536), '1.5K')
  t.equal(texts.building('heroku-24'), 'Building source:\n\n-----> Building on the Heroku-24 stack\n')
  t.equal(
    texts.using(['heroku/nodejs', 'https://x/r.git']),
    '-----> Using buildpacks:\n       1. heroku/nodejs\n       2. https://x/r.git\n',
  )
  t.equal(
    texts.processTypes(['web', 'release'], []),
    '-----> Discovering process types\n       Procfile declares types -> release, web\n\n',
  )
  t.equal(
    texts.processTypes([], ['rake', 'console']),
    '-----> Discovering process types\n       Procfile declares types     -> (none)\n' +
      '       Default types for buildpack -> console, rake\n\n',
  )
  t.equal(
    texts.tooLarge(572.9 * 1024 ** 2, 500 * 1024 ** 2),
    ' !     Compiled slug size: 572.9M is too large (max is 500M).\n' +
      ' !     See: http://devcenter.heroku.com/articles/slug-size\n !     Push failed\n',
  )
  t.match(
    texts.largeSlug(346 * 1024 ** 2, 300 * 1024 ** 2),
    'Your slug size (346 MB) exceeds our soft limit (300 MB)',
  )
  t.equal(
    texts.released(13, 'http://a.localhost/'),
    '       Released v13\n       http://a.localhost/ deployed to Heroku\n\n',
  )
  t.equal(texts.rejected('hello'), '\nVerifying deploy...\n\n!\tPush rejected to hello.\n\n')
  t.equal(texts.updatedPaths(7, 'dcbffed'), 'Updated 7 paths from dcbffed\n')
})

t.test(
  'bin/release output is read as YAML and refused with a reason when it is not what it should be',
  async (t) => {
    t.same(
      parseRelease('---\naddons:\n  - heroku-postgresql\ndefault_process_types:\n  web: npm start\n  n: 1\n'),
      {
        addons: ['heroku-postgresql'],
        configVars: {},
        defaultTypes: { web: 'npm start', n: '1' },
      },
    )
    t.same(parseRelease(''), { addons: [], configVars: {}, defaultTypes: {} })
    for (const [text, why] of [
      ['{', 'not YAML'],
      ['- a', 'the document is not a mapping'],
      ['default_process_types: x', 'default_process_types is not a mapping'],
      ['addons: x', 'addons is not a list'],
      ['config_vars: {A: [1]}', 'config_vars.A is not text'],
    ] as const)
      t.throws(() => parseRelease(text), { message: why })
  },
)

t.test('a buildpack is known by name, registry form, git URL with a ref, or tgz', async (t) => {
  const folder = { kind: 'folder', dir: '/n' } as const
  const find = async (name: string) => (name === 'heroku/nodejs' ? folder : undefined)
  const parse = (text: string) => parseBuildpack(text, find)
  const registry = 'https://buildpack-registry.s3.amazonaws.com/buildpacks/heroku/nodejs.tgz'
  for (const text of ['heroku/nodejs', 'nodejs', 'urn:buildpack:heroku/nodejs', registry])
    t.same(await parse(text), folder)
  t.equal(buildpackName(registry), 'heroku/nodejs')
  t.same(await parse('https://h/u/r#v1'), { kind: 'git', url: 'https://h/u/r', ref: 'v1' })
  t.same(await parse('https://h/r.git#fix#9'), { kind: 'git', url: 'https://h/r.git', ref: 'fix#9' })
  t.same(await parse('https://h/x.tar.gz?a=b'), { kind: 'tgz', url: 'https://h/x.tar.gz?a=b' })
  t.same(await parse('/srv/x.tgz'), { kind: 'tgz', url: '/srv/x.tgz' })
  for (const bad of ['heroku/nope', '', 'ext::sh', 'https://h/r#--upload-pack=x', '-x'])
    t.notOk(await parse(bad))
  t.same(passEnv({ SSL_CERT_FILE: '/c', SECRET: 'x', npm_config_registry: '' }), { SSL_CERT_FILE: '/c' })
})

t.test('a sandbox without mounts puts sources in the place of whole targets, once', async (t) => {
  const place = placer([
    { source: '/build/1/app', target: '/tmp/build_1', mode: 'rw' },
    { source: '/build/1/home', target: '/app', mode: 'rw' },
  ])
  t.equal(place('/tmp/build_1/x:/app/bin:/app'), '/build/1/app/x:/build/1/home/bin:/build/1/home')
  t.equal(place('/tmp/build_12 /apple /my/app'), '/tmp/build_12 /apple /my/app')
  t.equal(placer([])('/app'), '/app')
})

t.test('compile detects, builds, reads types and packs, with the words of a push', async (t) => {
  const dir = await scratch(t)
  const one = await files(join(dir, 'one'), simple('one', 'true'))
  const two = await files(
    join(dir, 'two'),
    simple(
      'two',
      `home=$(touch "$HOME/x" && echo yes)
echo "-----> in $(basename "$PWD") STACK=$STACK SV=$SOURCE_VERSION HOME_WRITABLE=$home"
echo "       secret=$(cat "$3/SECRET") leaked=\${SECRET:-no} runs=$(cat "$2/runs" 2>/dev/null || echo 0)" >&2
echo $(( $(cat "$2/runs" 2>/dev/null || echo 0) + 1 )) > "$2/runs"
ls -A "$1" | tr '\\n' ' '
echo made > "$1/made"; printf 'no newline at the end'`,
      'default_process_types:\n  web: default web\n  console: bash',
    ),
  )
  const source = {
    'two.app': '',
    Procfile: 'web: ./web\nrelease: ./migrate\n',
    '.slugignore': 'doc\n*.psd',
    'doc/a': '',
    'a.psd': '',
    'log/x': '',
    'tmp/y': '',
    '.gitmodules': '',
    '.git/HEAD': '',
    'lib/.DS_Store': '',
  }
  const builtins = { 'heroku/one': one, 'heroku/two': two }
  const first = await build(dir, source, { builtins })
  t.equal(first.failure, undefined)
  t.equal(
    first.output.replace(/Done: .*/, 'Done: SIZE').replace(/in \S+ STACK/, 'in PACK STACK'),
    `Building source:

-----> Building on the Heroku-24 stack
-----> Deleting 2 files matching .slugignore patterns.
-----> Determining which buildpack to use for this app
-----> two app detected
-----> in PACK STACK=heroku-24 SV=abc123 HOME_WRITABLE=yes
       secret=se cret leaked=no runs=0
.slugignore Procfile lib log tmp two.app no newline at the end
-----> Discovering process types
       Procfile declares types     -> release, web
       Default types for buildpack -> console

-----> Compressing...
       Done: SIZE
`,
  )
  t.match(first.result, {
    processTypes: { web: './web', release: './migrate', console: 'bash' },
    defaultTypes: { console: 'bash' },
    buildpackDescription: 'two',
    buildpacks: ['heroku/two'],
    stack: 'heroku-24',
    sha256: /^[0-9a-f]{64}$/,
  })
  const into = join(dir, 'slugs/x')
  await unpack({ file: first.result?.slugFile ?? '', sha256: first.result?.sha256 ?? '', into })
  t.equal(await readFile(join(into, 'made'), 'utf8'), 'made\n')
  t.match((await build(dir, source, { builtins })).output, 'runs=1', 'the cache is kept')
})

t.test(
  'several buildpacks run in order, the next with the exports of the one before, the last gives the types',
  async (t) => {
    const dir = await scratch(t)
    const a = await files(
      join(dir, 'a'),
      simple(
        'a',
        `echo "export FROM_A=yes PATH=/made/by/a:\\$PATH" > "$(dirname "$0")/../export"`,
        'default_process_types: {web: a}',
      ),
    )
    const git = await files(
      join(dir, 'repo'),
      simple('b', 'echo "FROM_A=$FROM_A PATH=${PATH%%:*}"', 'default_process_types: {web: b}'),
    )
    await chmod(join(git, 'bin/compile'), 0o644)
    const identity = ['-c', 'user.name=a', '-c', 'user.email=a@b']
    for (const argv of [
      ['init', '-q', '-b', 'main'],
      ['add', '-A'],
      [...identity, 'commit', '-q', '-m', 'x'],
      ['tag', 'v1'],
    ])
      await exec('git', argv, { cwd: git })
    const source = { 'a.app': '', 'b.app': '' }
    const url = `file://${git}#v1`
    const builtins = { 'heroku/a': a }
    const set = await build(dir, source, { builtins, buildpacks: ['heroku/a', url] })
    t.equal(set.failure, undefined)
    t.match(
      set.output,
      `       1. heroku/a\n       2. ${url}\n-----> a app detected\n-----> b app detected\n`,
    )
    t.match(set.output, 'FROM_A=yes PATH=/made/by/a')
    t.same(set.result?.processTypes, { web: 'b' })
    t.equal((await readdir(join(dir, 'store'))).length, 1)

    await exec('tar', ['-czf', join(dir, 'b.tgz'), '-C', dir, 'repo/bin'])
    const tgz = await build(dir, source, { builtins, buildpacks: [join(dir, 'b.tgz')] })
    t.match(tgz.output, '-----> b app detected')
    t.match(tgz.result, { buildpackDescription: 'b' })
  },
)

t.test('every way a build fails is told in its own words', async (t) => {
  const dir = await scratch(t)
  const pack = (name: string, text: string, release?: string): Promise<string> =>
    files(join(dir, name), simple(name, text, release))
  const builtins = {
    'heroku/ok': await pack('ok', 'true'),
    'heroku/bad': await pack('bad', 'echo broken; exit 3'),
    'heroku/slow': await pack('slow', 'echo started; sleep 60'),
    'heroku/odd': await pack('odd', 'true', 'default_process_types: nonsense'),
    'heroku/big': await pack('big', 'head -c 3000000 /dev/urandom > "$1/big"'),
  }
  const fails = async (
    app: string,
    options: Partial<CompileOptions> = {},
  ): Promise<{ code?: string; text?: string }> =>
    (await build(dir, { [`${app}.app`]: '' }, { builtins, ...options })).failure ?? {}

  t.same((await fails('none')).text, texts.noLanguage)
  t.match(await fails('bad'), { code: 'COMPILE_FAILED', text: texts.compileFailed('bad') })
  t.match(await fails('none', { buildpacks: ['heroku/ok'] }), {
    code: 'NOT_COMPATIBLE',
    text: texts.notCompatible('heroku/ok', 'no ok.app here'),
  })
  t.match(await fails('ok', { buildpacks: ['heroku/unheard'] }), { code: 'UNKNOWN_BUILDPACK' })
  t.match(await fails('ok', { buildpacks: [`file://${dir}/nowhere`] }), {
    code: 'FETCH_FAILED',
    text: /Failed to fetch buildpack/,
  })
  t.match(await fails('odd'), { code: 'RELEASE_FAILED', text: /default_process_types is not a mapping/ })
  t.match(await fails('slow', { limits: { timeoutMs: 1500 } }), {
    code: 'TIMED_OUT',
    text: texts.timedOut('slow'),
  })
  const big = await build(dir, { 'big.app': '' }, { builtins, limits: { slugBytesMax: 1_000_000 } })
  t.match(big.failure, { code: 'TOO_LARGE', text: /^ !     Compiled slug size: 2\.9M is too large/ })
  t.notOk((await readdir(big.dir)).includes('slug.tgz'))
  t.match(
    await fails('ok', { checkout: () => Promise.reject(new Error('submodules are not supported: x')) }),
    {
      code: 'CHECKOUT_FAILED',
      text: /Push rejected, submodules are not supported: x/,
    },
  )
  const cancel = new AbortController()
  const cancelled = await fails('slow', {
    signal: cancel.signal,
    onOutput: (text) => {
      if (text.includes('started')) cancel.abort()
    },
  })
  t.match(cancelled, { code: 'CANCELLED', exitCode: 1 })
})

t.test('a source tree with links to elsewhere is neither read nor cleaned outside itself', async (t) => {
  const dir = await scratch(t)
  const outside = await files(join(dir, 'outside'), { keep: 'x', Procfile: 'web: stolen\n' })
  const ok = await files(join(dir, 'ok'), {
    'bin/detect*': shell('echo ok'),
    'bin/compile*': shell(`ln -sf ${outside}/Procfile "$1/Procfile"`),
  })
  const made = await build(
    dir,
    {},
    {
      builtins: { 'heroku/ok': ok },
      checkout: async (into) => {
        await cp(await files(join(dir, 'src'), { '.slugignore': 'inside/keep\n**/keep' }), into, {
          recursive: true,
        })
        for (const name of ['log', 'tmp', 'inside']) await symlink(outside, join(into, name))
      },
    },
  )
  t.equal(made.failure, undefined)
  t.same(made.result?.processTypes, {}, 'a Procfile that is a link out of the tree is none')
  t.same((await readdir(outside)).toSorted(), ['Procfile', 'keep'])
  t.ok((await lstat(join(made.dir, 'app/log'))).isSymbolicLink())
  t.equal(await readInside(outside, 'missing'), undefined)
})

t.test('a build that leaves a pipe, a socket or a folder where its Procfile is to be has none', async (t) => {
  const dir = await scratch(t)
  const listen = 'import socket; socket.socket(socket.AF_UNIX).bind("Procfile")'
  for (const make of ['mkfifo Procfile', 'mkdir Procfile', `python3 -c '${listen}'`]) {
    const odd = await files(await mkdtemp(join(dir, 'odd-')), simple('odd', `cd "$1" && ${make}`))
    const made = await build(dir, { 'odd.app': '' }, { builtins: { 'heroku/odd': odd } })
    t.equal(made.failure, undefined, made.output)
    t.same(made.result?.processTypes, {})
  }
})
