/**
 * SSH into dynos: sessions, files and ports of containers that run here or on another host, and what nobody
 * gets that way. With the real runc where there is root, with plain processes everywhere.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openInside } from '../../actors/effects/perform/container/inside.ts'
import { insideOf, serveInside } from '../../actors/main/inside.ts'
import { openTunnel } from '../../actors/main/tunnel.ts'
import type { Peer } from '../../src/peers/contract.ts'
import { systemClock } from '../../src/system/clock.ts'
import { systemRandom } from '../../src/system/random.ts'
import { makeBench, noContainers } from '../kit/containers.ts'
import { peersAs, serveAs, testAuthority } from '../kit/peers.ts'
import { freePort } from '../kit/ports.ts'
import { runOf } from '../kit/runs.ts'
import * as ssh from '../kit/ssh.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const skip = noContainers() ?? false
const { rsa } = ssh.clientKeys

/** Listens on the port of its environment and answers each line with itself, turned about. */
const echo = `exec perl -MIO::Socket::INET -e '
  my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ENV{ECHO}, Listen => 5, ReuseAddr => 1) or die;
  $SIG{CHLD} = "IGNORE"; $| = 1; print "listening\\n";
  while (my $client = $server->accept) {
    next if fork; while (my $line = <$client>) { chomp $line; print $client scalar(reverse $line), "\\n" } exit 0;
  }'`

type Through = 'here' | 'elsewhere'

/** A dyno, and a way in to it through an SSH server on this host or on another. */
const open = async (t: Test, kind: 'oci' | 'process', through: Through) => {
  const bench = await makeBench(t, kind)
  const { driver } = bench
  const run = { ...runOf('web.1'), id: 'dyno', type: 'web', env: {} }
  const echoPort = await freePort()
  const labels = { kind: 'dyno', run: JSON.stringify(run), port: '4000' }
  const env = { ...bench.spec('x', '').env, ECHO: String(echoPort), SECRET: 'a config var' }
  await driver.start(bench.spec('dyno', echo, { labels, env }))
  const inside = openInside(driver)
  const admits = (peer: Peer): boolean => peer.name === 'control'
  const authority = testAuthority()
  const server = serveInside({ inside, admits, random: systemRandom, clock: systemClock })
  const { port } = await serveAs(t, authority, 'dynos', {
    attach: async (token) => server.take(token) ?? Promise.reject(new Error('no such token')),
    call: async (path, body, peer) => server.calls[path]?.(body, peer),
  })
  const peers = peersAs(t, authority, 'control', { dynos: port })
  const listen = { host: '127.0.0.1', port: await freePort() }
  const tunnel = await openTunnel({
    listen,
    secret: 'of the cluster',
    inside: insideOf({ self: through === 'here' ? 'dynos' : 'control', inside, peers }),
    random: systemRandom,
    clock: systemClock,
    log: () => undefined,
  })
  t.teardown(() => tunnel.close())
  t.equal(await tunnel.refusal(), undefined)
  const username = tunnel.reserve(rsa.public, { host: 'dynos', runId: 'dyno' })
  const login = { port: listen.port, username, privateKey: rsa.private, hostKey: tunnel.hostKey }
  const listening = await driver.exec('dyno', {
    argv: [
      'perl',
      '-MIO::Socket::INET',
      '-e',
      'until (IO::Socket::INET->new("127.0.0.1:$ARGV[0]")) { select undef, undef, undef, 0.02 }',
      String(echoPort),
    ],
    cwd: '/app',
    env,
  })
  await listening.exit
  return { ...bench, tunnel, login, echoPort, authority, port, connect: () => ssh.logIn(t, login) }
}

const worlds = [
  { kind: 'oci', through: 'here', skip },
  { kind: 'oci', through: 'elsewhere', skip },
  { kind: 'process', through: 'here', skip: false },
] as const

