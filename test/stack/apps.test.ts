/**
 * Small apps of different kinds (test/apps), each compiled by the real compiler with the built-in buildpacks
 * and then run as a dyno would run it: what it answers shows that its build did what it should.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { builtinFolders } from '../../config/buildpacks.ts'
import { killAll } from '../../src/oci/signal.ts'
import type { CompileOptions } from '../../src/slug/compile.ts'
import { named, shell } from '../kit/builds.ts'
import { files } from '../kit/files.ts'
import { openCompiler, startDyno } from '../kit/compiler.ts'
import { until } from '../kit/until.ts'

// Packages come from the registry.
t.setTimeout(300_000)

const compiler = await openCompiler(t, { lightNode: true })

type App = {
  readonly folder: string
  /** A tool of the stack that not every machine has. */
  readonly needs?: string
  /** Adds to the source what is made rather than kept. */
  readonly prepare?: (source: string) => void
  readonly options?: Partial<CompileOptions>
  /** What its build says. */
  readonly says: readonly RegExp[]
  readonly types: Readonly<Record<string, string>>
  /** What its web process answers. */
  readonly answers: Readonly<Record<string, RegExp>>
}

const node = {
  detected: /-----> Node\.js app detected/,
  pruned: /-----> Pruning devDependencies\n(?! {7}Skip)/,
}

