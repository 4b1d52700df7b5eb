/**
 * An operator's buildpack on a whole platform: set by the name that the registry gives it, fed by the build
 * mirror, and with wishes for the first deploy.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { noContainers } from '../kit/containers.ts'
import { files, scratch } from '../kit/files.ts'
import { shell } from '../kit/builds.ts'
import { startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

/** What was pushed to, without git's mark before each line and its blanks behind. */
const plain = (text: string): string => text.replaceAll(/^remote: ?| +$/gm, '')

t.test('a buildpack of the registry builds with the mirror', { skip: noContainers() ?? false }, async (t) => {
  const mirror = await files(join(await scratch(t), 'mirror'), { 'tools.example/web.sh': 'serve "$1"\n' })
  const platform = await startPlatform({ MANIFOLD_BUILD_MIRROR: mirror })
  t.teardown(() => platform.dispose())
  await files(join(platform.home, 'registry/acme/kit'), {
    'bin/detect*': shell('[ -f "$1/kit.txt" ] && echo Kit'),
    'bin/compile*': shell('echo "-----> fetched: $(curl -fsS https://tools.example/web.sh)"'),
    'bin/release*': shell(`cat <<'YAML'
addons: [heroku-postgresql]
config_vars: { KIT_SECRET: made, KIT_MODE: default }
default_process_types: { web: 'python3 -m http.server $PORT' }
YAML`),
  })
  const app = join(platform.user, 'kit')
  mkdirSync(app)
  writeFileSync(join(app, 'kit.txt'), 'served\n')
  const ok = async (command: string): Promise<string> => {
    const { code, stdout, stderr } = await platform.sourced(command, { cwd: app, timeoutMs: 120_000 })
    if (code !== 0) throw new Error(`${command}: ${stdout}${stderr}`)
    return plain(stdout + stderr)
  }
  await ok('git init -q && git add -A && git commit -qm one && heroku create kit --buildpack acme/kit')
  await ok('heroku config:set KIT_MODE=mine')
  const pushed = await ok('git push heroku main')
  t.match(pushed, /Using buildpack: acme\/kit\n[^]*-----> Kit app detected\n[^]*-----> fetched: serve "\$1"/)
  t.match(pushed, 'The buildpack asks for add-ons, which are not offered here: heroku-postgresql')
  t.match(pushed, /Default types for buildpack -> web\n[^]*Released v5\n/)
  const releases = await ok('heroku releases --json')
  t.match(
    (JSON.parse(releases) as { version: number; description: string }[]).map((each) => each.description),
    [/^Deploy /, 'Set KIT_SECRET config vars', 'Set KIT_MODE config vars'],
  )
  t.match(JSON.parse(await ok('heroku config --json')), { KIT_SECRET: 'made', KIT_MODE: 'mine' })
  const served = await until(
    async () => {
      const { status, body } = await platform.get('kit.localhost', '/kit.txt')
      return status === 200 ? body : undefined
    },
    { timeoutMs: 60_000, what: 'the app to answer' },
  )
  t.equal(served, 'served\n')
})
