/**
 * Every command of the stock CLI, on a whole platform with real containers: what each prints is pinned in
 * test/data/cli, and what each comes to is the README's table. After a change that is meant:
 * `node test/e2e/cli.test.ts --write`.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { issue, makeAuthority } from '../../src/certs/certificate.ts'
import { releaseFiles } from '../kit/apps.ts'
import { aside, elsewhere, groups } from '../kit/cli/cases.ts'
import { services } from '../kit/cli/services.ts'
import { withTable } from '../kit/cli/table.ts'
import { openHeroku, wordsOf, type Heroku } from '../kit/cli/runs.ts'
import { casesOf, faultsOf, rowsOf, transcript, type Row } from '../kit/cli/transcript.ts'
import { openNoOutside } from '../kit/no-outside.ts'
import { startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

// Three minutes of work on two idle cores at most; on busy ones it waits for its turn.
t.setTimeout(900_000)
const platform = await startPlatform()
t.teardown(() => platform.dispose())
const outside = await openNoOutside()
t.teardown(() => outside.close())
const { api } = platform
// Whether this machine has a docker or not.
writeFileSync(join(platform.user, 'bin/docker'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
const data = 'test/data/cli'
/** On a busy machine a clone takes its minute. */
const hangMs = 240_000
const rowsElsewhere = Object.keys(elsewhere).map((command): Row => ({
  command,
  verdict: 'works',
  remark: '',
}))
const env = {
  ...(await platform.userEnv()),
  ...outside.env,
  EDITOR: 'true',
  BROWSER: 'true',
  npm_config_fetch_retries: '0',
}
const web = { process_types: { web: 'cd www && python3 -m http.server $PORT' }, commit: '60883d9e8947' }
const names = 'shop conf certs-app conf-certs first second data-app hooks-app phased'
for (const name of names.split(' ')) await api('POST', '/apps', { name })
for (const name of ['shop', 'first']) await releaseFiles(platform, name, { 'www/index.html': 'hello\n' }, web)
const phased = { ...web, process_types: { ...web.process_types, release: 'echo migrated' } }
await releaseFiles(platform, 'phased', { 'www/index.html': 'hello\n' }, phased)
await until(async () => (await platform.dynoState('shop', 'web.1')) === 'up', { what: 'web.1 up' })
await api('POST', '/accounts', { email: 'friend@example.com' })
await api('POST', '/teams', { name: 'crew' })
await api('POST', '/teams/apps', { team: 'crew', name: 'crew-app' })
const pair = issue(
  { ...makeAuthority('test', Date.now(), 100), commonName: 'test' },
  ['www.example.org'],
  Date.now(),
  90,
)
const unknownId = '01234567-89ab-cdef-0123-456789abcdef'
const made = async (path: string, body: object, field = 'id'): Promise<string> =>
  (await api('POST', path, body))[field]
