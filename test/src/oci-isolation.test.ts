/**
 * Isolation of containers, with the real runc: what one may not see, reach, use up or leave behind.
 */
import { execFileSync, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createConnection, createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'

import { bridgeName, homeHash, vethPrefix } from '../../src/oci/addresses.ts'
import { logStart } from '../../src/oci/driver.ts'
import { killAll } from '../../src/oci/signal.ts'
import { makeBench, noContainers, type Bench } from '../kit/containers.ts'
import { leftovers } from '../kit/leftovers.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const skip = noContainers() ?? false
/** What a state directory keeps for the next container: its addresses, and an empty disk to copy. */
const kept = ['disk-16777216.img', 'network.json']

t.test('a container has no rights on its machine', { skip }, async (t) => {
  const { run } = await makeBench(t, 'oci')
  const { code, out } = await run(
    'rights',
    `id -u; id -un; echo $(id -G); hostname; grep -c . /proc/self/status >/dev/null
     grep -E '^Cap(Prm|Eff|Bnd|Amb):' /proc/self/status | grep -vc 0000000000000000
     grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'
     touch /etc/x 2>&1 | grep -o 'Read-only file system'
     echo x >/proc/sys/kernel/hostname && echo wrote
     unshare -Ur true && echo unshared
     cat /proc/kcore | head -c1 | wc -c
     ps -A -o comm= | head -n1
     ls /dev | grep -v '^core$' | tr '\\n' ' '; echo
     echo $(find /dev -maxdepth 1 -type b -o -maxdepth 1 -type c 2>/dev/null | sort)
     echo $(grep core /proc/self/limits)
     cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null | sort -u
     for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; done
     stat -c %u /app/hello /tmp; ulimit -u; ulimit -n; pwd; nproc >/dev/null; exit 0`,
  )
  t.equal(code, 0)
  const uid = Number(out[0])
  t.ok(uid >= 100_000, `uid ${uid}`)
  const namespaces = out.filter((line) => /^\w+:\[\d+\]$/.test(line))
  t.equal(namespaces.length, 6)
  for (const name of namespaces) t.not(name, readlinkSync(`/proc/self/ns/${name.split(':')[0]}`), 'its own')
  t.same(out.filter((line) => !namespaces.includes(line)).slice(1), [
    `u${uid}`,
    String(uid),
    'test-runtime',
    '0',
    'NoNewPrivs:1',
    'Seccomp:2',
    'Read-only file system',
    '0',
    'init',
    'fd full init null ptmx pts random shm stderr stdin stdout tty urandom zero ',
    '/dev/full /dev/null /dev/random /dev/tty /dev/urandom /dev/zero',
    'Max core file size 1 1 bytes',
    String(128 * 2 ** 20),
    String(uid),
    String(uid),
    '64',
    '1024',
    '/app',
  ])
})

t.test('a container uses no more than its limits', { skip }, async (t) => {
  const { run } = await makeBench(t, 'oci')
  const oom = await run('memory', `perl -e '$x = "a" x (300 * 1024 * 1024); print "had it"'`)
  t.equal(oom.code, 137)
  t.equal(oom.oomKilled, true)
  t.same(oom.out, [])
  const bomb = `perl -e 'for (1..200) { defined($pid = fork) or die "$_: $!\\n"; $pid or sleep 60 }'`
  // Containers of other homes with the same user count too: those of tests beside this one.
  const stopped = /^([1-5]?\d|6[0-3]): Resource temporarily unavailable$/
  t.match((await run('pids', bomb)).err, [stopped], 'a fork bomb is stopped')
})

t.test('a container reaches the outside and neither its host nor another container', { skip }, async (t) => {
  const bench = await makeBench(t, 'oci')
  const { driver, spec } = bench
  const outside = await makeOutside(t)
  const server = await listen(t)
  const port = portOf(server)
  const serve = `from socket import *
try: one = create_server(("", 3456), family=AF_INET6, dualstack_ipv6=True)
except OSError: one = create_server(("", 3456))
while 1: one.accept()`
  const other = await driver.start(spec('other', `exec python3 -c '${serve}'`))
  await until(() => canConnect(other.address, 3456), { what: 'a connection from the host to a container' })
  const gateway = bridgeAddress(bench)
  const hosts = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ family, address }) => family === 'IPv4' && !address.startsWith('127.'))
    .map(({ address }) => address)
  t.ok(hosts.includes(gateway))
  // Addresses of version 6 that need no router: of the bridge, and of the other container.
  const attempts = [
    ...[...hosts, '127.0.0.1'].map((address) => [address, port] as const),
    [linkLocal('self', bridgeName(homeHash(bench.stateDir))), port] as const,
    [linkLocal(other.pid, 'eth0'), 3456] as const,
    [other.address, 3456] as const,
    ['169.254.169.254', outside.port] as const,
    [outside.address, outside.port] as const,
  ]
  const tries = attempts.map(([address, at]) => `(${connect(address, at)}) &`).join('\n')
  const { out } = await bench.run('reach', `${tries}\nwait`)
  t.same(out, [`${outside.address} open`], 'only the outside answers')
  t.equal(server.listenerCount('connection'), 1)
  t.equal(await countOf(server), 0, 'the host saw no connection')
  await driver.deny([outside.address, 'not.an.address'])
  const bus = [connect(outside.address, outside.port), connect(other.address, 3456)]
  t.same((await bench.run('denied', bus.join('\n'))).out, [], 'a server of the bus outside is denied')
  await driver.deny([])
  t.same((await bench.run('again', bus[0]!)).out, [`${outside.address} open`])
  const host = await bench.run('shared', connect('127.0.0.1', port), { network: 'host' })
  t.same(host.out, ['127.0.0.1 open'], 'with the network of the host it is another matter')
})

