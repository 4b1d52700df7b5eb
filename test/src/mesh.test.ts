/** Processes of a host that speak to each other: who is there, who has gone, what was said when. */
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/system/clock.ts'
import { openMesh, type Mesh, type MeshOptions } from '../../src/system/mesh.ts'
import { scratch } from '../kit/files.ts'
import { until } from '../kit/until.ts'

const openOne = async (t: Test, folder: string, index: number, more: Partial<MeshOptions> = {}) => {
  const said: string[] = []
  const mesh: Mesh = await openMesh({
    folder,
    name: (other) => `${other}.sock`,
    index,
    count: 3,
    version: 1,
    clock: systemClock,
    joined: (peer) => {
      said.push(`+${peer}`)
      mesh?.send(peer, 'hello')
    },
    left: (peer) => said.push(`-${peer}`),
    heard: (peer, message) => said.push(`${peer} ${JSON.stringify(message)}`),
    ...more,
  })
  let isOpen = true
  const close = (): void => {
    if (isOpen) mesh.close()
    isOpen = false
  }
  t.teardown(close)
  return { ...mesh, close, said }
}

t.test(
  'each of them hears what every other says, in its order, and when it goes and comes back',
  async (t) => {
    // Longer than a socket's name may be.
    const folder = join(await scratch(t), 'x'.repeat(150))
    mkdirSync(folder)
    const [zero, one, two] = [
      await openOne(t, folder, 0),
      await openOne(t, folder, 1),
      await openOne(t, folder, 2),
    ]
    for (const { settled } of [zero, one, two]) await settled(5_000)
    t.same([...zero.said].sort(), ['+1', '+2', '1 "hello"', '2 "hello"'])
    const long = 'y'.repeat(100_000)
    for (const number of [1, 2, 3]) two.send(1, { number, long })
    await until(() => one.said.length === 7, { what: 'three messages' })
    t.same(
      one.said.slice(4).map((line) => line.slice(0, 14)),
      ['2 {"number":1,', '2 {"number":2,', '2 {"number":3,'],
    )
    one.close()
    await until(() => [zero, two].every(({ said }) => said.includes('-1')), { what: 'its end to be known' })
    zero.send(1, 'to nobody')
    const again = await openOne(t, folder, 1)
    await again.settled(5_000)
    t.same([...again.said].sort(), ['+0', '+2', '0 "hello"', '2 "hello"'])
    zero.send(1, 'back')
    await until(() => again.said.includes('0 "back"'), { what: 'what is said to its new life' })
  },
)

t.test('who does not belong is not let in, and nobody waits for it', async (t) => {
  const folder = await scratch(t)
  const zero = await openOne(t, folder, 0)
  await openOne(t, folder, 1, { count: 4 })
  await openOne(t, folder, 2, { version: 2 })
  const stranger = connect(join(folder, '0.sock'))
  t.teardown(() => stranger.destroy())
  stranger.on('error', () => undefined)
  stranger.resume().write('null\n')
  const loud = connect(join(folder, '0.sock'))
  t.teardown(() => loud.destroy())
  loud.on('error', () => undefined)
  loud.resume().write('GET / HTTP/1.1\r\n\r\n')
  await until(() => stranger.closed && loud.closed, { what: 'the end of a stranger' })
  await zero.settled(50)
  t.same(zero.said, [])
})
