/**
 * Requests that wait in the backlog of their dyno: seen by what the kernel tells of its listening socket, and
 * told apart from the time that the dyno itself takes.
 */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import type { AccessRecord, Upstream } from '../../src/proxy/contract.ts'
import type { Backlog, Unread } from '../../src/proxy/backlogs.ts'
import { systemClock } from '../../src/proxy/contract.ts'
import { createProxy } from '../../src/proxy/proxy.ts'
import { openShardBacklogs } from '../../actors/main/shard-backlogs.ts'
import { systemClock as monotonic } from '../../src/system/clock.ts'
import { arrivedIn, placesIn, unreadIn, waitingIn } from '../../src/system/backlog.ts'
import { files, scratch } from '../kit/files.ts'
import { get, ok, routeTo, startProxy, startTarget, upstream } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

const head =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode        \n'
const rowOf = (at: number, port: string, state: string, queues: string): string =>
  `   ${at}: 00000000:${port} 00000000:0000 ${state} ${queues} 00:00000000 00000000     0        0 2697986 1 000000004820539e 100 0 0 10 0   \n`

t.test('the backlog of a port is found in what the kernel writes, and read no further', async (t) => {
  const text =
    head + rowOf(0, '0016', '0A', '00000000:00000001') + rowOf(1, '1388', '0A', '00000000:0000000C')
  const rest = rowOf(2, '1388', '01', '00000000:00000007')
  const [place, ...more] = placesIn('tcp', text + rest, 5000)
  t.same(more, [])
  t.equal(place?.file, 'tcp')
  const start = text.slice(0, place?.bytes)
  t.match(start, /1388 .* 00000000:0000000C$/)
  t.equal(waitingIn(start, 5000), 12)
  t.equal(waitingIn(start, 5001), undefined, 'another socket is there by now')
  t.equal(waitingIn(start.replace('0A 00000000:0000000C', '01 00000000:0000000C'), 5000), undefined)
  t.same(placesIn('tcp', text, 80), [])
  t.equal(placesIn('tcp', text + rowOf(3, '1388', '0A', '00000000:00000000'), 5000).length, 2)
  const v6 = '  1: 0000000000000000FFFF000001E70A0A:1388 0000000000000000FFFF000002E70A0A:AFBF'
  const known = [
    rowOf(1, '1388', '01', '00000000:00000007').replace('00000000:0000', '0100007F:1F90'),
    rowOf(2, '1388', '01', '00000000:00000000').replace('00000000:0000', '0100007F:1F91'),
    rowOf(3, '1388', '08', '00000000:00000001').replace('00000000:0000', '0200007F:1F92'),
    rowOf(4, '1389', '01', '00000000:00000001').replace('00000000:0000', '0100007F:1F93'),
    `${v6} 01 00000000:00000050 00:00000000 00000000     0        0 1 1 0 20 4 30 10 -1\n`,
  ]
  t.same(
    [...unreadIn(text + known.join(''), 5000)],
    ['127.0.0.1:8080', '127.0.0.2:8082', '10.10.231.2:44991'],
  )
  const snmp = 'Ip: Forwarding\nIp: 1\nTcp: RtoMin ActiveOpens PassiveOpens InSegs\nTcp: 200 5 77 9\n'
  t.equal(arrivedIn(snmp), 77)
  t.equal(arrivedIn('Tcp: RtoMin\nTcp: 200\n'), undefined)
  t.equal(arrivedIn(''), undefined)
})

t.test('who waits in the backlog is said with the number before it and its time there', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const backlog: { now: Backlog | undefined } = { now: undefined }
  const asked: Upstream[] = []
  const backlogOf = (of: Upstream) => {
    asked.push(of)
    return backlog.now
  }
  const world = await startProxy(t, () => routeTo(target), {}, { backlogOf })
  // Others were there before, and the dyno has taken them.
  backlog.now = { arrived: 40, waiting: 0 }
  world.client(get('/zero'))
  await (await target.peer(0)).sees('/zero')
  world.clock.advance(100)
  t.same(asked.splice(0), [upstream(target.port)])
  const clients = [get('/one'), get('/two'), get('/three')].map((text) => world.client(text))
  await until(() => target.peers.filter(({ text }) => text.includes('\r\n\r\n')).length === 4, {
    what: 'three more requests',
  })
  const answer = async (path: string): Promise<string> => {
    target.peers.find(({ text }) => text.includes(path))?.send(ok())
    return until(() => world.records.map(formatAccessLine).find((line) => line.includes(path)), {
      what: path,
    })
  }
  t.match(await answer('/zero'), / dyno=web\.1 connect=0ms service=100ms /, 'nothing was known of it')
  // The dyno has taken the first of ours.
  backlog.now = { arrived: 43, waiting: 2 }
  world.clock.advance(100)
  t.same(asked, [upstream(target.port)], 'one question for all of a target')
  const one = await answer('/one')
  t.match(one, / dyno=web\.1 connect=0ms service=100ms /, 'Heroku its line where nobody waited')
  world.clock.advance(100)
  backlog.now = { arrived: 50, waiting: 8 }
  world.clock.advance(100)
  t.match(await answer('/two'), / dyno=web\.1 queue=0 wait=200ms connect=0ms service=300ms /)
  t.match(await answer('/three'), / dyno=web\.1 queue=1 wait=300ms connect=0ms service=300ms /)
  t.equal(clients.length, 3)
  const before = asked.length
  world.clock.advance(100)
  t.equal(asked.length, before, 'nobody is asked where nothing waits')
  world.client(get('/unknown'))
  await (await target.peer(4)).sees('/unknown')
  backlog.now = undefined
  for (const _ of [1, 2, 3, 4, 5, 6, 7]) world.clock.advance(100)
  t.equal(asked.length, before + 5, 'and not again and again where it cannot be told')
  t.match(await answer('/unknown'), / dyno=web\.1 connect=0ms /)
})

