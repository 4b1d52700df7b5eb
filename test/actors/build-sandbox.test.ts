/** What a life of the host compiled when it ended is not compiled on in the next one. */
import t from 'tap'
import { containerSandbox, endSandboxes } from '../../actors/effects/perform/sandbox.ts'
import { makeBench } from '../kit/containers.ts'
import { until } from '../kit/until.ts'

t.test('a sandbox of a former life is ended, and dynos run on', async (t) => {
  const { driver, spec } = await makeBench(t, 'process')
  const { limits } = spec('x', '')
  const sandbox = containerSandbox({
    driver,
    on: { root: '/', layers: [] },
    limits,
    newId: () => 'build-1',
  })
  await driver.start(spec('dyno-1', 'sleep 300', { labels: { kind: 'dyno' } }))
  const job = { argv: ['sleep', '300'], cwd: '/', env: {}, mounts: [], onOutput: () => undefined }
  const compiled = sandbox({ ...job, timeoutMs: 60_000 }).catch((error: unknown) => error)
  const running = async (): Promise<readonly string[]> =>
    (await driver.list()).filter(({ state }) => state === 'running').map(({ id }) => id)
  await until(async () => (await running()).length === 2, { what: 'both to run' })
  await endSandboxes(driver)
  t.same(await running(), ['dyno-1'])
  await compiled
  await endSandboxes(driver)
})