t.test('a second home has another network and cannot reach the first', { skip }, async (t) => {
  const [one, two] = [await makeBench(t, 'oci'), await makeBench(t, 'oci')]
  const server = await one.driver.start(one.spec('server', 'exec python3 -m http.server --bind 0.0.0.0 3456'))
  await until(() => canConnect(server.address, 3456), { what: 'the server' })
  t.same((await two.run('client', connect(server.address, 3456))).out, [])
  t.not(bridgeAddress(one), bridgeAddress(two))
})

t.test('the gateway of containers stays the same one, whoever comes and goes', { skip }, async (t) => {
  const bench = await makeBench(t, 'oci')
  const { driver, spec, stateDir } = bench
  const hash = homeHash(stateDir)
  const macOf = (name: string): string => readFileSync(`/sys/class/net/${name}/address`, 'utf8')
  await bench.run('first', 'true')
  const mac = macOf(bridgeName(hash))
  for (const id of ['one', 'two']) {
    await driver.start(spec(id, 'sleep 600'))
    const ports = readdirSync('/sys/class/net').filter((name) => name.startsWith(vethPrefix(hash)))
    t.equal(macOf(bridgeName(hash)), mac, 'containers know it by that')
    t.notOk(ports.map(macOf).includes(mac), 'it does not leave with one of them')
  }
  await driver.remove('one')
  t.equal(macOf(bridgeName(hash)), mac)
})

const sender = `exec python3 -c '
import socket
listener = socket.create_server(("0.0.0.0", 3456))
while True:
    client, _ = listener.accept()
    if client.recv(1): break
client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2000000)
client.sendall(b"x" * 1000000)
'`

t.test('what a container had sent when it ended reaches whoever reads it later', { skip }, async (t) => {
  const { driver, spec } = await makeBench(t, 'oci')
  const { address } = await driver.start(spec('sender', sender))
  await until(() => canConnect(address, 3456), { what: 'the sender' })
  const socket = createConnection(3456, address).pause()
  t.teardown(() => socket.destroy())
  socket.write('x')
  t.equal((await driver.wait('sender')).code, 0)
  await driver.remove('sender')
  t.same(await driver.list(), [])
  let bytes = 0
  for await (const piece of socket.resume()) bytes += (piece as Buffer).length
  t.equal(bytes, 1_000_000, 'and its end is seen')
})

t.test('addresses and user ids are not used again, also after a restart', { skip }, async (t) => {
  const { driver, spec, run, stateDir } = await makeBench(t, 'oci')
  const { address } = await driver.start(spec('one', 'true'))
  await driver.wait('one')
  await driver.remove('one')
  const next = await driver.start(spec('two', 'id -u; sleep 600'))
  t.not(next.address, address)
  const { openOciDriver } = await import('../../src/oci/oci.ts')
  const again = await openOciDriver({ stateDir, now: () => Date.now() })
  const third = await again.start(spec('three', 'true'))
  t.notOk([address, next.address].includes(third.address))
  await again.wait('three')
  await again.remove('three')
  again.close()
  t.equal((await run('four', 'true')).code, 0)
})

t.test('layers are copied where the file system knows no id-mapped mounts', { skip }, async (t) => {
  const { driver, run, slug, stateDir } = await makeBench(t, 'oci')
  const [other, upper, work] = ['other', 'upper', 'work'].map((name) => join(stateDir, '..', name))
  for (const path of [other, upper, work]) mkdirSync(path ?? '')
  const options = `lowerdir=${slug},upperdir=${upper},workdir=${work}`
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, other ?? ''])
  t.teardown(() => execFileSync('umount', [other ?? '']))
  const layers = [{ source: other ?? '', target: '/app', mode: 'overlay' as const }]
  const script = 'echo more >>hello; cat hello; chmod 600 bin/run; stat -c %u bin/run; id -u'
  const { out } = await run('copied', script, { layers })
  t.same(out.slice(0, 2), ['hello', 'more'])
  t.equal(out[2], out[3], 'its own user owns it')
  t.equal(readFileSync(join(slug, 'hello'), 'utf8'), 'hello\n')
  t.equal((await run('mapped', 'stat -c %u hello; id -u')).code, 0, 'others are mapped as before')
  t.same(await driver.list(), [])
})

