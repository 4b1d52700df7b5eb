/**
 * Real hosts on machines of their own, one of them without the control role: a bounded part of the chaos
 * scenarios (`npm run chaos` runs them whole), and then calls through the host that passes them on, while
 * those that answer them are killed.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import t from 'tap'
import { runScenario } from '../../scripts/chaos/run.ts'
import { apps, readingLoad, threeHosts, warmUp } from '../../scripts/chaos/scenarios/common.ts'
import type { Scenario } from '../../scripts/chaos/language.ts'
import { buildersOf } from '../../scripts/chaos/worlds/netns/builds.ts'
import { door, openSite, worldOn } from '../../scripts/chaos/worlds/netns/door.ts'
import { changesOf, groundOf, isClean, lookAt, outcomeOf, sendAll, settle } from '../kit/changes.ts'
import { until } from '../kit/until.ts'
import { userAt } from '../kit/user-at.ts'

t.setTimeout(500_000)

const passing = 'h4'
const app = 'beta'
const scenario: Scenario = {
  name: 'netns-short',
  what: 'A host that leads nothing loses power and comes back; then the leading process is killed.',
  worlds: ['netns'],
  hosts: [...threeHosts, { roles: ['router'] }],
  // One that serves, ticks and has a process that must never run twice: each more is one more push.
  apps: apps.slice(1),
  load: { ...readingLoad, clients: 2, pauseMs: 100 },
  timeline: [
    warmUp,
    { do: 'power-off', on: { the: 'bystander' } },
    { until: 'serving', withinMs: 30_000 },
    { do: 'start', on: { the: 'same' } },
    { do: 'kill', on: { the: 'placement-leader' } },
    { until: 'serving', withinMs: 30_000 },
    { do: 'start', on: { the: 'same' } },
  ],
  bounds: { servingMs: 30_000, settledMs: 90_000, detectionMs: 8_000, linesInFlightMax: 500 },
}

t.test('hosts on machines of their own', { skip: door.whyNot() ?? false }, async (t) => {
  const said: string[] = []
  const log = (line: string): void => void said.push(line)
  const site = await openSite(scenario, log)
  const { lab, cluster } = site
  t.teardown(lab.close)

  await t.test('what ran where a host died runs elsewhere', async (t) => {
    const { verdict } = await runScenario(scenario, worldOn(site), { seed: 1, log })
    if (verdict.violations.length > 0) t.comment(said.slice(-200).join('\n'))
    t.strictSame(verdict.violations, [], 'the checker finds every promise kept')
    t.ok(verdict.requests > 0, `${verdict.requests} requests`)
  })

  const host = cluster.host(passing)
  const user = userAt(lab, host)
  /** The control host that has the connections of the one that passes calls on. */
  const answering = (): Promise<string> =>
    until(
      () => {
        const { init = 0 } = lab.machine(passing) ?? {}
        const table = readFileSync(`/proc/${init}/net/tcp`, 'utf8')
        const names = cluster.control.filter((name) => table.includes(remote(lab.network.addressOf(name))))
        return names.length === 1 && names[0]
      },
      { what: 'one host that answers' },
    )

  await t.test('a host without the control role answers any call', async (t) => {
    const types = (await host.api().call('formation.list', { params: { app } })).map(({ type }) => type)
    // Pushed, scaled and looked at through this host, as everything of the scenario was.
    t.ok(types.includes('web'))
    const updates = types.map((type) => ({ type, quantity: 0 }))
    await host.api().call('formation.batch-update', { params: { app }, body: { updates } })

    const tail = await user.tail(app)
    let lines = ''
    tail.setEncoding('utf8').on('data', (text: string) => (lines += text))
    const sent = { method: 'PATCH', path: `/apps/${app}/config-vars`, body: { TOLD: '1' }, key: 'once' }
    const [first, again] = [await user.send(sent), await user.send(sent)]
    t.equal(first.status, 200)
    t.equal(again.body, first.body, 'a call that is sent again has the same answer')
    const releases = await host.api().call('releases.list', { params: { app } })
    const texts = releases.map(({ description }) => description)
    t.equal(texts.filter((text) => text === 'Set TOLD config vars').length, 1, 'and is made once')
    await until(() => lines.includes('Set TOLD config vars'), { what: 'the change in the tail' })
    tail.destroy()

    const run = await user.run(app, 'read word && echo "$TOLD $word"')
    let output = ''
    run.on('data', (chunk: Buffer) => (output += chunk.toString()))
    run.write('heard\n')
    await until(() => output.includes('1 heard'), { what: 'what a one-off dyno makes of its input' })
    if (!run.closed) await once(run, 'close')
  })

  await t.test(
    'the control hosts are killed in the middle of calls: each ends, and none is half done',
    async (t) => {
      for (const name of [...groundOf('one'), ...groundOf('two')])
        t.equal((await user.send({ method: 'POST', path: '/apps', body: { name } })).status, 201)
      const builders = buildersOf({ lab, cluster, apis: () => [passing], log })
      t.teardown(builders.close)
      const [tail, run] = [await user.tail(app), await user.run(app, 'cat')]
      const endings = [tail, run].map(endOf)
      const push = await builders.begin({ build: app, by: 'push', via: passing, seconds: 2 })
      const told = push.ended.then(
        () => true,
        () => false,
      )

      const victim = await answering()
      const kill = async (wave: string, names: readonly string[]) => {
        const changes = changesOf(wave)
        const calls = sendAll(user, changes)
        const reads = [1, 2, 3].map(() => user.send({ method: 'GET', path: '/apps' }))
        await Promise.race(calls)
        await Promise.all(names.map((name) => cluster.host(name).kill()))
        const outcomes = await Promise.all(calls)
        t.comment(`${names.join(' ')} killed: ${outcomes.join(' ')}`)
        const all = [...outcomes, ...(await Promise.all(reads)).map(outcomeOf)]
        t.strictSame(
          all.filter((outcome) => !isClean(outcome)),
          [],
          'each is told what became of it',
        )
        return { changes, outcomes }
      }
      const one = await kill('one', [victim])
      await Promise.all(endings)
      t.notOk(tail.complete, 'half a log is not ended as a whole one')
      await settle(t, user, one.changes, one.outcomes)
      await lookAt(t, user, 'one')

      const rest = cluster.control.filter((name) => name !== victim)
      const two = await kill('two', rest)
      const isReleased = await told
      for (const [method, path, body] of [
        ['GET', '/apps'],
        ['POST', '/apps', { name: 'never' }],
      ] as const) {
        const answer = await user.send({ method, path, body })
        t.equal(outcomeOf(answer), 'undone', 'nobody is there to answer, and that is told')
      }
      // The first one stays away.
      await Promise.all(rest.map((name) => cluster.host(name).start()))
      await settle(t, user, two.changes, two.outcomes)
      await lookAt(t, user, 'two')
      t.equal((await user.send({ method: 'GET', path: '/apps/never' })).status, 404)
      const builds = await until(
        async () => {
          const found = await builders.builds(app)
          return found.every(({ status }) => status !== 'pending') && found
        },
        { what: 'the end of every build' },
      )
      const mine = builds.find(({ version }) => version === push.version)
      t.ok(mine !== undefined || !isReleased, 'a push that was told to be there is on record')
      t.ok(
        builds.every(({ status, isReleased: there }) => there === (status === 'succeeded')),
        'what was built is released, and nothing else',
      )
      if (isReleased) t.equal(mine?.status, 'succeeded')
    },
  )

  await t.test('a host whose port is not that of those it passes calls on to does not start', async (t) => {
    await host.kill()
    const line =
      /^manifold could not start: MANIFOLD_PORT=5001 cannot be used: .* set MANIFOLD_PORT=5000 here too$/m
    await t.rejects(host.start({ MANIFOLD_PORT: '5001' }), line)
  })
})

/** Resolves when nothing more comes of it, however it ended. */
const endOf = (stream: Readable): Promise<void> =>
  new Promise((resolve) => {
    stream
      .on('error', () => undefined)
      .once('close', resolve)
      .resume()
  })

/** An established connection there, to the first cluster port, as Linux shows it. */
const remote = (address: string): string => {
  const hex = (value: number, digits: number): string =>
    value.toString(16).toUpperCase().padStart(digits, '0')
  const bytes = address.split('.').map((part) => hex(Number(part), 2))
  return ` ${bytes.toReversed().join('')}:${hex(5_100, 4)} 01 `
}
