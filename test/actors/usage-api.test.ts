/** What dynos cost, as it is asked for: by the API, the operator's command, and the stock `heroku ps`. */
import t, { type Test } from 'tap'
import { performUsage } from '../../actors/effects/perform/usage.ts'
import { formationFormat } from '../../actors/formation/kept.ts'
import { formed } from '../../actors/formation/record.ts'
import { dayOf, dayText, monthOf } from '../../actors/usage/days.ts'
import type { Spent } from '../../actors/protocols/usage.ts'
import { noReminders, recordKey } from '../../src/runtime/record.ts'
import { deployed, type Json } from '../kit/api.ts'
import { openCli } from '../kit/cli.ts'

/** The CLI takes its time on a busy machine. */
t.setTimeout(300_000)

const hourMs = 3_600_000
const month = monthOf(dayOf(Date.now()))
/** Its first day is on record, whichever day it is today. */
const firstDay = dayOf(Date.parse(`${month}-01T00:00:00Z`))

const open = async (t: Test) => {
  const opened = await openCli(t)
  const { store } = opened
  return {
    ...opened,
    enter: async (appId: string, appName: string, spent: Spent): Promise<void> => {
      const over = [{ day: firstDay, days: 1, spent }]
      const performer = performUsage(store, Date.now)['usage.enter'] as (m: object) => Promise<void>
      await performer({ appId, appName, over })
    },
    /** Its formation's record: what is counted of today. */
    counted: async (appId: string, appName: string, today: Spent): Promise<void> => {
      const rows = today.map((row): [string, string, number] => [...row])
      const f = { ...formed(appName), meter: { at: Date.now(), today: rows, over: [] } }
      const bytes = formationFormat.encode(f, noReminders, 'w'.repeat(26), [])!
      await store.create(recordKey('formation', appId), bytes)
    },
  }
}

t.test(
  'the operator is told of a month by app, process type and size, also of apps that are gone',
  async (t) => {
    const { enter, counted, manifold, http, call, ...opened } = await open(t)
    const shop = await deployed({ ...opened, http, call }, 'shop')
    await counted(shop['id'], 'shop', [['web', 'Basic', 1_500]])
    if (firstDay === dayOf(Date.now())) t.comment(`on ${dayText(firstDay)} the day on record is today`)
    await enter(shop['id'], 'shop', [
      ['web', 'Basic', 2 * hourMs + 800],
      ['run', 'Eco', 900],
    ])
    await enter('11111111-0000-4000-8000-000000000000', 'old', [['worker', 'Standard-2X', hourMs / 2]])
    const { body } = await http('GET', '/usage')
    const web = firstDay === dayOf(Date.now()) ? 7200 : 7202
    t.match(body, {
      month,
      apps: [
        {
          app: { name: 'old' },
          destroyed: true,
          dynos: [{ type: 'worker', size: 'Standard-2X', seconds: 1800 }],
        },
        {
          app: { id: shop['id'], name: 'shop' },
          destroyed: false,
          dynos: [
            { type: 'run', size: 'Eco', seconds: 0 },
            { type: 'web', size: 'Basic', seconds: web },
          ],
        },
      ],
    })
    t.same((await call('usage.list', {})).json, body, 'over NATS the same')
    const namesOf = (answer: Json) => (answer['apps'] as Json[]).map((one) => one['app'].name as string)
    t.same(namesOf((await http('GET', '/usage?app=old')).body), ['old'])
    t.same(namesOf((await http('GET', `/usage?app=${shop['id']}`)).body), ['shop'])
    t.same((await http('GET', '/usage?month=2020-02')).body, { month: '2020-02', apps: [] })
    t.match((await http('GET', '/usage?month=2026-13')).body, {
      id: 'invalid_params',
      message: /like 2026-11/,
    })
    t.equal((await http('GET', '/usage?app=nothing')).status, 404)

    const { stdout, code } = await manifold('usage')
    t.equal(code, 0)
    const lines = stdout.trimEnd().split('\n')
    t.equal(lines[0], `Dynos in ${month}, UTC`)
    t.match(lines[1], /^APP +TYPE +SIZE +HOURS +SECONDS$/)
    t.match(lines[2], /^old \(destroyed\) +worker +Standard-2X +0.50 +1800$/)
    t.match(lines[4], new RegExp(`^shop +web +Basic +2.00 +${web}$`))
    t.match(lines[5], new RegExp(`^all +2.50 +${web + 1800}$`))
    const one = await manifold('usage', '--app', 'shop', '--month', month, '--json')
    t.match(JSON.parse(one.stdout), { month, apps: [{ app: { name: 'shop' } }] })
    t.match(await manifold('usage', '--month', 'May'), { code: 1, stderr: /Invalid month May/ })
  },
)

t.test('heroku ps speaks of Eco hours where the app is made of Eco dynos', async (t) => {
  const { enter, heroku, http, ...opened } = await open(t)
  const app = await deployed({ ...opened, http }, 'sleepy')
  const other = await deployed({ ...opened, http }, 'other')
  const before = await heroku('ps --app sleepy')
  t.match(before, { code: 0, stdout: /=== web/ })
  t.notMatch(before.stdout, /Eco dyno/, 'a Basic app has none')
  await http('PATCH', '/apps/sleepy/formation', { updates: [{ type: 'web', size: 'eco' }] })
  await enter(app['id'], 'sleepy', [['web', 'Eco', 15 * hourMs + 57 * 60_000]])
  await enter(other['id'], 'other', [
    ['web', 'Eco', hourMs],
    ['web', 'Basic', 500 * hourMs],
  ])
  const { body: account } = await http('GET', '/account')
  const { body: quota } = await http('GET', `/accounts/${account['id']}/actions/get-quota`)
  t.same(quota, {
    account_quota: 3_600_000,
    quota_used: 57_420 + 3600,
    apps: [
      { app_uuid: app['id'], quota_used: 57_420 },
      { app_uuid: other['id'], quota_used: 3600 },
    ],
  })
  t.equal((await http('GET', '/accounts/11111111-0000-4000-8000-000000000000/actions/get-quota')).status, 404)
  const { stdout } = await heroku('ps --app sleepy')
  t.match(stdout, /^Eco dyno hours quota remaining this month: 983h 3m \(98%\)$/m)
  t.match(stdout, /^Eco dyno usage for this app: 15h 57m \(1%\)$/m)
  t.match(stdout, /^=== web \(Eco\)/m)
})