const known: Record<string, string> = {
  key: 'id.pub',
  authorization: await made('/oauth/authorizations', { description: 'a robot' }),
  client: await made('/oauth/clients', { name: 'ours', redirect_uri: 'https://ours.example.com/in' }),
  session: unknownId,
  cert: await made(
    '/apps/certs-app/sni-endpoints',
    { certificate_chain: pair.certificate, private_key: pair.key },
    'name',
  ),
  telemetry: await made('/telemetry-drains', {
    owner: { id: (await api('GET', '/apps/conf')).id, type: 'app' },
    signals: ['logs'],
    exporter: { type: 'otlphttp', endpoint: 'https://otlp.example.net' },
  }),
}
// A webhook with one delivery that was taken.
const receiver = createServer((request, response) => void request.resume().on('end', () => response.end()))
await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
t.teardown(() => receiver.close())
const hookUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/in`
const hook = { include: ['api:release'], level: 'notify', url: hookUrl }
known['webhook'] = await made('/apps/hooks-app/webhooks', hook)
await api('PATCH', '/apps/hooks-app/config-vars', { A: '1' })
const delivery = await until(
  async () => {
    const [first] = await api('GET', '/apps/hooks-app/webhook-deliveries')
    return first?.status === 'succeeded' && first
  },
  { what: 'a delivery' },
)
known['delivery'] = delivery.id
known['event'] = delivery.event.id
await api('POST', '/apps/certs-app/domains', { hostname: 'www.example.org', sni_endpoint: null })
const part = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
const publicKey = Buffer.concat([part(Buffer.from('ssh-ed25519')), part(Buffer.alloc(32, 7))]).toString(
  'base64',
)
const own = {
  heroku: realpathSync('node_modules/heroku'),
  receiver: hookUrl,
  cert: known['cert'] ?? '',
  home: platform.user,
  port: String(platform.port),
  'router-port': String(platform.routerPort),
}
const filled = (line: string): string =>
  line.replaceAll(/\{(\w+)\}/g, (_, name: string) => known[name] ?? name)
const isWriting = process.argv.includes('--write')
const rows: Row[] = []
/** What `commands --json` printed. */
let listing = ''
const inTurn = ['apps', 'account', 'config', 'addons', 'webhooks', 'certs', 'dynos', 'pipelines', 'itself']
const lanes = [inTurn, Object.keys(services)]

const play = async (t: Test, name: string, heroku: Heroku): Promise<void> => {
  const cases = casesOf(groups[name] ?? '')
  const cwd = join(platform.user, name)
  mkdirSync(cwd)
  execFileSync('git', ['init', '-q', cwd])
  const as = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com']
  execFileSync('git', [...as, '-C', cwd, 'commit', '-q', '--allow-empty', '-m', 'first'])
  writeFileSync(join(cwd, 'id.pub'), `ssh-ed25519 ${publicKey} ada@laptop\n`)
  writeFileSync(join(cwd, 'Procfile.once'), 'web: true\n')
  mkdirSync(join(cwd, 'plug'))
  const plugin = { name: 'plug', version: '1.0.0', oclif: { commands: './commands' } }
  writeFileSync(join(cwd, 'plug/package.json'), JSON.stringify(plugin))
  const runs = await Promise.all(cases.map(({ line }) => heroku.run(wordsOf(filled(line)), cwd)))
  const printed = transcript(cases, runs, own)
  t.same(faultsOf(cases, runs), [], 'none crashes or hangs')
  const file = join(data, `${name}.txt`)
  if (isWriting) writeFileSync(file, printed)
  t.equal(printed, readFileSync(file, 'utf8'), `${name}.txt`)
  rows.push(...rowsOf(cases, runs))
  listing ||= runs[cases.findIndex(({ line }) => line === 'commands --json')]?.stdout ?? ''
}

await t.test('each command prints what it is known to print, and none crashes or hangs', async (t) => {
  await Promise.all(
    lanes.map(async (lane) => {
      const heroku = openHeroku({ env, cwd: platform.user, timeoutMs: hangMs })
      for (const name of lane) await play(t, name, heroku)
      await heroku.close()
    }),
  )
})

await t.test('every command that the CLI lists is in the run, or is said to be elsewhere', (t) => {
  const listed = JSON.parse(listing) as readonly {
    readonly id: string
    readonly aliases: readonly string[]
  }[]
  const aliases = new Set(listed.flatMap(({ aliases }) => aliases))
  const known = new Set([
    ...rows.map(({ command }) => command),
    ...Object.keys(aside),
    ...Object.keys(elsewhere),
  ])
  t.same(
    listed.map(({ id }) => id).filter((id) => !aliases.has(id) && !known.has(id)),
    [],
  )
  for (const [command, file] of Object.entries(elsewhere))
    t.match(readFileSync(file, 'utf8'), `'${command}'`, `${command} is in ${file}`)
  t.end()
})

await t.test('the README says of each command what came of it', (t) => {
  const all = [...rows, ...rowsElsewhere].sort((a, b) => (a.command < b.command ? -1 : 1))
  const table = `${JSON.stringify(all, null, 2)}\n`
  if (isWriting) {
    writeFileSync(join(data, 'commands.json'), table)
    writeFileSync('README.md', withTable(readFileSync('README.md', 'utf8'), all))
  }
  t.equal(table, readFileSync(join(data, 'commands.json'), 'utf8'))
  const readme = readFileSync('README.md', 'utf8')
  t.equal(readme, withTable(readme, all))
  t.end()
})
