/** S9: more connections than a shard may have files open: the bound of the machine, not of the router. */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import t from 'tap'
import { ok, Peer, startTarget } from '../kit/proxy.ts'
import { startRouterHost } from '../kit/router-host.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const room = 60
const flood = 300

t.test(
  'a shard that may open no more files serves those that are there, and others when there is room',
  async (t) => {
    const target = await startTarget((peer) =>
      peer.socket.on('data', () => {
        if (!peer.text.endsWith('\r\n\r\n')) return
        peer.text = ''
        peer.send(ok())
      }),
    )
    t.teardown(target.close)
    const router = await startRouterHost(t, { MANIFOLD_ROUTER_SHARDS: '1' })
    const host = await router.app(1, { dynos: [{ port: target.port }] })
    const pid = router.shards()[0]?.pid ?? 0
    const open = (): Peer => {
      const peer = new Peer(connect({ port: router.port, host: '127.0.0.1' }))
      t.teardown(() => void peer.socket.destroy())
      return peer
    }
    const served = async (peer: Peer): Promise<void> => {
      peer.text = ''
      peer.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      await peer.sees('hi')
    }
    const early = Array.from({ length: 5 }, open)
    for (const peer of early) await served(peer)

    const files = readdirSync(`/proc/${pid}/fd`).length
    execFileSync('prlimit', ['--pid', String(pid), `--nofile=${files + room}`])
    const late = Array.from({ length: flood }, open)
    // Some are served, some too many are closed; which of them is the kernel's affair.
    await until(() => late.filter(({ closed }) => closed).length > flood / 2, {
      what: 'those too many to go',
    })
    for (const peer of early) await served(peer)

    for (const peer of late) peer.socket.destroy()
    await until(
      async () => {
        const peer = open()
        await until(() => peer.closed || peer.socket.readyState === 'open', { what: 'a connection' })
        peer.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
        await until(() => peer.closed || peer.text.includes('hi'), { what: 'an answer' })
        return !peer.closed
      },
      { what: 'a new connection to be served' },
    )
    t.equal(router.shards()[0]?.pid, pid, 'it is the same process')
  },
)
