/**
 * The house rules, enforced: each rule is proved with planted sources that break it, then held against the
 * repository. A breach prints its file, its line and what is allowed instead.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import * as arrow from './kit/arrows.ts'
import * as rule from './kit/house-rules.ts'
import type { Source } from './kit/source.ts'

const root = join(import.meta.dirname, '..')

/** One door for each npm package: the only files of the product that import it. */
const doors: arrow.Doors = {
  fastify: /^actors\/api\/face\//,
  'lru-cache': /^actors\/(?:router\/route-cache|logplex\/input\/tokens)\.ts$/,
  msgpackr: /^src\/runtime\/codec\.ts$/,
  nanoid: /^src\/system\/random\.ts$/,
  nats: /^src\/nats\//,
  node: 'not imported',
  ssh2: /^src\/ssh\/server\.ts$/,
  typebox: /^src\/runtime\/schema\.ts$/,
  undici: /^src\/(?:peers\/client|syslog\/http-link)\.ts$/,
  yaml: /^src\/slug\/release-yaml\.ts$/,
  '@opentelemetry/otlp-transformer': /^test\/kit\/otlp-receiver\.ts$/,
  '@types/node': 'not imported',
  'fast-check': /^test\//,
  heroku: /^test\//,
  'heroku-client': /^test\//,
  'http-proxy-3': /^(?:src\/peers\/forward\.ts|scripts\/bench\/router\/http-proxy-3\.ts)$/,
  knip: 'not imported',
  oxfmt: 'not imported',
  oxlint: 'not imported',
  'oxlint-tsgolint': 'not imported',
  tap: /^test\//,
  typescript: 'not imported',
  ws: /^test\//,
}

const readText = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Every text file of the checkout that is, or could be, committed. */
const everything: readonly Source[] = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
  { cwd: root, encoding: 'utf8' },
)
  .split('\0')
  .filter((path) => path !== '' && existsSync(join(root, path)))
  .map((path) => ({ path, text: readText(path) }))
  .filter(({ text }) => !text.includes('\0'))
/** This file is full of planted breaches. */
const others = everything.filter(({ path }) => path !== 'test/tidy.test.ts')
const code = everything.filter(({ path }) => /^(?:src|actors|config|scripts|test|bin)\/.*\.ts$/.test(path))

/**
 * Hosts of the package registries and mirrors that this machine is set up with, and that are not the public
 * ones.
 */
const machineHosts = (): readonly string[] => {
  const apt = '/etc/apt/sources.list.d'
  const settings = [join(homedir(), '.npmrc'), '/etc/npmrc', '/etc/apt/sources.list']
  for (const name of ['debian.sources', 'ubuntu.sources']) settings.push(join(apt, name))
  const text = settings.filter((path) => existsSync(path)).map((path) => readFileSync(path, 'utf8'))
  const urls = [...text, process.env['npm_config_registry'] ?? ''].join('\n').matchAll(/\w+:\/\/([\w.-]+)/g)
  const known = /^(?:localhost|127\.|deb\.debian\.org$|registry\.npmjs\.org$|.*\.ubuntu\.com$)/
  return [...new Set([...urls].map((url) => url[1] ?? ''))].filter((host) => !known.test(host))
}

const plant = (path: string, ...lines: readonly string[]): Source => ({ path, text: `${lines.join('\n')}\n` })
const head = '/** Planted. */'

type Case = {
  readonly title: string
  readonly check: (sources: readonly Source[]) => readonly string[]
  readonly bad: readonly (readonly Source[])[]
  readonly good: readonly Source[]
  readonly real?: readonly Source[]
}