t.test('no wait is made up of connections that came later than ours', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const backlog: { now: Backlog } = { now: { arrived: 40, waiting: 0 } }
  const onResolve: { now: () => void } = { now: () => undefined }
  const resolve = () => {
    onResolve.now()
    return routeTo(target)
  }
  const world = await startProxy(t, resolve, {}, { backlogOf: () => backlog.now })
  const ask = async (path: string): Promise<string> => {
    world.client(get(path))
    await until(() => target.peers.some(({ text }) => text.includes(path)), { what: path })
    return path
  }
  const answer = async (path: string): Promise<string> => {
    target.peers.find(({ text }) => text.includes(path))?.send(ok())
    return until(() => world.records.map(formatAccessLine).find((line) => line.includes(path)), {
      what: path,
    })
  }
  const first = await ask('/first')
  world.clock.advance(100)
  // Of another shard: after ours, which is the 41st.
  const ours = await ask('/ours')
  backlog.now = { arrived: 42, waiting: 1 }
  world.clock.advance(100)
  t.match(await answer(ours), / dyno=web\.1 connect=0ms service=100ms /)
  // Of our own: it is there, and we have not heard of it yet. Behind it comes one more of another shard.
  onResolve.now = () =>
    setImmediate(() => {
      backlog.now = { arrived: 44, waiting: 2 }
      world.clock.advance(100)
    })
  const unheard = await ask('/unheard')
  await until(() => backlog.now.arrived === 44, { what: 'the look' })
  backlog.now = { arrived: 44, waiting: 1 }
  world.clock.advance(100)
  t.match(await answer(unheard), / dyno=web\.1 connect=\d+ms service=\d+ms /)
  t.match(await answer(first), / dyno=web\.1 connect=0ms /)
})

t.test('who waits on a connection that is taken already is seen by what was not read of it', async (t) => {
  const target = await startTarget()
  t.teardown(target.close)
  const backlog: { unread?: Unread } = {}
  const wanted: boolean[] = []
  const backlogOf = (_: Upstream, wantsUnread: boolean) => {
    wanted.push(wantsUnread)
    return { arrived: 1, waiting: 0, ...backlog }
  }
  const world = await startProxy(t, () => routeTo(target, { keepAlive: true }), {}, { backlogOf })
  const client = world.client(get('/one'))
  const peer = await target.peer(0)
  await peer.sees('/one')
  const end = `127.0.0.1:${peer.socket.remotePort}`
  const lineOf = (path: string): Promise<string> =>
    until(() => world.records.map(formatAccessLine).find((line) => line.includes(path)), { what: path })
  peer.send(ok())
  t.match(await lineOf('/one'), / dyno=web\.1 connect=0ms /)
  client.send(get('/two'))
  await peer.sees('/two')
  const beganMs = world.clock.nowMs()
  const passed = (ms: number, ends: readonly string[] = []): void => {
    backlog.unread = { atMs: beganMs + ms, ends: new Set(ends) }
    world.clock.advance(100)
  }
  passed(0, [end])
  t.same(wanted, [false], 'it is early yet, and what is known is of before')
  passed(150, [end, '127.0.0.1:1', '127.0.0.1:2'])
  passed(250, [end])
  t.same(wanted, [false, true, true])
  passed(350)
  passed(450, [end])
  t.equal(wanted.length, 4, 'once it was read nobody asks')
  peer.send(ok())
  t.match(await lineOf('/two'), / dyno=web\.1 queue=2 wait=250ms connect=0ms service=500ms /)
  client.send(get('/three'))
  await peer.sees('/three')
  world.clock.advance(100)
  peer.send(ok())
  t.match(await lineOf('/three'), / dyno=web\.1 connect=0ms /, 'and nothing is left of it for the next')
})

/** Takes one connection, answers it after 300 ms, takes the next. */
const oneConnection =
  'my $s = IO::Socket::INET->new(Listen => 64, LocalAddr => "10.231.7.2", LocalPort => 5000, ReuseAddr => 1);' +
  'while (my $c = $s->accept) { while (<$c>) { last if /^\\r?\\n$/ } select(undef, undef, undef, 0.3);' +
  'print $c "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok"; close $c }'
