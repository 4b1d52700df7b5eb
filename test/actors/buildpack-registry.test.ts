/**
 * The registry of buildpacks: what an operator puts into its folder is what the stock CLI finds, and what
 * builds use.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openRegistry } from '../../src/slug/registry.ts'
import { build, shell, simple } from '../kit/builds.ts'
import { openCli } from '../kit/cli.ts'
import { files, scratch } from '../kit/files.ts'

const readme = '# apt\n\nPackages of Debian for apps.\nMore.\n'
/** A folder of each kind of entry, and things that are none. */
const seeded = async (dir: string): Promise<string> => {
  const folder = join(dir, 'registry')
  await files(join(folder, 'heroku-community/apt'), { ...simple('apt', 'true'), 'README.md': readme })
  await files(join(dir, 'packed'), simple('packed', 'true'))
  mkdirSync(join(folder, 'acme'))
  execFileSync('tar', ['-czf', join(folder, 'acme/packed.tgz'), '-C', dir, 'packed'])
  writeFileSync(join(folder, 'acme/far.url'), 'https://github.com/acme/buildpack-far.git#v2\n')
  writeFileSync(join(folder, 'acme/broken.url'), 'nonsense\n')
  writeFileSync(join(folder, 'notes.txt'), '')
  mkdirSync(join(folder, 'acme/empty'))
  return folder
}
const nodejs = join(import.meta.dirname, '../../config/buildpacks/nodejs')

// The stock CLI takes its time on a busy machine.
t.setTimeout(300_000)

t.test('an entry is a folder, an archive or an address, and goes before what ships', async (t) => {
  const folder = await seeded(await scratch(t))
  const registry = openRegistry(folder, { 'heroku/nodejs': nodejs })
  const names = (await registry.list()).map(({ name }) => name)
  t.same(names, ['acme/far', 'acme/packed', 'heroku-community/apt', 'heroku/nodejs'])
  t.match(await registry.find('heroku-community/apt'), {
    source: { kind: 'folder', dir: join(folder, 'heroku-community/apt') },
    about: 'Packages of Debian for apps.',
    readme,
  })
  t.match(await registry.find('acme/packed'), { source: { kind: 'file' }, about: '' })
  t.match(await registry.find('acme/far'), {
    source: { kind: 'git', url: 'https://github.com/acme/buildpack-far.git', ref: 'v2' },
  })
  for (const name of [
    'acme/empty',
    'acme/broken',
    'acme',
    '../registry',
    'acme/../notes',
    'a/b/c',
    'constructor/x',
  ])
    t.equal(await registry.find(name), undefined, name)
  await files(join(folder, 'heroku/nodejs'), simple('nodejs', 'true'))
  t.match(await registry.find('heroku/nodejs'), { source: { dir: join(folder, 'heroku/nodejs') } })
  t.same(await openRegistry('/nowhere/at/all', {}).list(), [])
})

t.test('builds use what the registry has by the names that apps have set', async (t) => {
  const dir = await scratch(t)
  const registry = openRegistry(await seeded(dir), {})
  const findNamed = async (name: string) => (await registry.find(name))?.source
  const source = { 'apt.app': '', 'packed.app': '' }
  const made = await build(dir, source, { findNamed, buildpacks: ['heroku-community/apt', 'acme/packed'] })
  t.match(
    made.output,
    '1. heroku-community/apt\n       2. acme/packed\n-----> apt app detected\n-----> packed app',
  )
  t.equal(made.failure, undefined)
  const damaged = join(dir, 'registry/acme/damaged.tgz')
  writeFileSync(damaged, 'no archive')
  t.match((await build(dir, source, { findNamed, buildpacks: ['acme/damaged'] })).failure, {
    code: 'FETCH_FAILED',
    text: / ! {5}Failed to fetch buildpack: acme\/damaged\n/,
  })
  await files(join(dir, 'registry/heroku/apt'), {
    'bin/detect': shell('echo also without the bit'),
    'bin/compile': shell(''),
  })
  const bare = await build(dir, source, { findNamed, defaults: ['heroku/apt'] })
  t.match(bare.output, '-----> also without the bit app detected')
})

t.test('the stock CLI finds, describes and sets what is in the registry', async (t) => {
  const folder = await seeded(await scratch(t))
  const { heroku, http } = await openCli(t, openRegistry(folder, { 'heroku/nodejs': nodejs }))
  await http('POST', '/apps', { name: 'shop' })
  const said = async (text: string): Promise<string> => {
    const { stdout, stderr } = await heroku(text)
    return stdout + stderr
  }
  t.match(await said('buildpacks:set heroku-community/apt -a shop'), /will use heroku-community\/apt/)
  t.match(await said('buildpacks:search apt'), /heroku-community\/apt[^]*Debian[^]*1 buildpack found/)
  t.match(await said('buildpacks:info heroku-community/apt'), /Packages of Debian for apps\.\nMore\./)
  t.match(await said('buildpacks:versions heroku-community/apt'), /1 +\d{4}-\d\d-\d\d\S* +published/)

  const names = async (query: string): Promise<unknown> => {
    const { body } = await http('GET', `/buildpacks${query}`, undefined, { authorization: '' })
    return (body as unknown as { namespace: string; name: string }[]).map((each) => each.name)
  }
  t.same(await names(''), ['far', 'packed', 'apt', 'nodejs'])
  t.same(await names('?in[namespace][]=acme&in[namespace][]=heroku'), ['far', 'packed', 'nodejs'])
  t.same(await names('?in[namespace][]=acme&in[name][]=far'), ['far'])
  t.same(await names('?like[description]=DEBIAN'), ['apt'])
  t.match((await http('GET', '/buildpacks/acme%2Ffar')).body, {
    source: { type: 'github', owner: 'acme', repo: 'buildpack-far' },
  })
  for (const path of ['', '/revisions', '/readme'])
    t.equal((await http('GET', `/buildpacks/acme%2Fnone${path}`)).status, 404)
  const updates = [{ buildpack: 'acme/none' }]
  const refused = await http('PUT', '/apps/shop/buildpack-installations', { updates })
  t.match(refused.body, { id: 'invalid_params', message: /acme\/none is invalid: use one of acme\/far, / })
})
