/** A backup or restore that takes long says how far it is, to the operator's command and to nobody else. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { ClusterOperator, Progress } from '../../actors/api/cluster.ts'
import { openClient } from '../../bin/client.ts'
import { shown } from '../../bin/progress.ts'
import { apiToken, openApi } from '../kit/api.ts'
import { scratch } from '../kit/files.ts'
import { openOperator } from '../kit/operator.ts'
import { until } from '../kit/until.ts'

/** An API whose backups and restores stand half way until `goOn`. */
const open = async (t: Test) => {
  const { operator } = await openOperator(t)
  const { promise: may, resolve: goOn } = Promise.withResolvers<void>()
  const state = { gone: false, restored: '' }
  const half = async (told?: Progress): Promise<void> => {
    told?.(1, 2)
    told?.(2, 2)
    await may
  }
  const cluster: ClusterOperator = {
    ...operator,
    async *backup(told, signal) {
      signal?.addEventListener('abort', () => (state.gone = true))
      await half(told)
      yield 'whole\n'
    },
    async restore(chunks, _force, told) {
      state.restored = await text(chunks as Readable)
      await half(told)
      return { written: 1, same: 0, left: 0 }
    },
  }
  const { api } = await openApi(t, { cluster })
  const home = await scratch(t)
  mkdirSync(home, { recursive: true })
  const env = { HEROKU_HOST: `http://127.0.0.1:${api.port}`, HEROKU_API_KEY: apiToken }
  writeFileSync(
    join(home, 'env'),
    Object.entries(env)
      .map(([name, value]) => `export ${name}='${value}'\n`)
      .join(''),
  )
  return { api, client: openClient(home), goOn, state }
}

t.test('the command shows how far the host is on its terminal, and clears the line', async (t) => {
  const { client, goOn, state } = await open(t)
  const terminal = Object.assign(new PassThrough(), { isTTY: true })
  let shows = ''
  terminal.on('data', (chunk: Buffer) => (shows += chunk.toString()))
  const down = new PassThrough()
  const backup = shown((told) => client.download('/cluster/backup', down, told), terminal)
  await until(() => shows !== '', { what: 'the first word of the host' })
  t.equal(shows, '\r\u{1b}[K1 of 2 records', 'once a second at most')
  shows = ''
  const restoring = shown(
    (told) => client.upload('/cluster/restore', Readable.from(['x', 'y']), told),
    terminal,
  )
  await until(() => shows !== '', { what: 'the first word of a restore' })
  t.match(shows, /1 of 2 records/)
  goOn()
  await backup
  t.equal(down.read()?.toString(), 'whole\n')
  t.strictSame(await restoring, { written: 1, same: 0, left: 0 })
  t.equal(state.restored, 'xy')
  t.match(shows, /\r\u{1b}\[K$/u)
})

t.test('who does not ask hears nothing before the answer, and may leave', async (t) => {
  const { api, goOn, state } = await open(t)
  const ask = (): { readonly socket: ReturnType<typeof connect>; readonly heard: () => string } => {
    const socket = connect(api.port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    let heard = ''
    socket.on('data', (chunk) => (heard += chunk.toString()))
    socket.write(`GET /cluster/backup HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${apiToken}\r\n\r\n`)
    return { socket, heard: () => heard }
  }
  const leaving = ask()
  await new Promise((done) => leaving.socket.once('connect', done))
  leaving.socket.end()
  leaving.socket.destroy()
  await until(() => state.gone, { what: 'the host to know that nobody waits' })
  const staying = ask()
  goOn()
  await until(() => staying.heard().includes('whole'), { what: 'the answer' })
  t.match(staying.heard(), /^HTTP\/1\.1 200 /)
})
