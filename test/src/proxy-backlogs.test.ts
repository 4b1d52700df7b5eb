/**
 * Requests that wait in the backlog of their dyno: seen by what the kernel tells of its listening socket, and
 * told apart from the time that the dyno itself takes.
 */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { formatAccessLine } from '../../src/proxy/access-line.ts'
import type { AccessRecord, Upstream } from '../../src/proxy/contract.ts'
import type { Backlog } from '../../src/proxy/backlogs.ts'
import { systemClock } from '../../src/proxy/contract.ts'
import { createProxy } from '../../src/proxy/proxy.ts'
import { openShardBacklogs } from '../../actors/main/shard-backlogs.ts'
import { systemClock as monotonic } from '../../src/system/clock.ts'
import { arrivedIn, placesIn, waitingIn } from '../../src/system/backlog.ts'
import { files, scratch } from '../kit/files.ts'
import { get, ok, routeTo, startProxy, startTarget, upstream } from '../kit/proxy.ts'
import { until } from '../kit/until.ts'

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
  const clients = [get('/one'), get('/two'), get('/three')].map((text) => world.client(text))
  await until(() => target.peers.filter(({ text }) => text.includes('\r\n\r\n')).length === 3, {
    what: 'three requests',
  })
  const answer = async (path: string): Promise<string> => {
    target.peers.find(({ text }) => text.includes(path))?.send(ok())
    return until(() => world.records.map(formatAccessLine).find((line) => line.includes(path)), {
      what: path,
    })
  }
  // Others were there before, and the dyno has taken the first of ours.
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
  await (await target.peer(3)).sees('/unknown')
  backlog.now = undefined
  for (const _ of [1, 2, 3, 4]) world.clock.advance(100)
  t.equal(asked.length, before + 2, 'and not again and again where it cannot be told')
  t.match(await answer('/unknown'), / dyno=web\.1 connect=0ms /)
})

/** Takes one connection, answers it after 300 ms, takes the next. */
const oneAtATime =
  'my $s = IO::Socket::INET->new(Listen => 64, LocalAddr => "10.231.7.2", LocalPort => 5000, ReuseAddr => 1);' +
  'while (my $c = $s->accept) { while (<$c>) { last if /^\\r?\\n$/ } select(undef, undef, undef, 0.3);' +
  'print $c "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok"; close $c }'

t.test(
  'the queue before a dyno that serves one request at a time is told apart from its own time',
  { skip: process.getuid?.() === 0 ? false : 'a network namespace needs root' },
  async (t) => {
    const name = `mftest${process.pid}`
    const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' })
    ip('netns', 'add', name)
    t.teardown(() => ip('netns', 'del', name))
    ip('link', 'add', `${name}a`.slice(-15), 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
    t.teardown(() => execFile('ip', ['link', 'del', `${name}a`.slice(-15)], () => undefined))
    ip('addr', 'add', '10.231.7.1/30', 'dev', `${name}a`.slice(-15))
    ip('link', 'set', `${name}a`.slice(-15), 'up')
    ip('-n', name, 'addr', 'add', '10.231.7.2/30', 'dev', 'eth0')
    ip('-n', name, 'link', 'set', 'eth0', 'up')
    const dyno = spawn('ip', ['netns', 'exec', name, 'perl', '-MIO::Socket::INET', '-e', oneAtATime], {
      stdio: 'inherit',
    })
    t.teardown(() => dyno.kill('SIGKILL'))
    const inside = ['netns', 'exec', name, 'grep', '-c', ':1388 .* 0A ', '/proc/self/net/tcp']
    await until(async () => (await promisify(execFile)('ip', inside)).stdout.trim() === '1', {
      what: 'the dyno to listen',
    })
    const folder = await scratch(t)
    const record = { id: 'd1', labels: {}, attached: false, network: 'own', index: 1, expose: 5000 }
    const running = { hostname: 'd1', startedAtMs: 1, paths: {}, address: '10.231.7.2', pid: dyno.pid ?? 0 }
    await files(folder, { 'd1/record.json': JSON.stringify({ ...record, ...running }) })
    const records: AccessRecord[] = []
    const proxy = createProxy({
      clock: systemClock,
      resolve: () => ({
        kind: 'route',
        app: 'app',
        targets: [{ id: 'web.1', address: '10.231.7.2', port: 5000, epoch: 1 }],
        keepAlive: true,
      }),
      onDone: (record) => records.push(record),
      backlogOf: openShardBacklogs(folder, monotonic),
    })
    t.teardown(() => proxy.close())
    const { port } = await proxy.listen({ port: 0, host: '127.0.0.1' })
    const ask = (): Promise<Response> => fetch(`http://127.0.0.1:${port}/`)
    // The first time the dyno and its socket are still to be found.
    await ask()
    await Promise.all([1, 2, 3, 4, 5].map(ask))
    const [, ...of] = [...records].sort((a, b) => (a.serviceMs ?? 0) - (b.serviceMs ?? 0)).slice(-6)
    const told = of.map(({ queue, waitMs, serviceMs }) => ({
      queue: queue ?? 0,
      own: (serviceMs ?? 0) - (waitMs ?? 0),
    }))
    const last = of.at(-1) as AccessRecord
    const queues = told.map(({ queue }) => queue)
    t.same(
      queues,
      queues.toSorted((a, b) => a - b),
      formatAccessLine(last),
    )
    t.ok((last.queue ?? 0) > 0)
    for (const { own } of told) t.ok(own >= 250, `${own} ms of its own`)
    t.ok((last.waitMs ?? 0) > (last.serviceMs ?? 0) / 2, 'most of its time it waited')
  },
)
