/**
 * Stacks: versions of root file systems that are made beside each other, reach dynos as these are cycled, and
 * go when nothing runs on them.
 */
import { existsSync } from 'node:fs'
import {
  chmod,
  cp,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { newestRoot, rootLabel } from '../../actors/effects/perform/container/stacks.ts'
import { defaultStack, keepSweeping, stacksIn, sweepStacks } from '../../actors/main/stacks.ts'
import type { Run } from '../../actors/protocols/shapes.ts'
import { stackRows, stacksTable } from '../../bin/stacks.ts'
import { stacks as known } from '../../config/stacks.ts'
import type { Driver, Found } from '../../src/oci/driver.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { deployed, openApi, type Json } from '../kit/api.ts'
import { openCli } from '../kit/cli.ts'
import { makeBench, noContainers } from '../kit/containers.ts'
import { files, scratch } from '../kit/files.ts'
import { placed, record, settleAll, tellsTo } from '../kit/formations.ts'
import { perform, performOneSlug } from '../kit/perform.ts'
import { machineEnv, run } from '../kit/run.ts'
import { tinyRoot } from '../kit/tiny-root.ts'
import { until } from '../kit/until.ts'

/** Programs and containers take their time on a busy machine. */
t.setTimeout(300_000)

const project = process.cwd()
const hourMs = 3_600_000

/** As scripts/stack does it. */
const point = async (folder: string, name: string, to: string): Promise<void> => {
  await symlink(to, join(folder, `.${name}.new`))
  await rename(join(folder, `.${name}.new`), join(folder, name))
}
/** A version with nothing but its name in it. */
const addVersion = async (folder: string, name: string, version: string): Promise<string> => {
  const root = join(folder, '.versions', name, version)
  await files(root, { 'etc/manifold-stack': `stack=${name}\nversion=${version}\n`, 'app/.keep': '' })
  return root
}
const driverWith = (containers: readonly Partial<Found>[]): Pick<Driver, 'list'> => ({
  list: async () => containers as readonly Found[],
})

t.test('what starts takes the version that its name leads to then', async (t) => {
  const folder = await scratch(t)
  const old = await addVersion(folder, 'debian-12', '1')
  await point(folder, 'debian-12', '.versions/debian-12/1')
  await point(folder, 'heroku-24', 'debian-12')
  t.same(newestRoot(folder, 'heroku-24'), { root: await realpath(old), layers: [] })
  const next = await addVersion(folder, 'debian-12', '2')
  await point(folder, 'debian-12', '.versions/debian-12/2')
  t.same(newestRoot(folder, 'heroku-24'), { root: await realpath(next), layers: [] })
  t.throws(() => newestRoot(folder, 'heroku-16'), {
    code: 'stack_missing',
    message: /stacks:build heroku-16/,
  })
})

t.test(
  'a version goes when no name leads to it, nothing runs on it, and no start can be under way',
  async (t) => {
    const folder = await scratch(t)
    for (const version of ['1', '2', '3', '4.new']) await addVersion(folder, 'debian-12', version)
    await addVersion(folder, 'other', '1')
    await point(folder, 'debian-12', '.versions/debian-12/3')
    const first = await realpath(join(folder, '.versions/debian-12/1'))
    const sweep = (now: number, containers: readonly Partial<Found>[]) =>
      sweepStacks({ folder, driver: driverWith(containers), now })
    const { mtimeMs } = await lstat(join(folder, 'debian-12'))
    t.same(await sweep(mtimeMs + 60_000, []), [], 'a name was turned just now')
    const later = mtimeMs + hourMs
    t.same(await sweep(later, [{ labels: {} }]), [], 'something runs on nobody knows what')
    t.same(await sweep(later, [{ labels: { [rootLabel]: first } }]), ['debian-12/2', 'other/1'])
    t.same((await readdir(join(folder, '.versions/debian-12'))).sort(), ['1', '3', '4.new'])
    t.same(await sweep(later, []), ['debian-12/1'])
    t.same(await sweep(later, []), [])

    // Names that stood still for long, and beside them one that a maker is about to turn a name to.
    await lutimes(join(folder, 'debian-12'), 0, 0)
    await addVersion(folder, 'debian-12', '4')
    t.same(await sweep(Date.now(), []), [])
    t.same(await sweep(Date.now() + hourMs, []), ['debian-12/4'])

    const borrowed = join(await scratch(t), 'stacks')
    await symlink(folder, borrowed)
    await addVersion(folder, 'debian-12', '5')
    t.same(await sweepStacks({ folder: borrowed, driver: driverWith([]), now: later }), [], 'of another home')
    t.same(await sweepStacks({ folder: join(folder, 'none'), driver: driverWith([]), now: later }), [])

    const clock = virtualClock()
    const sweeping = keepSweeping({ folder, driver: driverWith([]), clock, log: () => undefined })
    clock.step(clock.now() + hourMs)
    await until(() => !existsSync(join(folder, '.versions/debian-12/5')), { what: 'the sweep' })
    sweeping.close()
  },
)

t.test('the operator sees versions, which is in force, and its other names', async (t) => {
  const home = await scratch(t)
  t.same(stackRows(home), [])
  const folder = join(home, 'stacks')
  for (const version of ['1', '2', '3.new']) await addVersion(folder, 'debian-12', version)
  await point(folder, 'debian-12', '.versions/debian-12/2')
  await point(folder, 'heroku-24', 'debian-12')
  await files(join(folder, 'early'), { 'app/.keep': '' })
  await writeFile(join(folder, 'early.sha256'), 'x')
  const rows = stackRows(home)
  t.same(rows, [
    { name: 'debian-12', version: '1', current: false, also: [] },
    { name: 'debian-12', version: '2', current: true, also: ['heroku-24'] },
    { name: 'early', version: 'early', current: true, also: [] },
  ])
  t.match(stacksTable(rows).split('\n')[2], /^debian-12 +2 +current +heroku-24$/)
  const env = { ...machineEnv(), MANIFOLD_HOME: home }
  const command = join(project, 'bin/manifold')
  t.same(JSON.parse((await run([command, 'stacks', '--json'], { env })).stdout), rows)
  t.match(await run([command, 'stacks:build', 'heroku-16'], { env }), {
    code: 2,
    stderr: /no stack 'heroku-16' \(allowed: debian-12 heroku-24/,
  })
  t.match(await run([command, 'stacks:build'], { env }), {
    code: 2,
    stderr: /the name of the stack is missing/,
  })
})

t.test('heroku stack shows stacks, and stack:set chooses that of the next build', async (t) => {
  const opened = await openCli(t)
  await deployed(opened, 'shop')
  t.match(await opened.heroku('stack --app shop'), {
    code: 0,
    stdout: /=== .*shop Available Stacks\n\n {2}debian-12\n\* heroku-24\n/,
  })
  t.match(await opened.heroku('stack:set debian-12 --app shop'), {
    code: 0,
    stdout: /You will need to redeploy .*shop for the change to take effect/,
  })
  t.match(await opened.heroku('stack --app shop'), {
    stdout: /debian-12 \(active on next deploy\)\n\* heroku-24\n/,
  })
  const wrong = await opened.heroku('stack:set heroku-16 --app shop')
  t.match(
    wrong.stderr.replaceAll(/\s*\n\W*/g, ' '),
    /Invalid stack specified. Use one of: heroku-24, debian-12/,
  )
})

t.test('an app that names no stack gets what this host has', async (t) => {
  const { http, preset } = await openApi(t)
  const made = async (body: object): Promise<string> =>
    (await http('POST', '/apps', body)).body['stack']['name']
  const listed = async () => (await http('GET', '/stacks')).body as readonly Json[]
  t.equal(await made({}), 'heroku-24')
  preset.stack = 'host'
  t.equal(await made({}), 'host')
  t.equal(await made({ stack: 'debian-12' }), 'debian-12')
  t.same(
    (await listed()).map((stack) => [stack['name'], stack['default']]),
    [
      ['host', true],
      ['heroku-24', false],
      ['debian-12', false],
    ],
  )

  const folder = await scratch(t)
  t.equal(defaultStack(folder, 'oci'), 'host', 'no image was made')
  t.same(stacksIn(folder), [])
  t.equal(defaultStack(folder, 'process'), 'heroku-24', 'all are the machine')
  await addVersion(folder, 'debian-12', '1')
  await point(folder, 'debian-12', '.versions/debian-12/1')
  await point(folder, 'heroku-24', 'debian-12')
  t.equal(defaultStack(folder, 'oci'), 'heroku-24')
  t.same(stacksIn(folder), ['heroku-24', 'debian-12'])
})

t.test('every stack that users choose from has a recipe', async (t) => {
  for (const name of known) t.ok(existsSync(join(project, `config/stacks/${name}.sh`)), name)
})

const canMake = process.getuid?.() === 0 && existsSync('/usr/bin/mmdebstrap')
/** scripts/stack with recipes of the test's own, in a home of its own. */
const maker = async (t: Test) => {
  const [root, home] = [await scratch(t), await scratch(t)]
  for (const name of ['scripts', 'config/stacks']) await mkdir(join(root, name), { recursive: true })
  for (const name of ['stack', 'debian.sh'])
    await cp(join(project, 'scripts', name), join(root, 'scripts', name))
  return {
    home,
    folder: join(home, 'stacks'),
    recipe: (name: string, text: string) => files(root, { [`config/stacks/${name}.sh`]: text }),
    alias: (name: string, of: string) => symlink(`${of}.sh`, join(root, `config/stacks/${name}.sh`)),
    make: (...args: readonly string[]) =>
      run([join(root, 'scripts/stack'), ...args], { env: { ...machineEnv(), MANIFOLD_HOME: home } }),
  }
}

t.test(
  'a stack is made beside the one in force, and takes its place in one step',
  { skip: canMake ? false : 'making stacks needs root and mmdebstrap' },
  async (t) => {
    const { home, recipe, alias, make } = await maker(t)
    const makes = (what: string) => recipe('tiny', `mkdir -p "$1/app" "$1/etc"\necho "I: ${what}"\n${what}\n`)
    await makes('true')
    await alias('alias', 'tiny')
    // Of a time before versions.
    await files(join(home, 'stacks/alias'), { 'app/old': '' })
    const made = await make('alias', '--if-changed')
    t.match(made, { code: 0, stderr: /making tiny [^]*: true\n[^]*tiny is at \w+ now/ })
    const leads = (name: string): Promise<string> => readlink(join(home, 'stacks', name))
    const first = await leads('tiny')
    t.match(first, /^\.versions\/tiny\/\d{8}T\d{6}Z$/)
    t.equal(await leads('alias'), 'tiny')
    t.ok(existsSync(join(home, 'stacks/.versions/alias/before-versions/app/old')))
    t.match(
      await readFile(join(home, 'stacks/tiny/etc/manifold-stack'), 'utf8'),
      /^stack=tiny\nversion=\d.*\nrecipe=\w{64}\n$/,
    )
    t.same(await make('tiny', '--if-changed'), { code: 0, stdout: '', stderr: '' }, 'nothing changed')
    await makes('mkdir "$1/in" && mount -t tmpfs none "$1/in" && false')
    t.match(await make('tiny', '--if-changed'), { code: 1, stderr: /could not make tiny/ })
    t.equal(await leads('tiny'), first, 'the one in force stays')
    t.same(await readdir(join(home, 'stacks/.versions/tiny')), [first.split('/').at(-1)])
    await makes('exit 0')
    t.match(await make('tiny', '--if-changed'), { code: 0, stderr: /tiny is at/ })
    t.not(await leads('tiny'), first)
    t.match(await make('tiny', '--now'), { code: 2, stderr: /unknown argument '--now'/ })
    t.match(await make('../tiny'), { code: 2, stderr: /allowed: alias tiny/ })
  },
)

t.test(
  'a rebuilt stack reaches a dyno by its daily cycle, with nothing else done',
  { skip: noContainers() ?? (canMake ? false : 'making stacks needs mmdebstrap') },
  async (t) => {
    const { driver, slug } = await makeBench(t, 'oci')
    const { home, folder, recipe, alias, make } = await maker(t)
    const tiny = await scratch(t)
    for (const path of [home, tiny]) await chmod(path, 0o755)
    await tinyRoot(tiny)
    const rebuild = async (says: string): Promise<string> => {
      await recipe('debian-12', `mkdir -p "$1"\ncp -a ${tiny}/. "$1"\necho ${says} >"$1/etc/issue"\n`)
      t.match(await make('debian-12'), { code: 0 })
      return (await readlink(join(folder, 'debian-12'))).replace('.versions/', '')
    }
    await alias('heroku-24', 'debian-12')
    const old = await rebuild('old')
    const effects = performOneSlug({ driver, slug, rootOf: (stack) => newestRoot(folder, stack) })
    /** What the container of that run reads in the file that changes. */
    const reads = async (id: string): Promise<string> => {
      const argv = ['/bin/cat', '/etc/issue']
      const inside = await driver.exec(id, { argv, cwd: '/', env: {}, merge: true })
      const chunks: Buffer[] = []
      for await (const chunk of inside.output) chunks.push(Buffer.from(chunk as Uint8Array))
      return Buffer.concat(chunks).toString().trim()
    }
    const f = placed()
    const launches = (): readonly Run[] => tellsTo(f, 'launch').map((told) => (told as { run: Run }).run)
    const start = async (ordered: Run): Promise<void> =>
      void (await perform(effects, 'container.start', { run: { ...ordered, command: 'exec sleep 600' } }))
    const first = launches().at(-1)!
    t.equal(first.slug.stack, 'heroku-24')
    await start(first)
    settleAll(f)
    t.equal(await reads(first.id), 'old')

    const next = await rebuild('new')
    t.equal(await reads(first.id), 'old', 'what runs stays as it is')
    for (let looks = 0; looks < 100 && record(f).slots[0]?.run?.id === first.id; looks++) f.fire('reconcile')
    settleAll(f)
    const second = launches().at(-1)!
    t.not(second.id, first.id, 'its day was over')
    await start(second)
    t.equal(await reads(second.id), 'new')
    t.equal(await reads(first.id), 'old')

    const sweep = () => sweepStacks({ folder, driver, now: Date.now() + hourMs })
    t.same(await sweep(), [], 'the old one is held by what runs on it')
    await perform(effects, 'container.remove', { runId: first.id })
    t.same(await sweep(), [old])
    t.same(await readdir(join(folder, '.versions/debian-12')), [next.replace('debian-12/', '')])
    t.equal(await reads(second.id), 'new')
  },
)
