/**
 * The life of dynos, end to end: the release phase, and what the CLI shows and changes of it, on a whole
 * platform with real containers.
 */
import { join } from 'node:path'
import type { EndpointInfo } from 'nats'
import t from 'tap'
import { apiClient } from '../../src/client/client.ts'
import { overHttp, type HttpCall } from '../../src/client/over-http.ts'
import { by } from '../kit/api.ts'
import { commitApp, writeApp } from '../kit/apps.ts'
import { joinBus, type BusKey, type Heard } from '../kit/bus-user.ts'
import { homeFile, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const platform = await startPlatform()
t.teardown(() => platform.dispose())
const folder = join(platform.user, 'phased')
const inApp = { cwd: folder }
const { heroku, git } = platform

const ok = async (args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await heroku(args, inApp)
  if (code !== 0) throw new Error(`heroku ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`)
  return stdout + stderr
}
const deploy = async (files: Readonly<Record<string, string>>): Promise<string> => {
  writeApp(folder, files)
  await commitApp(platform, folder, 'next')
  const { code, stderr } = await git(['push', 'heroku', 'main'], { ...inApp, timeoutMs: 120_000 })
  if (code !== 0) throw new Error(`git push: exit ${code}\n${stderr}`)
  return stderr
}
const logged = (pattern: RegExp): Promise<string> =>
  until(
    async () => {
      const text = await platform.logs('phased')
      return pattern.test(text) && text
    },
    { what: `${pattern} in the log`, timeoutMs: 60_000 },
  )
const served = (text: string): Promise<unknown> =>
  until(async () => (await platform.get('phased.localhost')).body.includes(text), {
    what: `"${text}" served`,
    timeoutMs: 60_000,
  })
/** As far as a release has come. */
const released = (version: number, status: string): Promise<unknown> =>
  until(async () => (await platform.api('GET', `/apps/phased/releases/${version}`))['status'] === status, {
    what: `v${version} ${status}`,
    timeoutMs: 60_000,
  })
/** Both in that order. */
const follows = (text: string, first: RegExp, second: RegExp): boolean => {
  const at = text.search(first)
  return at >= 0 && text.slice(at).search(second) > 0
}

await t.test('a release waits for its command, whose output is shown and kept', async (t) => {
  writeApp(folder, { Procfile: 'x' })
  await commitApp(platform, folder, 'first')
  await ok(['create', 'phased'])
  const pushed = await deploy({
    Procfile: 'web: cd www && python3 -m http.server $PORT\nrelease: bash migrate\n',
    'www/index.html': 'one\n',
    migrate: '#!/bin/bash\necho migrating in $DYNO; sleep 1; echo done with it\n',
  })
  const words = pushed.replaceAll(/^remote: ?/gm, '').replaceAll(/[ \t]+$/gm, '')
  t.match(words, / !     Release command declared: this new release will not be available until the command/)
  t.match(
    words,
    /Released v3\n.*\n\nVerifying deploy\.\.\. done\.\nRunning release command\.\.\.\n\nmigrating in release\.\d{4}\ndone with it\nWaiting for release\.\.\.\. done\.\n/,
  )
  await served('one')
  t.match(await ok(['releases:output', 'v3']), /^migrating in release\.\d{4}\ndone with it\n/)
  const log = await logged(/State changed from starting to up/)
  const release = 'heroku\\[release\\.\\d{4}\\]: '
  t.ok(follows(log, /app\[api\]: Running release v3 commands by user/, /`bash migrate` by user/))
  t.ok(follows(log, new RegExp(`${release}Process exited with status 0`), /Release v3 created by user/))
  t.ok(follows(log, new RegExp(`${release}State changed from up to complete`), /web\.1\]: Starting process/))
  t.match(await ok(['ps:scale']), /release=0:\w+ web=1:\w+/)
})