const cases: readonly Case[] = [
  {
    title: 'imports go one way: runtime, adapters, engines, actors, roots',
    check: arrow.arrowBreaches,
    bad: [
      [plant('src/runtime/a.ts', "import { x } from '../nats/x.ts'")],
      [plant('src/ports/a.ts', "import type { X } from '../../actors/dyno.ts'")],
      [plant('src/nats/a.ts', "import { x } from '../http1/x.ts'")],
      [plant('src/sim/a.ts', "export { x } from '../nats/x.ts'")],
      [plant('src/http1/a.ts', "import { x } from '../runtime/index.ts'")],
      [plant('src/oci/a.ts', "const x = await import('../../config/load.ts')")],
      [plant('actors/dyno.ts', "import { runc } from '../src/oci/runc.ts'")],
      [plant('actors/app.ts', "import { settings } from '../config/load.ts'")],
      [plant('actors/app.ts', "import { face } from './api/face.ts'")],
      [plant('actors/api/apps.ts', "import { connect } from '../../src/nats/connection.ts'")],
      [plant('config/sizes.ts', "import { app } from '../actors/app.ts'")],
      [
        plant(
          'actors/router/shard.ts',
          "import { x } from '../../src/proxy/x.ts'",
          'export const s = actor(S, {',
        ),
      ],
    ],
    good: [
      plant('src/nats/a.ts', "import { x } from '../ports/x.ts'", "// import { y } from '../http1/y.ts'"),
      plant('src/proxy/a.ts', "import { x } from '../http1/x.ts'"),
      plant('actors/effects/perform/c.ts', "import { x } from '../../../src/oci/x.ts'"),
      plant('actors/main/host.ts', "import { x } from '../../config/load.ts'"),
      plant('actors/dyno.ts', "import { x } from '../src/runtime/index.ts'"),
      plant('actors/dyno.ts', "import type { Spec } from '../src/oci/driver.ts'"),
      plant('actors/router/decide.ts', "import { pick } from '../../src/proxy/load.ts'"),
    ],
  },
  {
    title: 'the API knows actors by their messages, not their behaviour',
    check: arrow.behaviourBreaches,
    bad: [
      [
        plant('actors/dyno.ts', 'export const dyno = actor(Dyno, {})'),
        plant('actors/api/ps.ts', "import { dyno } from '../dyno.ts'"),
      ],
    ],
    good: [
      plant('actors/dyno.ts', 'export const dyno = actor(Dyno, {})', 'export const Size = 1'),
      plant('actors/host.ts', "import { dyno } from './dyno.ts'"),
      plant('actors/api/ps.ts', "import { Size } from '../dyno.ts'"),
    ],
  },
  {
    title: 'every npm package comes in by its one door',
    check: (sources) => arrow.doorBreaches(sources, doors),
    bad: [
      [plant('actors/app.ts', "import { connect } from 'nats'")],
      [plant('src/proxy/a.ts', "import { Packr } from 'msgpackr'")],
      [plant('src/slug/a.ts', "import left from 'left-pad'")],
      [plant('src/slug/a.ts', "const { parse } = await import('@scope/yaml/lib')")],
    ],
    good: [
      plant('src/nats/a.ts', "import { connect } from 'nats'", "import fs from 'node:fs'"),
      plant('scripts/bench/actors.ts', "import { connect } from 'nats'"),
    ],
  },
  {
    title: 'no file imports itself, by however long a way',
    check: arrow.cycleBreaches,
    bad: [
      [
        plant('src/a.ts', "import { b } from './b.ts'"),
        plant('src/b.ts', "export type { C } from './c.ts'"),
        plant('src/c.ts', "import type { A } from './a.ts'"),
      ],
    ],
    good: [
      plant('src/a.ts', "import { b } from './b.ts'", "import { c } from './c.ts'"),
      plant('src/b.ts', "import { c } from './c.ts'"),
      plant('src/c.ts', head),
    ],
  },
  {
    title: 'the runtime and its adapters know no word of the platform',
    check: rule.nounBreaches,
    bad: [
      [plant('src/runtime/a.ts', 'const dynos = []')],
      [plant('src/ports/a.ts', '/** Used by the router. */')],
      [plant('src/nats/a.ts', 'const appFormation = 1')],
      [plant('src/sim/a.ts', "const name = 'HEROKU_APP'", 'const HEROKU = 1')],
    ],
    good: [
      plant('src/runtime/a.ts', '// information, transformation, sluggish, heroic'),
      plant('src/oci/a.ts', '// dyno'),
    ],
  },
  {
    title: 'time, chance and the environment are handed in, not reached for',
    check: rule.ambientBreaches,
    bad: [
      [plant('src/runtime/a.ts', 'const now = Date.now()')],
      [plant('actors/app.ts', 'const at = new Date()')],
      [plant('actors/effects/names.ts', 'const id = randomUUID()')],
      [plant('src/sim/a.ts', 'setTimeout(run, 1)')],
      [plant('actors/api/apps.ts', 'const x = Math.random()')],
      [plant('src/oci/a.ts', "const home = process.env['HOME']")],
      [plant('config/defaults.ts', 'const home = process.env')],
    ],
    good: [
      plant(
        'src/runtime/a.ts',
        '// not Date.now()',
        "const text = 'Math.random()'",
        'const at = new Date(ms)',
      ),
      plant('src/system/clock.ts', 'const now = Date.now()'),
      plant('config/load.ts', 'export const load = (env = process.env) => env'),
    ],
  },
  {
    title: 'tests wait for conditions and never for time',
    check: rule.sleepBreaches,
    bad: [
      [plant('test/a.test.ts', 'await new Promise((done) => setTimeout(done, 100))')],
      [plant('test/kit/a.ts', "import { setTimeout as pause } from 'node:timers/promises'")],
      [plant('test/a.test.ts', 'await sleep(3)')],
      [plant('test/kit/a.ts', 'await new Promise((done) => setTimeout(done, 1))')],
    ],
    good: [
      plant('test/a.test.ts', 't.setTimeout(9000)', "const app = 'setTimeout(go, 1)'"),
      plant('src/a.ts', 'sleep(1)'),
    ],
  },
  {
    title: 'files have at most 400 lines of at most 110 columns',
    check: rule.sizeBreaches,
    bad: [
      [plant('src/a.ts', ...Array.from({ length: 401 }, () => '// line'))],
      [plant('scripts/setup', '#!/usr/bin/env bash', `# ${'x'.repeat(109)}`)],
      [plant('src/a.ts', `/** ${'x'.repeat(109)} */`)],
      [plant('src/a.ts', `const x = '${'x'.repeat(109)}'`)],
    ],
    good: [
      plant('src/a.ts', ...Array.from({ length: 400 }, () => `//${'x'.repeat(108)}`)),
      plant('a.md', 'x'.repeat(200)),
      plant('src/a.ts', `  '${'x'.repeat(109)}',`),
    ],
    real: everything.filter(({ path }) => !/^(?:test\/.*fixtures|config\/sample)\//.test(path)),
  },
  {
    title: 'every source begins with a comment that says what it is',
    check: rule.headBreaches,
    bad: [[plant('src/a.ts', "import fs from 'node:fs'")], [plant('scripts/a', '#!/bin/sh', 'set -e')]],
    good: [plant('src/a.ts', head), plant('scripts/a', '#!/bin/sh', '# a: what it is')],
    real: everything,
  },
  {
    title: 'file names are kebab-case, and nothing is left unfinished',
    check: (sources) => [...rule.nameBreaches(sources), ...rule.unfinishedBreaches(sources)],
    bad: [[plant('src/someThing.ts', head)], [plant('src/a.ts', '// TODO: later')]],
    good: [plant('src/some-thing.ts', head), plant('test/some-thing.test.ts', head)],
    real: others,
  },
  {
    title: 'test titles are sentences, and no test is left alone by only',
    check: rule.titleBreaches,
    bad: [
      [plant('test/a.test.ts', "t.test('mailbox works', async () => {})")],
      [plant('test/a.test.ts', "t.only('mailbox drops the oldest when full', async () => {})")],
    ],
    good: [plant('test/a.test.ts', "t.test('mailbox drops the oldest when full', async () => {})")],
    real: others,
  },
  {
    title: 'no file names a path, a registry or a mirror of some machine',
    check: (sources) => rule.hostBreaches(sources, ['mirror.example.test', ...machineHosts()]),
    bad: [
      [plant('src/a.ts', "const path = '/root/.manifold'")],
      [plant('README.md', 'run it in /work/manifold')],
      [plant('package-lock.json', '"resolved": "https://mirror.example.test/x.tgz"')],
    ],
    good: [plant('src/a.ts', 'const path = `${home}/work/x`', 'const url = "http://localhost/root/a"')],
    real: others,
  },
]

for (const { title, check, bad, good, real } of cases) {
  t.test(title, async (t) => {
    for (const sources of bad)
      t.not(check(sources).length, 0, `refuses ${sources.map(({ path }) => path).join(', ')}`)
    t.same(check(good), [], 'accepts what keeps the rule')
    t.same(check(real ?? code), [], 'the repository keeps the rule')
  })
}

t.test('package.json and the table of doors name the same packages', async (t) => {
  const { dependencies, devDependencies } = JSON.parse(readText('package.json')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >
  const names = Object.keys({ ...dependencies, ...devDependencies })
  t.same(arrow.dependencyBreaches(names, doors), [])
  t.equal(arrow.dependencyBreaches([...names, 'left-pad'], doors).length, 1)
  t.equal(arrow.dependencyBreaches(names.slice(1), doors).length, 1)
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    t.match(version, /^\d+\.\d+\.\d+$/, `${name} is pinned to one version`)
  }
})

t.test('the README and the code name the same error codes', async (t) => {
  t.same(rule.errorTableBreaches(['ACT_A'], '# X\n\n## Errors\n\n| `ACT_A` | what |\n\n## More\n| `B` |'), [])
  t.equal(rule.errorTableBreaches(['ACT_A', 'ACT_B'], '## Errors\n| `ACT_A` | what |').length, 1)
  t.equal(rule.errorTableBreaches([], '## Errors\n| `ACT_A` | what |').length, 1)
  const { errorCodes } = await import('../src/runtime/errors.ts')
  t.same(rule.errorTableBreaches(Object.keys(errorCodes), readText('README.md')), [])
})