for (const { kind, through, skip } of worlds) {
  t.test(
    `${kind}, ${through}: commands and shells run in the dyno, files and ports are its own`,
    { skip },
    async (t) => {
      const { connect, echoPort, slug } = await open(t, kind, through)
      const { client } = await connect()

      const plain = await ssh.exec(client, 'echo $DYNO $PORT "[$SECRET]"; cat hello; echo no >&2; exit 7')
      t.same(plain, { out: 'web.1 4000 []\nhello\n', err: 'no\n', code: 7 }, 'without config vars')
      const tty = await ssh.exec(client, 'tty; stty size; echo $TERM', { pty: true })
      t.match(tty, { out: /\/dev\/(pts\/\d+|console)\r\n24 80\r\nvt100\r\n/, code: 0 })

      const shell = await ssh.openShell(client, { term: 'xterm', cols: 91, rows: 33 })
      let shown = ''
      shell.on('data', (chunk: Buffer) => (shown += chunk.toString()))
      shell.write('stty size; echo on $((40 + 2))\n')
      await until(() => /33 91[^]*on 42/.test(shown), { what: 'the shell' })
      shell.setWindow(44, 120, 0, 0)
      const resized = async (): Promise<boolean> => {
        shell.write('stty size\n')
        return shown.includes('44 120')
      }
      await until(resized, { what: 'its new size' })
      shell.write('exit 3\n')
      const code = await new Promise<number | null>((seen) => shell.on('exit', seen))
      t.equal(code, 3)

      const sftp = await ssh.openSftp(client)
      t.equal(String(await ssh.asked((done) => sftp.readFile('hello', done))), 'hello\n')
      const into = join(slug, '../big')
      const made = 'head -c 3000000 /dev/urandom >/tmp/big-$$; sha256sum /tmp/big-$$'
      const [sum = '', path = ''] = (await ssh.exec(client, made)).out.trim().split(/\s+/)
      await ssh.asked((done) => sftp.fastGet(path, into, done))
      await ssh.exec(client, `rm ${path}`)
      t.equal(createHash('sha256').update(readFileSync(into)).digest('hex'), sum)
      await t.rejects(
        ssh.asked((done) => sftp.readFile('nowhere', done)),
        { code: 2 },
      )

      const channel = await ssh.forward(client, '0.0.0.0', echoPort)
      channel.write('manifold\n')
      t.equal(String((await once(channel, 'data'))[0]), 'dlofinam\n')
      channel.end()
      await t.rejects(ssh.forward(client, '0.0.0.0', await freePort()), Error, 'nobody listens there')
      client.end()
    },
  )

  // Where it is the same by both ways, the longer one is taken.
  if (kind === 'oci' && through === 'here') continue
  t.test(
    `${kind}, ${through}: a client that goes leaves nothing behind, a dyno that dies ends its sessions`,
    { skip },
    async (t) => {
      const { connect, driver } = await open(t, kind, through)
      const { client: leaving } = await connect()
      // Without a world of its own it sees whatever else sleeps on this machine.
      const seconds = `300.${process.pid}`
      const left = await ssh.openExec(leaving, `echo ready; exec sleep ${seconds}`, { pty: true })
      await once(left, 'data')
      leaving.end()
      const { client } = await connect()
      const isOver = async (): Promise<boolean> => {
        const { out } = await ssh.exec(client, `ps -A -o args= | grep -c "^slee[p] ${seconds}"`)
        return out.trim() === '0'
      }
      await until(isOver, { what: 'the end of what was left' })

      const channel = await ssh.openExec(client, 'echo ready; sleep 300')
      const said = ssh.saidBy(channel)
      await once(channel, 'data')
      await driver.signal('dyno', 'SIGKILL', 'init')
      t.match(await said, { code: 137 })
      t.match(await ssh.exec(client, 'true'), { err: /has ended/, code: 255 })
      await driver.remove('dyno')
      t.match(await ssh.exec(client, 'true'), { err: /no container/, code: 255 })
      client.end()
    },
  )
}