await t.test('a command that fails leaves the old release in place, and can be tried again', async (t) => {
  const failing = '#!/bin/bash\necho cannot; [ -n "$FIXED" ] || exit 2\n'
  const pushed = await deploy({ 'www/index.html': 'two\n', migrate: failing })
  t.match(pushed, /Waiting for release\.\.\.\. failed\./)
  t.match(await ok(['releases']), /v4\s+Deploy \w+ release command failed/)
  t.match(await logged(/Release v4 command failed by user/), /Process exited with status 2/)
  t.match((await platform.get('phased.localhost')).body, 'one', 'served as before')
  t.match((await heroku(['rollback', 'v4'], inApp)).stderr, /release command failed/)
  t.match(await ok(['releases:output', 'v4']), /^cannot\n/)
  const retried = await ok(['releases:retry'])
  t.match(retried, /cannot|done/)
  await released(5, 'failed')
  t.match(await ok(['releases']), /v5\s+Retry of v4\S* .*release command failed/)
  await ok(['config:set', 'FIXED=1'])
  await released(6, 'succeeded')
  const releases = await ok(['releases'])
  t.match(releases, /v6 /)
  t.notMatch(releases, /executing/)
  t.match(await ok(['config']), /FIXED: +1/)
  t.match((await platform.get('phased.localhost')).body, 'one', 'config of the code that holds')
})

