/**
 * App set-ups: what app.json says, in its order, to the end or to the first thing that fails.
 */
import { access, readdir, writeFile } from 'node:fs/promises'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { performSetups } from '../../actors/effects/perform/setups.ts'
import type { Planned } from '../../actors/protocols/setup.ts'
import { setup } from '../../actors/setup.ts'
import { createRendezvous } from '../../src/rendezvous/rendezvous.ts'
import { parseAppJson } from '../../src/slug/app-json.ts'
import { drive, textsOf } from '../kit/drive.ts'
import { files, scratch } from '../kit/files.ts'
import { localSandbox } from '../kit/local-sandbox.ts'
import { until } from '../kit/until.ts'
import { memoryObjects } from '../kit/memory-objects.ts'

const by = { id: 'u1', email: 'me@example.com' }
const archive = { url: 'https://a/b.tgz', checksum: null, description: null, object: null }

t.test('app.json says what an app is to have, and each fault of it is named', (t) => {
  const full = parseAppJson(
    JSON.stringify({
      name: 'x',
      env: {
        A: 'a',
        S: { generator: 'secret' },
        R: { description: 'r' },
        O: { required: false },
        V: { value: 'v' },
      },
      formation: { web: { quantity: 2, size: 'standard-1x' }, worker: {} },
      buildpacks: [{ url: 'heroku/nodejs' }, { url: 'https://b/c' }],
      scripts: { postdeploy: { command: 'seed' }, test: 'npm test' },
      stack: 'heroku-24',
      success_url: '/welcome',
      addons: ['heroku-postgresql:mini', { plan: 'redis', as: 'R' }],
    }),
  )
  t.same(full.errors, [])
  t.same(full.manifest, {
    env: {
      A: { kind: 'value', value: 'a' },
      S: { kind: 'secret' },
      R: { kind: 'required' },
      O: { kind: 'optional' },
      V: { kind: 'value', value: 'v' },
    },
    formation: { web: { quantity: 2, size: 'standard-1x' }, worker: {} },
    buildpacks: ['heroku/nodejs', 'https://b/c'],
    stack: 'heroku-24',
    postdeploy: 'seed',
    successUrl: '/welcome',
    addons: ['heroku-postgresql:mini', 'redis'],
  })
  t.match(parseAppJson('{}'), { errors: [], manifest: { postdeploy: undefined } })
  for (const [file, fault] of [
    ['{', /^app\.json is not valid JSON: /],
    ['[]', 'app.json must be an object.'],
    ['{"env":[]}', 'env must be an object.'],
    ['{"env":{"1X":"a"}}', 'env: 1X is no name of a config var.'],
    ['{"env":{"X":1}}', 'env.X must be a string or an object.'],
    ['{"env":{"X":{"value":1}}}', 'env.X must have a string for its value.'],
    ['{"env":{"X":{"generator":"dice"}}}', 'env.X has an unknown generator; there is: secret.'],
    ['{"formation":{"web":1}}', 'formation.web must be an object.'],
    ['{"formation":{"web":{"quantity":-1}}}', 'formation.web must have a whole number for its quantity.'],
    ['{"formation":{"web":{"size":1}}}', 'formation.web must have a name for its size.'],
    ['{"buildpacks":{}}', 'buildpacks must be a list of 500 at most.'],
    ['{"buildpacks":[{}]}', 'buildpacks[0] must have url, a string.'],
    ['{"scripts":{"postdeploy":1}}', 'scripts.postdeploy must be a command.'],
    ['{"stack":1}', 'stack must be a string.'],
  ] as const)
    t.match(parseAppJson(file).errors, [fault], file)
  t.end()
})

const planned: Planned = {
  env: { A: 'a' },
  updates: [{ type: 'web', quantity: '2' }],
  buildpacks: ['heroku/nodejs'],
  stack: null,
  postdeploy: 'seed it',
  successUrl: '/hi',
  addons: ['heroku-postgresql:mini'],
}
const started = () => {
  const s = drive(setup, { key: 'set-1', args: undefined })
  const job = { appId: 'a1', appName: 'shop', archive, version: 'v1', stack: 'heroku-24' }
  s.send({ type: 'start', ...job, env: {}, buildpacks: [], by })
  return s
}
const info = (s: ReturnType<typeof started>) => s.send({ type: 'info' })?.value
const built = () => {
  const s = started()
  s.done('setups.fetch', { sourceDir: '/b/source', planned })
  s.answered('change', {})
  s.answered('setConfig', {})
  s.answered('start', {})
  return s
}