/** Wheels of the packages in test/apps/python-wheels.src, as `pip wheel` would make them. */
const makeWheels = (source: string): void => {
  const wheels = join(source, 'vendor/wheels')
  mkdirSync(wheels, { recursive: true })
  const needs: Readonly<Record<string, string>> = {
    tinyweb: 'Requires-Dist: tinywords==1.0\n',
    tinywords: '',
  }
  for (const [name, requires] of Object.entries(needs)) {
    const tree = join(compiler.dir, 'wheel', name)
    cpSync(join(import.meta.dirname, '../apps/python-wheels.src', name), join(tree, name), {
      recursive: true,
    })
    const info = join(tree, `${name}-1.0.dist-info`)
    mkdirSync(info)
    writeFileSync(join(info, 'METADATA'), `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n${requires}`)
    writeFileSync(join(info, 'WHEEL'), 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
    writeFileSync(join(info, 'RECORD'), '')
    const file = join(wheels, `${name}-1.0-py3-none-any.whl`)
    execFileSync('python3', [
      '-c',
      'import shutil, sys; shutil.make_archive(*sys.argv[1:])',
      file,
      'zip',
      tree,
    ])
    renameSync(`${file}.zip`, file)
  }
}

/** What a repository of several services uses: the one that a config var names is the app. */
const subfolder = await files(join(compiler.dir, 'subfolder-pack'), {
  'bin/detect*': shell('echo Subfolder'),
  'bin/compile*': shell(`path=$(cat "$3/PROJECT_PATH"); echo "-----> Building $path"
cp -a "$1/$path" "$1.part"; rm -rf "\${1:?}"/* "$1"/.[!.]*; cp -a "$1.part/." "$1"; rm -rf "$1.part"
mkdir -p "$1/.profile.d"; echo "export SERVICE=\${path##*/}" > "$1/.profile.d/subfolder.sh"`),
})
const builtin = named(builtinFolders).findNamed
const findNamed: CompileOptions['findNamed'] = async (name) =>
  name === 'acme/subfolder' ? { kind: 'folder', dir: subfolder } : builtin(name)

const apps: readonly App[] = [
  {
    folder: 'node-npm',
    says: [node.detected, /Installing node modules \(package-lock\.json\)/, node.pruned],
    types: { web: 'npm start' },
    answers: { '/': /^npm says 2d\n$/ },
  },
  {
    folder: 'node-yarn',
    says: [node.detected, /Using yarn 1\.22\./, /Installing node modules \(yarn\.lock\)/, node.pruned],
    types: { web: 'yarn start' },
    answers: { '/': /^yarn says 2d\n$/ },
  },
  {
    folder: 'node-berry',
    says: [node.detected, /Using yarn 4\.18\.1/, node.pruned],
    types: { web: 'yarn start' },
    answers: { '/': /^berry says 2d\n$/ },
  },
  {
    folder: 'node-pnpm',
    says: [node.detected, /Using pnpm 10\.34\.8/, /Installing node modules \(pnpm-lock\.yaml\)/, node.pruned],
    types: { web: 'pnpm start' },
    answers: { '/': /^pnpm says 2d\n$/ },
  },
  {
    folder: 'node-workspaces',
    says: [node.detected, /Running build/],
    types: { web: 'npm start --workspace=web' },
    answers: { '/': /^a word of a workspace, built\n$/ },
  },
  {
    folder: 'typescript',
    says: [node.detected, /Running heroku-prebuild[^]*Running build[^]*Running heroku-cleanup/, node.pruned],
    types: { web: 'npm start' },
    answers: { '/': /^compiled\n$/ },
  },
  {
    folder: 'python-stdlib',
    says: [/-----> Python app detected/, /-----> Using Python 3\.\d+\.\d+ specified in \.python-version/],
    types: { web: 'python3 app.py' },
    answers: { '/': /^python in its own environment\n$/ },
  },
  {
    folder: 'python-wheels',
    prepare: makeWheels,
    says: [
      /-----> Python app detected/,
      /All of them are in vendor\/wheels\n[^]*tinyweb-1\.0 tinywords-1\.0/,
    ],
    types: { web: 'python app.py' },
    answers: { '/': /^HELLO FROM A WHEEL\n$/ },
  },
  {
    folder: 'static',
    says: [/-----> Static app detected\n-----> Serving site\n/],
    types: { web: 'python3 .heroku/static/server.py' },
    answers: {
      '/': /^<h1>index/,
      '/about': /^<h1>about/,
      '/about.html': /^301 \/about\n$/,
      '/old': /^302 \/about\n$/,
      '/app/deep/link': /^<h1>index/,
      '/assets': /^404 \n<h1>nothing here/,
      '/assets/style.css': /^h1/,
      '/.secret': /^404 \n<h1>nothing here/,
      '/%2e%2e/static.json': /^404 \n<h1>nothing here/,
      '/..%2fstatic.json': /^404 \n<h1>nothing here/,
    },
  },
  {
    folder: 'go',
    needs: '/usr/lib/go-1.19/bin/go',
    says: [/-----> Go app detected\n-----> Using go1\./, /Installed: hello/],
    types: { web: 'bin/hello' },
    answers: { '/': /^hello from go\n$/ },
  },
  {
    folder: 'ruby',
    needs: '/usr/bin/bundle',
    says: [/-----> Ruby app detected\n-----> Using Ruby version: ruby-/],
    types: { web: 'ruby web.rb', console: 'bundle exec irb', rake: 'bundle exec rake' },
    answers: { '/': /^hello from ruby, production\n$/ },
  },
  {
    folder: 'shell',
    says: [/-----> Procfile app detected/, /Procfile declares types -> release, web, worker/],
    types: { release: 'bash migrate.sh', web: 'bash web.sh', worker: 'bash worker.sh' },
    answers: { '/': /^hello from a shell\n$/ },
  },
  {
    folder: 'subfolder',
    options: { buildpacks: ['acme/subfolder', 'heroku/python'], config: { PROJECT_PATH: 'services/web' } },
    says: [/1\. acme\/subfolder\n {7}2\. heroku\/python\n/, /Building services\/web[^]*-----> Python app/],
    types: { web: 'python3 services.py' },
    answers: {
      '/': /^web has \['\.heroku', '\.profile\.d', 'Procfile', 'requirements\.txt', 'services\.py'\]/,
    },
  },
]

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

/** Runs the web process and asks it. */
const ask = async (t: Test, tree: string, command: string, answers: App['answers']): Promise<void> => {
  const port = await freePort()
  const dyno = startDyno(tree, command, { PORT: String(port), DYNO: 'web.1' })
  dyno.stdout?.resume()
  t.teardown(() => killAll([-(dyno.pid ?? 0)], 'SIGKILL'))
  for (const [path, answer] of Object.entries(answers)) {
    const url = `http://127.0.0.1:${port}${path}`
    const what = `${command} to answer ${path}`
    const response = await until(() => fetch(url, { redirect: 'manual' }).catch(() => undefined), {
      what,
    })
    const head = `${response.status} ${response.headers.get('location') ?? ''}\n`
    t.match(`${head}${await response.text()}`.replace(/^200 \n/, ''), answer, what)
  }
}

for (const { folder, needs = '/', prepare, options, says, types, answers } of apps)
  t.test(`${folder} is built and runs`, { skip: !existsSync(needs) && `there is no ${needs}` }, async (t) => {
    const source = join(compiler.dir, 'sources', folder)
    cpSync(join(import.meta.dirname, '../apps', folder), source, { recursive: true })
    prepare?.(source)
    const cacheDir = join(compiler.dir, 'cache', folder)
    const made = await compiler.build(folder, source, { findNamed, cacheDir, ...options })
    if (made.result === undefined) throw new Error(made.output)
    for (const line of says) t.match(made.output, line)
    t.same(made.result.processTypes, types)
    await ask(t, made.result.appDir, types['web'] ?? '', answers)
  })