await t.test('a dyno finds what its features promise, from the next restart on', async (t) => {
  await ok(['labs:enable', 'runtime-dyno-metadata'])
  await ok(['labs:enable', 'log-runtime-metrics'])
  t.match(await ok(['labs']), /\[\+\] log-runtime-metrics/)
  const env = await ok(['run', '--no-tty', '--', 'env | sort; cat /etc/heroku/dyno'])
  t.match(env, /^HEROKU_APP_NAME=phased\s/m)
  t.match(env, /^HEROKU_RELEASE_VERSION=v6\s/m)
  t.match(env, /^HEROKU_SLUG_COMMIT=[0-9a-f]{40}\s/m)
  t.match(env, /"dyno":\{"physical_id":"[0-9a-f-]{36}","size":"Basic","name":"run\.\d{4}"\}/)
  await ok(['ps:restart', 'web.1'])
  const sample = /heroku\[web\.1\]: source=web\.1 dyno=heroku\.\d+\.[0-9a-f-]{36} sample#/
  const log = await logged(new RegExp(`${sample.source}memory_total=`))
  t.match(log, new RegExp(`${sample.source}load_avg_1m=\\d+\\.\\d\\d`))
  t.match(log, /sample#memory_rss=[1-9]\d*\.\d\dMB .*sample#memory_quota=512\.00MB/)
})

await t.test('an Eco app that sleeps is shown idle, and the next request wakes it', async (t) => {
  await ok(['ps:type', 'web=eco'])
  const web = async (): Promise<{ id: string; state: string }> =>
    (await platform.api('GET', '/apps/phased/dynos')).find(({ name }: { name: string }) => name === 'web.1')
  const { id } = await web()
  await ok(['ps:stop', 'web.1'])
  await ok(['ps:wait'])
  const isNext = async (): Promise<boolean> => {
    const now = await web()
    return now.id !== id && now.state === 'up'
  }
  await until(isNext, { what: 'its next life', timeoutMs: 60_000 })
  t.match(await ok(['ps']), /web \(Eco\)[^\n]*\n+web\.1: up/, 'stopped, and started again')
  const slept = await platform.sourced(`${process.cwd()}/bin/manifold idle phased`)
  t.match(slept.stdout, /^phased sleeps until the next request$/m, slept.stderr)
  t.match(await ok(['ps']), /web\.1: idle/)
  await logged(/heroku\[web\.1\]: Idling[^]*State changed from up to down[^]*Process exited with status/)
  t.match(await platform.get('phased.localhost'), { status: 200, body: 'one\n' }, 'held until it was up')
  t.match(await logged(/Unidling/), /heroku\[web\.1\]: State changed from down to starting/)
  const basic = await platform.sourced(`${process.cwd()}/bin/manifold idle nosuchapp`)
  t.match(basic.stderr, /find that app/)
})

await t.test('a user of the bus works and hears as oneself, and nothing else, until the end', async (t) => {
  const user = { email: 'ann@example.com' }
  const ann = (await platform.api('POST', '/accounts', user)) as { id: string; token: string }
  const { id: appId } = (await platform.api('GET', '/apps/phased')) as { id: string }
  await platform.api('POST', '/apps/phased/collaborators', { user: user.email })
  const keyOf = async (token: string): Promise<BusKey> => {
    const exchange = async ({ path, ...call }: HttpCall) => {
      const answer = await fetch(`http://127.0.0.1:${platform.port}${path}`, call as RequestInit)
      const header = (name: string) => answer.headers.get(name) ?? undefined
      return { status: answer.status, text: await answer.text(), header }
    }
    return apiClient(overHttp(exchange, token)).call('account.create-bus-key')
  }
  const ca = homeFile(platform, 'keys/ca.pem')
  const of = { params: { app: 'phased' } }
  const first = await joinBus(await keyOf(ann.token), ca)
  const endpoints: EndpointInfo[] = []
  for await (const service of await first.client.services.client().info('manifold'))
    endpoints.push(...service.endpoints)
  const { metadata } = endpoints.find(({ name }) => name === 'formation_batch-update')!
  t.match(metadata, { http: 'PATCH /apps/:app/formation', request: /"updates"/ })

  const key = await keyOf(ann.token)
  t.equal(await first.client.closed().then(() => 'closed'), 'closed', 'the key before is none any more')
  const bus = await joinBus(key, ca)
  t.match(await bus.api.call('account.info'), user)
  t.match(await bus.api.call('apps.list'), [{ name: 'phased' }])
  await t.rejects(bus.api.call('hosts.list'), { code: 'forbidden' })

  const root = `${key.event_prefix}app.${appId}`
  const heard = await bus.follow(`${key.event_prefix}>`)
  const hears = (what: string): Promise<unknown> =>
    until(() => heard.some(({ subject }) => subject === `${root}.${what}`), { what, timeoutMs: 60_000 })
  await bus.api.call('config-vars.update', { ...of, body: { HEARD: '1' } })
  await hears('release.create')
  await bus.api.call('formation.update', {
    params: { app: 'phased', type: 'web' },
    body: { size: 'basic', quantity: 2 },
  })
  await hears('formation.update')
  await hears('dyno.create')
  await hears('dyno.update')
  const told = (range: string) => bus.api.call('webhook-events.list', { ...of, range })
  const [{ sequence: from }] = heard as [Heard]
  const kept = (await told(`seq ${from}..; max=1000`)) as readonly { readonly id: string }[]
  const ids = new Set(kept.map(({ id }) => id))
  t.ok(
    heard.every(({ id }) => ids.has(id)),
    'what was heard can be had again from its number on',
  )

  const forbidden = ['manifold.v1.api.apps.list', `manifold.v1.user.${by.id}.api.account.info`]
    .concat(['$JS.API.STREAM.NAMES', `$KV.manifold.app.${appId}`, `${root}.release.create`, '$SRV.STATS'])
    .concat(['manifold.v1.events.app.x.release.create', 'act.v1.manifold.x.x', 'history.00.x'])
  for (const subject of forbidden) bus.client.publish(subject, '{}')
  const unheard = ['>', '_USER.>', `_USER.${by.id}.>`, '_INBOX.>', '_HOST.>', 'manifold.v1.events.>'].concat([
    `manifold.v1.user.${by.id}.events.>`,
    'live.>',
    'manifold.v1.user.>',
  ])
  for (const subject of unheard) bus.client.subscribe(subject)
  await until(() => bus.refused.length === forbidden.length + unheard.length, {
    what: 'a refusal of each',
  })

  const operator = await joinBus((await platform.api('POST', '/account/bus-key')) as BusKey, ca)
  const all = await operator.follow('manifold.v1.events.>')
  await platform.api('DELETE', `/apps/phased/collaborators/${user.email}`)
  await released(7, 'succeeded')
  const before = heard.length
  await platform.api('PATCH', '/apps/phased/config-vars', { HEARD: null })
  const next = `manifold.v1.events.app.${appId}.release.create`
  await until(() => all.some(({ subject }) => subject === next), { what: 'the operator to hear it' })
  await t.rejects(bus.api.call('apps.info', of), { code: 'forbidden' })
  t.strictSame(heard.slice(before), [], 'who has lost the app hears no more of it')

  await platform.api('POST', `/accounts/${user.email}/actions/suspend`)
  t.equal(await bus.client.closed().then(() => 'closed'), 'closed')
  await t.rejects(joinBus(key, ca), { code: 'AUTHORIZATION_VIOLATION' })
  await operator.client.close()
})