t.test('an app is set up step by step, and says in the end how', (t) => {
  const s = drive(setup, { key: 'set-1', args: undefined })
  t.match(s.send({ type: 'info' }), { refused: { code: 'not_found' } })
  const ok = started()
  t.match(info(ok), { status: 'pending', build: null })
  ok.done('setups.fetch', { sourceDir: '/b/source', planned })
  const lines = textsOf(ok)
  t.ok(lines.length > 0, 'add-ons are named in the log')
  t.match(ok.asked, [
    { to: { to: 'app', key: 'a1' }, message: { type: 'change', buildpacks: ['heroku/nodejs'] } },
  ])
  ok.answered('change', {})
  t.match(ok.asked, [{ message: { type: 'setConfig', patch: { A: 'a' }, by } }])
  ok.answered('setConfig', {})
  t.match(ok.asked, [{ message: { type: 'start', job: { sourceDir: '/b/source', version: 'v1', archive } } }])
  ok.answered('start', {})
  t.match(info(ok), { build: { status: 'pending', host: 'host-1' } })
  ok.askFailed('finished', { kind: 'unknown', reason: 'timeout' })
  ok.answered('finished', { status: 'succeeded' })
  t.match(ok.asked, [{ message: { type: 'scale', updates: [{ type: 'web', quantity: '2' }] } }])
  ok.answered('scale', { types: [] })
  t.match(ok.asked, [
    { message: { type: 'run', command: /^seed it ; echo "\uFFFF heroku-command-exit-status: / } },
  ])
  t.match(ok.ran, [{ name: 'setups.listen' }])
  ok.done('setups.listen', { output: 'seeded\n', exitCode: 0 })
  t.match(info(ok), {
    status: 'succeeded',
    postdeploy: { output: 'seeded\n', exitCode: 0 },
    successUrl: '/hi',
  })
  ok.remind('over')
  t.equal(ok.saved(), undefined, 'after a week it is forgotten')
  t.end()
})

t.test('a set-up ends with the first thing that fails', (t) => {
  const manifest = started()
  manifest.failed('setups.fetch', 'manifest', 'config var X is required\nstack y')
  t.match(info(manifest), { status: 'failed', manifestErrors: ['config var X is required', 'stack y'] })
  const source = started()
  source.failed('setups.fetch', 'source_refused', 'the source cannot be fetched: 404')
  t.match(info(source), { failure: 'the source cannot be fetched: 404', manifestErrors: [] })
  const build = built()
  build.answered('finished', { status: 'failed' })
  t.match(info(build), { status: 'failed', failure: 'The build failed.', build: { status: 'failed' } })
  const full = started()
  full.done('setups.fetch', { sourceDir: '/b/source', planned })
  full.answered('change', {})
  full.answered('setConfig', {})
  full.askFailed('start', {
    kind: 'refused',
    code: 'too_many',
    reason: 'Too many builds are under way here.',
  })
  t.match(info(full), { failure: 'Too many builds are under way here.', build: { status: 'failed' } })
  t.match(full.ran.at(-1), { name: 'setups.drop', args: { sourceDir: '/b/source' } })
  const lost = built()
  lost.askFailed('finished', { kind: 'nobody', reason: 'noproc' })
  t.match(info(lost), { status: 'failed', build: { status: 'failed' } })
  const scaled = built()
  scaled.answered('finished', { status: 'succeeded' })
  scaled.askFailed('scale', { kind: 'refused', code: 'invalid_params', reason: 'No such process type x.' })
  t.match(info(scaled), {
    status: 'failed',
    failure: 'No such process type x.',
    build: { status: 'succeeded' },
  })
  const script = built()
  script.answered('finished', { status: 'succeeded' })
  script.answered('scale', { types: [] })
  script.done('setups.listen', { output: 'no', exitCode: 3 })
  t.match(info(script), { status: 'failed', failure: 'The postdeploy script ended with exit code 3.' })
  script.send({ type: 'failed', reason: 'late', errors: [] })
  t.match(info(script), { failure: /exit code 3/ })

  t.end()
})

t.test('a set-up that lost its host has failed, and what it began is stopped', (t) => {
  const early = drive(setup, { key: 'set-1', args: undefined, saved: started().saved()! })
  t.match(info(early), { status: 'failed', failure: /^It was interrupted: its host went down/, build: null })
  t.same(early.told, [])
  const next = drive(setup, { key: 'set-1', args: undefined, saved: built().saved()! })
  t.match(info(next), { status: 'failed', failure: /^It was interrupted/, build: { host: 'host-1' } })
  const { build } = next.state.view!
  t.match(next.told, [{ to: { to: 'build', key: build!.id }, message: { type: 'cancel' } }])
  t.match(next.saved(), { status: 'failed' }, 'on record')
  next.send({ type: 'built', status: 'succeeded' })
  t.same(next.asked, [], 'late news begin nothing')
  t.end()
})

t.test('no step of a set-up is taken by one whose record is not its own any more', (t) => {
  const s = started()
  const steps: (() => void)[] = [
    () => s.done('setups.fetch', { sourceDir: '/b/source', planned }),
    () => s.answered('change', {}),
    () => s.answered('setConfig', {}),
    () => (s.answered('start', {}), s.answered('finished', { status: 'succeeded' })),
    () => s.answered('scale', { types: [] }),
  ]
  for (const [at, step] of steps.entries()) {
    const before = JSON.stringify(s.saved())
    s.nowMs += 1
    step()
    t.not(JSON.stringify(s.saved()), before, `step ${at} is written before it is taken`)
  }
  t.end()
})

const effectsOf = async (t: Test) => {
  const home = await scratch(t)
  const objects = memoryObjects()
  const rendezvous = createRendezvous({ tokensMax: 10 })
  t.teardown(() => rendezvous.close())
  const platform = { env: {}, mounts: [] }
  const effects = performSetups({ home, sandboxOf: () => localSandbox, objects, platform, rendezvous })
  const never = new AbortController().signal
  const perform = <R>(name: string, args: object): Promise<R> =>
    effects[name]!(args as never, never) as Promise<R>
  return { home, objects, rendezvous, perform }
}

t.test('the source is unpacked for its build, and its app.json read with what overrides it', async (t) => {
  const { home, objects, perform } = await effectsOf(t)
  const tree = await files(await scratch(t), { Procfile: 'web: x\n' })
  const json = { env: { A: 'a', S: { generator: 'secret' }, R: {} }, addons: ['x'], stack: 'heroku-24' }
  const fetch = async (text: string | undefined, env: Record<string, string>, buildpacks: string[] = []) => {
    if (text !== undefined) await writeFile(join(tree, 'app.json'), text)
    const packed = execFileSync('tar', ['-cz', '-C', tree, '.'])
    await objects.put(
      'source/1',
      (async function* () {
        yield packed
      })(),
    )
    const args = {
      setupId: 's1',
      archive: { ...archive, object: 'source/1' },
      stack: 'heroku-24',
      env,
      buildpacks,
    }
    return perform<{ sourceDir: string; planned: Planned }>('setups.fetch', args)
  }
  await t.rejects(fetch(undefined, {}), { code: 'manifest', message: 'app.json not found' })
  const unmet = { ...json, stack: 'container' }
  await t.rejects(fetch(JSON.stringify(unmet), {}), {
    code: 'manifest',
    message: /^config var R is required\nstack container is not available; use one of: heroku-24/,
  })
  t.same(await readdir(join(home, 'builds')), [], 'nothing is left')
  const { sourceDir, planned: plan } = await fetch(JSON.stringify(json), { R: 'r', A: 'b' }, [
    'heroku/nodejs',
  ])
  await access(join(sourceDir, 'Procfile'))
  t.match(plan, {
    env: { A: 'b', R: 'r', S: /^[0-9a-f]{64}$/ },
    buildpacks: ['heroku/nodejs'],
    addons: ['x'],
  })
})

t.test('what a one-off says is heard to its end, with its exit status', async (t) => {
  const { rendezvous, perform } = await effectsOf(t)
  const listen = async (said: readonly string[]) => {
    const heard = perform<{ output: string; exitCode: number }>('setups.listen', { token: 'setup1' })
    const process = await rendezvous.expect('setup1', 5_000)
    let input = Buffer.alloc(0)
    process.on('data', (chunk: Buffer) => (input = Buffer.concat([input, chunk])))
    process.resume()
    await until(() => input.length > 0, { what: 'the end of the input' })
    for (const text of said) process.write(text)
    process.end()
    return { heard, input: () => input }
  }
  const { heard, input } = await listen(['seeding\n', '\uFFFF heroku-command-exit-status: 7\n'])
  t.same(await heard, { output: 'seeding\n', exitCode: 7 })
  t.same([...input()], [4], 'it has no input')
  const cut = await listen(['half'])
  await t.rejects(cut.heard, { code: 'postdeploy', message: /went away/ })
})
