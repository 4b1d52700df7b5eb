// Reads an app's package.json and lock file once and prints what the build needs to know as shell assignments
// (plan_…='…').
// usage: plan.mjs BUILD_DIR PLATFORM_DIR. A mistake in the app is printed, a line a reason, with exit code 1.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [build, platform] = process.argv.slice(2)
const require = createRequire(join(platform, 'lib/node_modules/npm/package.json'))
const semver = require('semver')
const npm = require('./package.json')

function fail(...why) {
  process.stdout.write(`${why.join('\n')}\n`)
  process.exit(1)
}

const text = (name) => readFileSync(join(build, name), 'utf8').replace(/^\uFEFF/, '')
const isThere = (name) => existsSync(join(build, name))

function read(name) {
  try {
    return JSON.parse(text(name))
  } catch (error) {
    return fail(`Unable to parse ${name}`, '', error.message.split('\n')[0])
  }
}

const manifest = read('package.json')
if (typeof manifest !== 'object' || manifest === null || Array.isArray(manifest))
  fail('Unable to parse package.json', '', 'It is not an object.')
if (isThere('.heroku') && !statSync(join(build, '.heroku')).isDirectory())
  fail('The directory .heroku could not be created', '', 'A file of that name is checked in: remove it.')
const { engines = {}, scripts = {} } = manifest

const lockFiles = {
  npm: ['npm-shrinkwrap.json', 'package-lock.json'],
  pnpm: ['pnpm-lock.yaml'],
  yarn: ['yarn.lock'],
}
const locks = Object.entries(lockFiles).flatMap(([manager, names]) =>
  names.filter(isThere).map((name) => ({ manager, name })),
)
if (locks.length > 1)
  fail(
    'Multiple lockfiles found',
    '',
    `Only one of them can say what is installed: ${locks.map(({ name }) => name).join(', ')}.`,
    'Keep the one of the package manager that you use, and remove the others with git rm.',
  )
const [, named, pinned] = /^(npm|yarn|pnpm|\w+)@([^+\s]+)/.exec(String(manifest.packageManager ?? '')) ?? []
if (named !== undefined && !(named in lockFiles))
  fail(`packageManager ${named} is not supported`, '', 'This buildpack takes npm, pnpm and Yarn.')
const foreign = ['bun.lock', 'bun.lockb'].find(isThere)
if (locks.length === 0 && foreign !== undefined)
  fail(`${foreign} is not supported`, '', 'This buildpack takes the lock files of npm, pnpm and Yarn.')
const manager = locks[0]?.manager ?? named ?? 'npm'
const lock = locks[0]?.name
const lockText = lock === undefined ? '' : text(lock)

for (const tool of ['node', 'npm', 'yarn', 'pnpm'])
  if (engines[tool] !== undefined && semver.validRange(engines[tool]) === null)
    fail('Invalid semver requirement', '', `engines.${tool} in package.json is ${engines[tool]}`)

/** Lock files tell which generation wrote them. */
const isBerry =
  manager === 'yarn' && (/^__metadata:/m.test(lockText) || (named === 'yarn' && semver.gte(pinned, '2.0.0')))
const yarnDefault = isBerry ? '>=4' : '1.x'
const pnpmOf = { 5: '7.x', 6: '8.x', 9: '10.x' }
const pnpmDefault = pnpmOf[/^lockfileVersion: '?(\d+)/m.exec(lockText)?.[1]] ?? '10.x'
const range = {
  npm: '',
  yarn: engines.yarn ?? (named === 'yarn' ? pinned : yarnDefault),
  pnpm: engines.pnpm ?? (named === 'pnpm' ? pinned : pnpmDefault),
}[manager]

const count = (field) => Object.keys(manifest[field] ?? {}).length
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
const isWorkspace = manifest.workspaces !== undefined || isThere('pnpm-workspace.yaml')
const runsOwn = lifecycle.some((name) => name in scripts)
const compiles =
  manager === 'npm'
    ? /"hasInstallScript": true/
    : /\b(node-gyp|node-gyp-build|node-pre-gyp|prebuild-install|node-addon-api|bindings|nan)[@:]/
const plan = {
  // The platform's own versions, and the Node.js versions that its npm runs on.
  own_node: process.versions.node,
  own_npm: npm.version,
  own_npm_range: npm.engines.node,
  node: engines.node ?? '',
  npm: engines.npm ?? (named === 'npm' ? pinned : ''),
  manager,
  // Of yarn or pnpm the wanted version, and the package that it comes in.
  range,
  package: isBerry ? '@yarnpkg/cli-dist' : manager,
  berry: isBerry ? 'yes' : '',
  lock: lock ?? '',
  workspace: isWorkspace ? 'yes' : '',
  prebuild: scripts['heroku-prebuild'] === undefined ? '' : 'heroku-prebuild',
  build: ['heroku-postbuild', 'build'].find((name) => scripts[name] !== undefined) ?? '',
  cleanup: scripts['heroku-cleanup'] === undefined ? '' : 'heroku-cleanup',
  dev: count('devDependencies') > 0 || isWorkspace ? 'yes' : '',
  // Nothing to install: no dependency, no workspace, no script of the app's own that would run on installing.
  idle: !some && !isWorkspace && !runsOwn ? 'yes' : '',
  // An install of npm that can be replayed from its files alone: it runs none of the app's scripts and links
  // to none of its code.
  replayable:
    manager === 'npm' &&
    lock !== undefined &&
    !isWorkspace &&
    !runsOwn &&
    !/"link": true|"resolved": "file:/.test(lockText)
      ? 'yes'
      : '',
  // Packages with install scripts may compile against Node's headers. Only npm's lock file tells who has some;
  // in the others they are known by what they compile with.
  native: some && (lock === undefined || compiles.test(lockText)) ? 'yes' : '',
}
for (const [name, value] of Object.entries(plan))
  process.stdout.write(`plan_${name}='${String(value).replaceAll("'", `'\\''`)}'\n`)
