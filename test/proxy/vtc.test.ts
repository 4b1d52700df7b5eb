/** Scripts of varnishtest, a client of other people, against the engine and a dyno of Node. */
import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { routeTo, startProxy } from '../kit/proxy.ts'

t.setTimeout(300_000)
const isHere = spawnSync('varnishtest', ['-h'], { stdio: 'ignore' }).error === undefined
const skip = isHere ? false : 'varnishtest is not installed here'
const folder = fileURLToPath(new URL('vtc/', import.meta.url))
const large = Buffer.alloc(1_000_000, 'x')

for (const script of readdirSync(folder)) {
  t.test(`varnishtest finds nothing to complain of: ${script}`, { skip }, async (t) => {
    const dyno = createServer((request, response) => {
      if (request.url === '/large') return void response.end(large)
      if (request.url === '/chunks') {
        response.write('one')
        response.write('two')
        return void response.end('three')
      }
      const parts: Buffer[] = []
      request.on('data', (bytes: Buffer) => parts.push(bytes))
      request.on('end', () => {
        response.setHeader('X-Target', request.url ?? '')
        response.setHeader('X-Method', request.method ?? '')
        response.end(Buffer.concat(parts))
      })
    })
    await new Promise<void>((resolve) => dyno.listen(0, '127.0.0.1', resolve))
    t.teardown(() => (dyno.closeAllConnections(), dyno.close()))
    const { port } = dyno.address() as AddressInfo
    const world = await startProxy(t, () => routeTo({ port }, { keepAlive: true }))
    const argv = ['-t', '30', `-Drouter=127.0.0.1:${world.port}`, `${folder}${script}`]
    const child = spawn('varnishtest', argv, { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said += String(bytes)))
    const code = await new Promise((resolve) => child.once('close', resolve))
    t.equal(code, 0, code === 0 ? 'passed' : said.slice(-4000))
  })
}
