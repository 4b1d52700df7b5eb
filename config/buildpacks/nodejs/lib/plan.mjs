// Reads an app's package.json once and prints what the build needs to know as shell assignments (plan_…='…').
// usage: plan.mjs BUILD_DIR PLATFORM_DIR. A mistake in the app is printed as `fail <why>`, with exit code 1.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [build, platform] = process.argv.slice(2)
const require = createRequire(join(platform, 'lib/node_modules/npm/package.json'))
const semver = require('semver')
const npm = require('./package.json')

function fail(why) {
  process.stdout.write(`fail ${why}\n`)
  process.exit(1)
}

function read(name) {
  try {
    return JSON.parse(readFileSync(join(build, name), 'utf8').replace(/^\uFEFF/, ''))
  } catch (error) {
    return fail(`Unable to parse ${name}: ${error.message.split('\n')[0]}`)
  }
}

const manifest = read('package.json')
if (typeof manifest !== 'object' || manifest === null)
  fail('Unable to parse package.json: it is not an object')
const { engines = {}, scripts = {} } = manifest
const lock = ['npm-shrinkwrap.json', 'package-lock.json'].find((name) => existsSync(join(build, name)))

for (const tool of ['node', 'npm'])
  if (engines[tool] !== undefined && semver.validRange(engines[tool]) === null)
    fail(`engines.${tool} in package.json is not a semver range: ${engines[tool]}`)
const manager = String(manifest.packageManager ?? 'npm').split('@')[0]
const foreign = ['yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb'].find((name) =>
  existsSync(join(build, name)),
)
if (manager !== 'npm') fail(`packageManager ${manager} is not supported: this buildpack takes npm only.`)
if (lock === undefined && foreign !== undefined)
  fail(
    `${foreign} is not supported: this buildpack takes npm's package-lock.json or npm-shrinkwrap.json only.`,
  )

const count = (field) => Object.keys(manifest[field] ?? {}).length
const lockText = lock === undefined ? '' : readFileSync(join(build, lock), 'utf8')
const lifecycle = [
  'preinstall',
  'install',
  'postinstall',
  'prepublish',
  'preprepare',
  'prepare',
  'postprepare',
]
const some = count('dependencies') + count('devDependencies') + count('optionalDependencies') > 0
const plan = {
  // The platform's own versions, and the Node.js versions that its npm runs on.
  own_node: process.versions.node,
  own_npm: npm.version,
  own_npm_range: npm.engines.node,
  node: engines.node ?? '',
  npm: engines.npm ?? '',
  lock: lock ?? '',
  prebuild: scripts['heroku-prebuild'] === undefined ? '' : 'heroku-prebuild',
  build:
    scripts['heroku-postbuild'] === undefined
      ? scripts.build === undefined
        ? ''
        : 'build'
      : 'heroku-postbuild',
  cleanup: scripts['heroku-cleanup'] === undefined ? '' : 'heroku-cleanup',
  dev: count('devDependencies') > 0 ? 'yes' : '',
  // Nothing to install: no dependency, no workspace, no script of the app's own that npm would run on
  // installing.
  idle: !some && manifest.workspaces === undefined && !lifecycle.some((name) => name in scripts) ? 'yes' : '',
  // An install that can be replayed from its files alone: it runs none of the app's scripts and links to
  // none of its code.
  replayable:
    lock !== undefined &&
    manifest.workspaces === undefined &&
    !lifecycle.some((name) => name in scripts) &&
    !/"link": true|"resolved": "file:/.test(lockText)
      ? 'yes'
      : '',
  // Packages with install scripts may compile against Node's headers.
  native: some && (lock === undefined || lockText.includes('"hasInstallScript": true')) ? 'yes' : '',
}
for (const [name, value] of Object.entries(plan))
  process.stdout.write(`plan_${name}='${String(value).replaceAll("'", `'\\''`)}'\n`)
