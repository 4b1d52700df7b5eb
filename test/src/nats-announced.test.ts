/** Servers of an external bus, as they announce each other: real ones, without any configuration of ours. */
import { spawn } from 'node:child_process'
import t, { type Test } from 'tap'
import { connect } from '../../src/nats/connection.ts'
import { natsServer } from '../kit/bus.ts'
import { freePorts } from '../kit/ports.ts'
import { until } from '../kit/until.ts'

const startNats = (t: Test, port: number, routePort: number, route: number): void => {
  const args = ['-a', '127.0.0.1', '-p', String(port), '--cluster_name', 'external']
  const cluster = ['--cluster', `nats://127.0.0.1:${routePort}`, '--routes', `nats://127.0.0.1:${route}`]
  const child = spawn(natsServer, [...args, ...cluster], { stdio: 'ignore', env: {} })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  t.teardown(async () => {
    child.kill('SIGTERM')
    await gone
  })
}

t.test('a server that joins an external bus is announced to who is connected', async (t) => {
  const [one, two, oneRoute, twoRoute] = (await freePorts(4)) as [number, number, number, number]
  startNats(t, one, oneRoute, twoRoute)
  const connection = await connect({ urls: [`nats://127.0.0.1:${one}`], host: 'h' })
  t.teardown(() => connection.close(200))
  t.notOk(connection.announced().some((listen) => listen.endsWith(`:${two}`)))
  startNats(t, two, twoRoute, oneRoute)
  await until(() => connection.announced().includes(`127.0.0.1:${two}`), { what: 'the second server' })
})