t.test('files are read as the dyno itself, in its own world, and are not written', { skip }, async (t) => {
  const { connect, slug, stateDir } = await open(t, 'oci', 'here')
  const { client } = await connect()
  const sftp = await ssh.openSftp(client)
  const read = (path: string): Promise<string> =>
    ssh.asked<Buffer>((done) => sftp.readFile(path, done)).then(String)
  t.not((await read('/etc/hostname')).trim(), hostname(), 'its own host name')
  for (const path of [
    '../../../../../etc/hostname',
    '/proc/1/root/etc/hostname',
    '/proc/self/cwd/../etc/hostname',
  ])
    t.equal((await read(path).catch(String)).includes(hostname()), false, path)
  for (const path of [
    join(slug, 'hello'),
    join(stateDir, 'dyno/record.json'),
    '/var/lib/dpkg/../../../root/.ssh',
  ])
    await t.rejects(read(path), Error, path)
  await t.rejects(read('/etc/shadow'), { code: 3 }, 'not root')
  const { out } = await ssh.exec(
    client,
    'ln -s /etc/shadow link; ln -s /proc/1/environ env; mkfifo pipe; echo made',
  )
  t.equal(out, 'made\n')
  await t.rejects(read('link'), { code: 3 }, 'a link leads no further')
  t.ok(await ssh.asked((done) => sftp.open('pipe', 'r', done)), 'a pipe without a writer holds nobody up')
  for (const flags of ['w', 'a', 'r+', 'wx'])
    await t.rejects(
      ssh.asked((done) => sftp.open('new', flags, done)),
      { code: 3 },
    )
  await t.rejects(
    ssh.asked((done) => sftp.unlink('hello', done)),
    { code: 8 },
  )
  t.equal(await ssh.asked((done) => sftp.realpath('.', done)), '/app')
  t.equal((await ssh.asked<{ size: number }>((done) => sftp.stat('hello', done))).size, 6)
  t.equal(readFileSync(join(slug, 'hello'), 'utf8'), 'hello\n')
  client.end()
})

t.test("a forwarded port is the dyno's and never the host's", { skip }, async (t) => {
  const { connect } = await open(t, 'oci', 'here')
  const { client } = await connect()
  const own = createServer((socket) => void socket.end('the host'))
  await new Promise<void>((done) => void own.listen(0, '127.0.0.1', done))
  t.teardown(() => own.close())
  const { port } = own.address() as { port: number }
  for (const host of ['0.0.0.0', '127.0.0.1', 'localhost', '::1'])
    await t.rejects(ssh.forward(client, host, port), Error, host)
  client.end()
})

t.test('only control hosts are let in to the dynos of another', async (t) => {
  const { authority, port } = await open(t, 'process', 'here')
  const as = (name: string) => peersAs(t, authority, name, { dynos: port })
  const ask = (name: string, body: object): Promise<unknown> => as(name).call('dynos', '/inside', body)
  const wish = { kind: 'exec', command: 'true', terminal: null }
  await t.rejects(ask('another', { runId: 'dyno', wish }), /another is no control host/)
  for (const body of [
    {},
    { runId: 'dyno', wish: { kind: 'argv' } },
    { runId: 'dyno', wish: { kind: 'connect' } },
  ])
    await t.rejects(ask('control', body), /refused: /)
  for (const runId of ['../dyno', 'nobody'])
    await t.rejects(ask('control', { runId, wish }), /no container of this id|is not \^/)
  const { token } = (await ask('control', { runId: 'dyno', wish })) as { readonly token: string }
  const connection = await as('control').attach('dynos', token)
  await once(connection.resume(), 'end')
  await t.rejects(as('control').attach('dynos', token), /refused/, 'it is good once')
})

t.test('a port that cannot be had is said once, and tried again when somebody wants in', async (t) => {
  const listen = { host: '127.0.0.1', port: await freePort() }
  const taken = createServer()
  await new Promise<void>((done) => void taken.listen(listen.port, listen.host, done))
  const logged: string[] = []
  const deps = {
    inside: () => Promise.reject(new Error('nothing here')),
    random: systemRandom,
    clock: systemClock,
    log: (fields: { readonly at?: unknown }) => void logged.push(String(fields.at)),
  }
  const tunnel = await openTunnel({ ...deps, listen, secret: 'x' })
  t.teardown(() => tunnel.close())
  t.same(logged, ['ssh-off'])
  t.match(await tunnel.refusal(), /EADDRINUSE/)
  await new Promise((done) => taken.close(done))
  t.equal(await tunnel.refusal(), undefined)
  t.same(logged, ['ssh-off'])
  const off = await openTunnel({ ...deps, listen: undefined, secret: 'x' })
  t.match(await off.refusal(), /MANIFOLD_SSH=off/)
  const keyless = await openTunnel({ ...deps, listen, secret: undefined })
  t.match(await keyless.refusal(), /keys of its cluster/)
  t.same(logged, ['ssh-off', 'ssh-off'])
})
