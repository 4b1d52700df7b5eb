/**
 * Pipelines, end to end: what the stock CLI prints of each command, on a whole platform with real containers.
 */
import t from 'tap'
import { releaseFiles } from '../kit/apps.ts'
import { openHeroku } from '../kit/cli/runs.ts'
import { openNoOutside } from '../kit/no-outside.ts'
import { startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const platform = await startPlatform()
t.teardown(() => platform.dispose())
const { api } = platform
const outside = await openNoOutside()
t.teardown(() => outside.close())

const cli = openHeroku({ env: { ...(await platform.userEnv()), ...outside.env }, cwd: platform.user })
t.teardown(() => cli.close())

/** What it prints and how it ends, without colours and line ends of its own. */
const heroku = async (line: string): Promise<string> => {
  const { code, stdout, stderr } = await cli.run(line.split(' '))
  const text = `${stderr}${stdout}`.replaceAll(/[ \t]+$/gm, '')
  return `${text.trim()}\n${code === 0 ? '' : `exit ${code}\n`}`
}
const web = { process_types: { web: 'cd www && python3 -m http.server $PORT' }, commit: '60883d9e8947' }
const page = (text: string) => ({ 'www/index.html': `${text}\n` })
const served = (app: string, text: string): Promise<unknown> =>
  until(async () => (await platform.get(`${app}.localhost`)).body.includes(text), {
    what: `${app} serving "${text}"`,
  })
/** Targets come in the order of their ids. */
const sorted = (text: string): string =>
  text.replace(/(?:^shop-\w+: .*\n(?: .*\n)*)+/m, (targets) =>
    (targets.match(/^shop-.*\n(?: .*\n)*/gm) ?? []).sort().join(''),
  )
const apps = ['shop-dev', 'shop-staging', 'shop-eu', 'shop-us'] as const

await t.test('a pipeline is made of apps in stages, and shown', async (t) => {
  for (const name of apps) await api('POST', '/apps', { name })
  t.equal(await heroku('pipelines'), '=== My Pipelines\n')
  t.equal(
    await heroku('pipelines:create shop -a shop-dev -s development'),
    'Creating shop pipeline... done\nAdding shop-dev to shop pipeline as development... done\n',
  )
  t.equal(
    await heroku('pipelines:add shop -a shop-staging -s staging'),
    'Adding shop-staging to shop pipeline as staging... done\n',
  )
  await Promise.all(['shop-eu', 'shop-us'].map((app) => heroku(`pipelines:add shop -a ${app} -s staging`)))
  const updates = await Promise.all(
    ['shop-eu', 'shop-us'].map((app) => heroku(`pipelines:update -a ${app} -s production`)),
  )
  t.equal(updates[0], 'Changing shop-eu to production... done\n')
  t.equal(await heroku('pipelines'), '=== My Pipelines\n\nshop\n')
  t.equal(
    await heroku('pipelines:info shop'),
    `=== shop

owner: owner@manifold.local

  app name       stage
 ────────────────────────────
  shop-dev       development
  shop-staging   staging
  shop-eu        production
  shop-us        production
`,
  )
  t.match(await heroku('apps:info -a shop-eu'), /^Pipeline: +shop/m)
  t.match(await heroku('pipelines:add shop -a shop-eu -s staging'), /App is already in the pipeline shop/)
})

await t.test('a promotion gives the next stage the code, and leaves it its config vars', async (t) => {
  await api('PATCH', '/apps/shop-eu/config-vars', { REGION: 'eu' })
  await releaseFiles(platform, 'shop-staging', page('one'), web)
  t.equal(
    sorted(await heroku('pipelines:promote -a shop-staging')),
    `Fetching app info...
Fetching apps from shop...
Starting promotion to production...
Waiting for promotion to complete...

Promotion successful
shop-eu: succeeded
shop-us: succeeded
`,
  )
  await served('shop-eu', 'one')
  await served('shop-us', 'one')
  t.match(
    await heroku('releases -a shop-eu'),
    /^ +v4 +Promote shop-staging v3 60883d9e +owner@manifold\.local/m,
  )
  t.match(await heroku('apps:diff shop-staging shop-us'), /property +shop-us\n ─+\n$/, 'no differences')
  const diff = await heroku('apps:diff shop-staging shop-eu')
  t.match(diff, /config \(REGION\)/)
  t.notMatch(diff, /slug/)
})

await t.test(
  'a release phase runs in the target, and when it fails the target stays as it was',
  async (t) => {
    const phased = (command: string) => ({
      ...web,
      process_types: { ...web.process_types, release: command },
    })
    await releaseFiles(
      platform,
      'shop-dev',
      page('two'),
      phased('sleep ${SLOW:-0}; echo migrating; exit ${FAIL:-0}'),
    )
    await api('PATCH', '/apps/shop-us/config-vars', { FAIL: '3' })
    await api('PATCH', '/apps/shop-staging/config-vars', { SLOW: '4' })
    const promoted = await heroku('pipelines:promote -a shop-dev --to shop-staging')
    t.match(
      promoted,
      /^Waiting for promotion to complete\.{3}\nFetching release info\.{3}\nRunning release command\.{3}\n/m,
    )
    t.match(promoted, /Promotion successful\nshop-staging: succeeded\n$/)
    await served('shop-staging', 'two')
    const halves = await heroku('pipelines:promote -a shop-staging')
    t.match(halves, /Promotion to some apps failed/)
    t.match(sorted(halves), /shop-eu: succeeded\nshop-us: failed\n +The release command failed\.\nexit 1\n$/)
    await served('shop-eu', 'two')
    t.equal((await platform.get('shop-us.localhost')).body, 'one\n')
  },
)

await t.test('what cannot be promoted, compared or offered is refused in words', async (t) => {
  const flat = async (line: string): Promise<string> => (await heroku(line)).replaceAll(/[\s›▸]+/g, ' ')
  const [top, self, out, diff] = await Promise.all([
    flat('pipelines:promote -a shop-eu'),
    flat('pipelines:promote -a shop-eu --to shop-eu'),
    flat('pipelines:promote -a shop-eu --to nope'),
    flat('pipelines:diff -a shop-staging'),
  ])
  t.match(top, /Cannot promote shop-eu from 'production' stage/)
  t.match(self, /Cannot promote from an app to itself: shop-eu\./)
  t.match(out, /Cannot find app/)
  t.match(diff, /shop-staging does not seem to be connected to GitHub!/)
  t.match(await flat('pipelines:info nope'), /Pipeline not found/)
})

await t.test(
  'a promotion ends, and each target has it once, though the host dies in its middle',
  async (t) => {
    const slow = 'echo slow; sleep 3'
    const version = await releaseFiles(platform, 'shop-dev', page('three'), {
      ...web,
      process_types: { ...web.process_types, release: slow },
    })
    const [pipeline] = await api('GET', '/pipelines?eq[name]=shop')
    const ids = Object.fromEntries(
      await Promise.all(apps.map(async (name) => [name, (await api('GET', `/apps/${name}`)).id])),
    )
    const promotion = await api('POST', '/pipeline-promotions', {
      pipeline: { id: pipeline.id },
      source: { app: { id: ids['shop-dev'] } },
      targets: [{ app: { id: ids['shop-eu'] } }, { app: { id: ids['shop-staging'] } }],
    })
    await platform.kill()
    await platform.restart()
    const ended = await until(
      async () => {
        const now = await api('GET', `/pipeline-promotions/${promotion.id}`)
        return now.status === 'completed' && now
      },
      { what: 'the end of the promotion', timeoutMs: 90_000 },
    )
    const targets = await api('GET', `/pipeline-promotions/${ended.id}/promotion-targets`)
    for (const { app, release, status, error_message } of targets) {
      t.ok(status === 'succeeded' || /release command/.test(error_message), `${status} ${error_message}`)
      const made = (await api('GET', `/apps/${app.id}/releases`)).filter(
        ({ description }: { description: string }) => description.startsWith(`Promote shop-dev v${version} `),
      )
      t.same(
        made.map(({ id }: { id: string }) => id),
        [release.id],
      )
    }
  },
)

await t.test(
  'a renamed app stays, a destroyed one leaves, and a pipeline goes without its apps',
  async (t) => {
    await api('PATCH', '/apps/shop-us', { name: 'shop-ca' })
    await api('DELETE', '/apps/shop-eu')
    t.equal(await heroku('pipelines:rename shop store'), 'Renaming shop pipeline to store... done\n')
    t.equal(await heroku('pipelines:remove -a shop-dev'), 'Removing shop-dev... done\n')
    const info = await heroku('pipelines:info store')
    t.match(info, /shop-staging +staging\n +shop-ca +production\n$/)
    t.notMatch(info, /shop-(?:eu|us|dev)/)
    t.equal(await heroku('pipelines:destroy store'), 'Destroying store pipeline... done\n')
    t.match(await heroku('pipelines:update -a shop-ca -s staging'), /Couldn't find that pipeline coupling/)
    t.equal(
      await heroku('pipelines:create store -a shop-ca -s production'),
      'Creating store pipeline... done\nAdding shop-ca to store pipeline as production... done\n',
    )
  },
)