t.test('removing containers leaves nothing of them', { skip }, async (t) => {
  const { driver, spec, run, stateDir } = await makeBench(t, 'oci')
  await run('ended', 'true')
  await driver.start(spec('busy', 'trap "" TERM; (setsid sleep 600 &) ; sleep 600'))
  const { pid } = (await driver.list())[0] ?? { pid: 0 }
  await driver.remove('busy')
  t.notOk(existsSync(`/proc/${pid}`))
  t.same(leftovers(stateDir), kept)
  t.same((await driver.sweep()).removed, [])
  await driver.teardown()
  t.notOk(existsSync(`/sys/class/net/${bridgeName(homeHash(stateDir))}`))
  t.notMatch(execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }), homeHash(stateDir))
  t.equal((await run('after', 'echo back')).out[0], 'back', 'the next start makes the network again')
})

t.test('what dies with its keeper is found lost, removed, and swept', { skip }, async (t) => {
  const { driver, spec, stateDir } = await makeBench(t, 'oci')
  const [one, two] = [
    await driver.start(spec('one', 'sleep 600')),
    await driver.start(spec('two', 'sleep 600')),
  ]
  const waited = driver.wait('one')
  for (const { id, pid } of [one, two]) {
    killAll([Number(readFileSync(join(stateDir, id, 'conmon.pid'), 'utf8'))], 'SIGKILL')
    t.equal(
      (await driver.list()).find((each) => each.id === id)?.state,
      'running',
      'it runs on without conmon',
    )
    process.kill(pid, 'SIGKILL')
  }
  t.match(await waited, { code: null, lost: true })
  t.match(await driver.wait('two'), { code: null, lost: true })
  await driver.follow('one', logStart, () => undefined).done
  await driver.remove('one')
  // As after power loss: a record cut off in the middle, and a directory gone while the kernel still knows
  // it.
  writeFileSync(join(stateDir, 'two', 'record.json'), '')
  await driver.start(spec('three', 'sleep 600'))
  rmSync(join(stateDir, 'three'), { recursive: true })
  t.same(await driver.list(), [])
  const { removed } = await driver.sweep()
  t.same(removed.filter((name) => !name.startsWith('mv')).toSorted(), ['three', 'two'])
  t.same(leftovers(stateDir), kept)
})

/** Says `<address> open` when a connection is made; gives up soon. */
const connect = (address: string, port: number): string =>
  `timeout 1 bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null && echo ${address} open`

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

const countOf = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
  })

/** As a neighbour on `eth0` writes it; one that nobody has where there is no IPv6. */
const linkLocal = (of: number | 'self', link: string): string => {
  const path = `/proc/${of}/net/if_inet6`
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  const [hex = 'fe80'.padEnd(32, '0')] =
    lines.find((line) => line.startsWith('fe80') && line.endsWith(link))?.split(' ') ?? []
  return `${hex.match(/.{4}/g)?.join(':')}%eth0`
}

/** On every address. */
const listen = async (t: Test): Promise<Server> => {
  const server = createServer((socket) => socket.on('error', () => undefined))
  await new Promise<void>((resolve) => void server.listen(0, resolve))
  t.teardown(() => server.close())
  return server
}

const canConnect = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: 500 })
    const end = (open: boolean) => (): void => {
      socket.destroy()
      resolve(open)
    }
    socket.on('connect', end(true)).on('error', end(false)).on('timeout', end(false))
  })

const bridgeAddress = ({ stateDir }: Bench): string =>
  networkInterfaces()[bridgeName(homeHash(stateDir))]?.find(({ family }) => family === 'IPv4')?.address ?? ''

/** A network beyond the host: a namespace with a server on an outside address and on the metadata address. */
const makeOutside = async (t: Test): Promise<{ address: string; port: number }> => {
  const name = `mo${process.pid}`
  const [address, near, port] = ['198.18.77.2', '198.18.77.1', 4567]
  const ip = (...args: string[]): void => void execFileSync('ip', args)
  ip('netns', 'add', name)
  t.teardown(() => ip('netns', 'del', name))
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  ip('addr', 'add', `${near}/30`, 'dev', name)
  ip('link', 'set', name, 'up')
  ip('route', 'add', '169.254.169.254/32', 'via', address)
  for (const each of [`${address}/30`, '169.254.169.254/32'])
    ip('-n', name, 'addr', 'add', each, 'dev', 'eth0')
  for (const link of ['lo', 'eth0']) ip('-n', name, 'link', 'set', link, 'up')
  const script = `require('net').createServer((s) => s.on('error', () => {})).listen(${port}, '0.0.0.0')`
  const child = spawn('ip', ['netns', 'exec', name, process.execPath, '-e', script], {
    env: { PATH: process.env['PATH'] ?? '' },
    stdio: 'ignore',
  })
  const gone = new Promise((resolve) => child.on('exit', resolve))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await gone
  })
  await until(() => canConnect('169.254.169.254', port), { what: 'the server outside' })
  return { address, port }
}
