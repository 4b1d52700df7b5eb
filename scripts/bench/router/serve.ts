/**
 * Our side of the router's bench: `serve.ts PORT TLS_PORT ORIGIN DIR CERTIFICATE` is a shard's whole job
 * but for the bus. Requests are looked up in the shard's own route table and chosen for, counted against its
 * limits, and their lines go through the shard's own access log in batches that are packed as messages are,
 * here into a file.
 */
import { openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { createAccessLog } from '../../../actors/router/access-log.ts'
import { createRouteTable, routeTableLimits } from '../../../actors/router/route-table.ts'
import { createProxy } from '../../../src/proxy/proxy.ts'
import { encode } from '../../../src/runtime/codec.ts'

const flushEveryMs = 100
/** Other apps in the table beside the one that is asked for. */
const otherApps = 9_999

async function serve([port, tlsPort, origin]: readonly number[], dir: string, certificate: string) {
  const table = createRouteTable({
    appDomain: 'localhost',
    standpoint: { host: 'h1', hostState: () => undefined, zoneOf: () => undefined },
    used: () => undefined,
    holderOf: async () => undefined,
    routeOf: async () => undefined,
    now: () => performance.now(),
    after: (ms, run) => {
      const timer = setTimeout(run, ms)
      return () => clearTimeout(timer)
    },
    limits: routeTableLimits,
  })
  for (let i = 0; i <= otherApps; i += 1) {
    const asked = i === 0
    table.update({
      appId: `app-${i}`,
      appName: `app-${i}`,
      version: 1,
      maintenance: false,
      gone: false,
      hostnames: asked ? ['127.0.0.1'] : [],
      web: 'up',
      targets: [1, 2].map((number) => ({
        runId: `run-${i}-${number}`,
        dyno: `web.${number}`,
        address: '127.0.0.1',
        port: origin ?? 0,
        outer: null,
        epoch: 1,
        host: 'h1',
      })),
    })
  }
  const file = openSync(join(dir, 'ours-access.log'), 'a')
  const accessLog = createAccessLog(
    'bench',
    () => performance.timeOrigin + performance.now(),
    async (appId, part) => {
      writeSync(file, encode({ appId, ...part }))
    },
  )
  setInterval(() => accessLog.flush(), flushEveryMs)
  const proxy = createProxy({
    resolve: (host) => table.resolve(host),
    onDone: (record) => accessLog.add(record),
    limits: { requestsPerConnectionMax: 1_000_000_000 },
  })
  await proxy.listen({ port: port ?? 0, host: '127.0.0.1' })
  const pem = readFileSync(certificate, 'utf8')
  const context = createSecureContext({ cert: pem, key: pem })
  await proxy.listen({
    port: tlsPort ?? 0,
    host: '127.0.0.1',
    tls: {
      contextFor: () => context,
      fallback: () => ({ certificate: pem, key: pem }),
      onFallback: () => () => undefined,
    },
  })
}

const [port, tlsPort, origin, dir = '', certificate = ''] = process.argv.slice(2)
await serve([port, tlsPort, origin].map(Number), dir, certificate)
