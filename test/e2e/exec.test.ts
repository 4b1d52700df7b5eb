/**
 * Into a running dyno with the stock heroku CLI: run:inside.
 */
import { join } from 'node:path'
import t from 'tap'
import { commitApp, webApp, writeApp } from '../kit/apps.ts'
import { startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

t.setTimeout(600_000)
const app = 'inner'
const platform = await startPlatform()
t.teardown(() => platform.dispose())
const folder = join(platform.user, app)
const { heroku } = platform
const inApp = { cwd: folder }

writeApp(folder, webApp(app))
await commitApp(platform, folder, 'first')
await heroku(['create', app], inApp)
await platform.git(['push', 'heroku', 'main'], { ...inApp, timeoutMs: 180_000 })
await until(async () => (await platform.get(`${app}.localhost`)).status === 200, {
  what: 'the first answer',
  timeoutMs: 60_000,
})
await heroku(['config:set', 'GREETING=hej'], inApp)

await t.test(
  'heroku run:inside runs a command in the dyno that runs, and gives its exit status',
  async (t) => {
    const ran = await heroku(
      ['run:inside', '--exit-code', 'web.1', 'echo $DYNO $GREETING; cat /proc/1/comm; exit 7'],
      inApp,
    )
    t.equal(ran.code, 7, ran.stderr)
    t.match(ran.stdout, /web\.1 hej\n/)
    const gone = await heroku(['run:inside', 'web.9', 'true'], inApp)
    t.match(gone.stderr, /Couldn't find that dyno/)
  },
)