/** Keeps its connections, and does nothing else for 300 ms for each request. */
const oneRequest =
  'const wait = new Int32Array(new SharedArrayBuffer(4));' +
  "require('http').createServer((_, to) => { Atomics.wait(wait, 0, 0, 300); to.end('ok') }).listen(5001)"

/** A network of its own, with these programs in it. Their address is 10.231.7.2. */
const startInside = async (t: Test, programs: readonly (readonly string[])[]): Promise<number> => {
  const name = `mftest${process.pid}`
  const link = `${name}a`.slice(-15)
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' })
  ip('netns', 'add', name)
  t.teardown(() => ip('netns', 'del', name))
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  t.teardown(() => execFile('ip', ['link', 'del', link], () => undefined))
  ip('addr', 'add', '10.231.7.1/30', 'dev', link)
  ip('link', 'set', link, 'up')
  ip('-n', name, 'addr', 'add', '10.231.7.2/30', 'dev', 'eth0')
  ip('-n', name, 'link', 'set', 'eth0', 'up')
  const children = programs.map((argv) => {
    const env = { PATH: process.env['PATH'] ?? '' }
    const child = spawn('ip', ['netns', 'exec', name, ...argv], { stdio: 'inherit', env })
    t.teardown(() => child.kill('SIGKILL'))
    return child
  })
  const listening = [
    'netns',
    'exec',
    name,
    'grep',
    '-hc',
    ':138[89] .* 0A ',
    '/proc/self/net/tcp',
    '/proc/self/net/tcp6',
  ]
  await until(async () => (await promisify(execFile)('ip', listening)).stdout === '1\n1\n', {
    what: 'both to listen',
  })
  return children[0]?.pid ?? 0
}

t.test(
  'the queue before a dyno that serves one request at a time is told apart from its own time',
  { skip: process.getuid?.() === 0 ? false : 'a network namespace needs root' },
  async (t) => {
    const pid = await startInside(t, [
      ['perl', '-MIO::Socket::INET', '-e', oneConnection],
      [process.execPath, '-e', oneRequest],
    ])
    const folder = await scratch(t)
    const record = { id: 'd1', labels: {}, attached: false, network: 'own', index: 1, hostname: 'd1', pid }
    const running = { ...record, startedAtMs: 1, paths: {}, address: '10.231.7.2' }
    await files(folder, { 'd1/record.json': JSON.stringify(running) })
    const records: AccessRecord[] = []
    const backlogOf = openShardBacklogs(folder, monotonic)
    const found = new Set<number>()
    const proxy = createProxy({
      clock: systemClock,
      resolve: (host) => ({
        kind: 'route',
        app: host,
        targets: [{ id: host, address: '10.231.7.2', port: host === '127.0.0.1' ? 5000 : 5001, epoch: 1 }],
        keepAlive: true,
      }),
      onDone: (done) => records.push(done),
      backlogOf: (of, wantsUnread) => {
        const backlog = backlogOf(of, wantsUnread)
        if (backlog !== undefined) found.add(of.port)
        return backlog
      },
    })
    t.teardown(() => proxy.close())
    const { port } = await proxy.listen({ port: 0, host: '127.0.0.1' })
    /** So many requests at once. @returns what became of them, the quickest first */
    const ask = async (host: string, count: number): Promise<readonly AccessRecord[]> => {
      const before = records.length
      await Promise.all(Array.from({ length: count }, () => fetch(`http://${host}:${port}/`)))
      return records.slice(before).sort((a, b) => (a.serviceMs ?? 0) - (b.serviceMs ?? 0))
    }
    /** How much of a wait is seen depends on when it is looked for. Never is it more than there was. */
    const toldApart = (host: string, isSeen: (of: readonly AccessRecord[]) => boolean) =>
      until(
        async () => {
          const of = await ask(host, 8)
          for (const { serviceMs, waitMs } of of) {
            const ownMs = (serviceMs ?? 0) - (waitMs ?? 0)
            t.ok(ownMs >= 250, `${ownMs} ms of its own`)
          }
          const last = of.at(-1) as AccessRecord
          // Most of its time it waited.
          return (last.queue ?? 0) > 0 && (last.waitMs ?? 0) > (last.serviceMs ?? 0) / 2 && isSeen(of)
        },
        { what: `eight in a queue at ${host}`, timeoutMs: 60_000 },
      )
    const areFound = async (host: string, targetPort: number) =>
      until(async () => (await ask(host, 1)).length === 1 && found.has(targetPort), {
        what: `the dyno and its socket at ${targetPort}`,
        timeoutMs: 60_000,
      })

    await areFound('127.0.0.1', 5000)
    await toldApart('127.0.0.1', (of) => {
      const queues = of.map(({ queue }) => queue ?? 0)
      return queues.every((queue, at) => queue >= (queues[at - 1] ?? 0))
    })
    await areFound('localhost', 5001)
    // The first time all connections are new, the second time they are kept.
    await ask('localhost', 8)
    await toldApart('localhost', () => true)
  },
)
