/**
 * The SSH server by itself: whom it lets in, how much of it one may have, and what it will not do for
 * anybody.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import ssh2 from 'ssh2'
import t, { type Test } from 'tap'
import { hostKeyFrom } from '../../src/ssh/host-key.ts'
import { createReservations } from '../../src/ssh/reservations.ts'
import {
  isPublicKey,
  openSshServer,
  type Fulfilled,
  type SshOptions,
  type Wish,
} from '../../src/ssh/server.ts'
import * as ssh from '../kit/ssh.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const hostKey = hostKeyFrom('a secret')
const { rsa, ed25519, other } = ssh.clientKeys

type Made = Fulfilled & {
  readonly stdin: PassThrough
  readonly output: PassThrough
  readonly errors: PassThrough
  readonly over: (code: number) => void
  readonly sizes: string[]
  hungUp: boolean
}

/** A server for `ada`, whose wishes are noted and come true as the test says. */
const serve = async (t: Test, key: string, limits: SshOptions['limits'] = {}) => {
  const wishes: Wish[] = []
  const made: Made[] = []
  let refusal: Error | undefined
  const server = await openSshServer({
    listen: { host: '127.0.0.1', port: 0 },
    hostKey: hostKey.private,
    connectedByte: '+'.charCodeAt(0),
    limits,
    userOf: (name) =>
      name !== 'ada'
        ? undefined
        : {
            key,
            fulfil: async (wish) => {
              wishes.push(wish)
              if (refusal !== undefined) throw refusal
              const exit = Promise.withResolvers<{ code: number }>()
              const [stdin, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
              const one: Made = {
                stdin,
                output,
                errors,
                exit: exit.promise,
                hungUp: false,
                sizes: [],
                hangup: () => void (one.hungUp = true),
                resize: (columns: number, rows: number) => void one.sizes.push(`${columns}x${rows}`),
                over: (code: number) => {
                  output.end()
                  errors.end()
                  exit.resolve({ code })
                },
              }
              made.push(one)
              return one
            },
          },
  })
  t.teardown(() => server.close())
  const login = { port: server.port, username: 'ada' }
  return { server, wishes, made, login, refuse: (text: string) => (refusal = new Error(text)) }
}

t.test('the host key follows from its secret, and is one that OpenSSH knows', (t) => {
  t.same(hostKeyFrom('a secret'), hostKey)
  t.not(hostKeyFrom('another').public, hostKey.public)
  const key = ssh2.utils.parseKey(hostKey.private)
  if (key instanceof Error) throw key
  t.equal(`ssh-ed25519 ${key.getPublicSSH().toString('base64')}`, hostKey.public)
  t.ok(isPublicKey(rsa.public))
  for (const text of ['', 'ssh-rsa', 'ssh-rsa AAAA', 'no key']) t.notOk(isPublicKey(text), text)
  t.end()
})

t.test('reservations end when they are not used, at their time, and when there are too many', (t) => {
  let nowMs = 0
  let names = 0
  const limits = { max: 2, idleMs: 100, lifeMs: 250 }
  const { reserve, find } = createReservations<string>(
    limits,
    () => nowMs,
    () => `u${(names += 1)}`,
  )
  t.equal(reserve({ key: 'k1', grant: 'web.1' }), 'u1')
  t.match(find('u1'), { key: 'k1', grant: 'web.1' })
  t.equal(find('u2'), undefined)
  nowMs = 90
  t.ok(find('u1'))
  nowMs = 180
  t.ok(find('u1'), 'used meanwhile')
  nowMs = 250
  t.notOk(find('u1'), 'its time is over')
  reserve({ key: 'k2', grant: 'web.1' })
  nowMs = 350
  t.notOk(find('u2'), 'not used')
  for (const key of ['k3', 'k4', 'k5']) reserve({ key, grant: 'web.1' })
  t.same(
    ['u3', 'u4', 'u5'].map((user) => find(user)?.key),
    [undefined, 'k4', 'k5'],
    'the oldest made room',
  )
  t.end()
})

t.test('the key of the reservation is let in, of either kind, and the host proves itself', async (t) => {
  for (const pair of [rsa, ed25519]) {
    const { login } = await serve(t, pair.public)
    const { client } = await ssh.logIn(t, { ...login, privateKey: pair.private, hostKey: hostKey.public })
    client.end()
  }
  const { login } = await serve(t, rsa.public)
  const wrongHost = hostKeyFrom('somebody else').public
  await t.rejects(ssh.logIn(t, { ...login, privateKey: rsa.private, hostKey: wrongHost }))
})

t.test('nobody else is let in: another key, another name, a password, nothing', async (t) => {
  const { login, wishes } = await serve(t, rsa.public)
  const level = Object.assign(new Error(), { level: 'client-authentication' })
  await t.rejects(ssh.logIn(t, { ...login, privateKey: other.private }), level)
  await t.rejects(ssh.logIn(t, { ...login, privateKey: rsa.private, username: 'eve' }), level)
  await t.rejects(ssh.logIn(t, { ...login, password: 'secret' }), level)
  await t.rejects(ssh.logIn(t, login), level)
  t.same(wishes, [])
})

t.test('the public half of a key is not enough', async (t) => {
  const { login, wishes } = await serve(t, ed25519.public)
  const client = new ssh2.Client()
  t.teardown(() => void client.end())
  const failed = once(client, 'error')
  client.on('error', () => undefined)
  const known = ssh2.utils.parseKey(ed25519.public)
  const sign = ssh2.utils.parseKey(other.private)
  if (known instanceof Error || sign instanceof Error) throw new Error('no key')
  // Offers the right key, and signs with its own.
  const agent = {
    getIdentities: (done: (error: null, keys: readonly unknown[]) => void) => done(null, [known]),
    sign: (_key: unknown, data: Buffer, _options: unknown, done: (error: null, signed: unknown) => void) =>
      done(null, (sign as unknown as { sign: (data: Buffer) => Buffer }).sign(data)),
  }
  Object.setPrototypeOf(agent, (ssh2 as unknown as { BaseAgent: { prototype: object } }).BaseAgent.prototype)
  client.connect({ host: '127.0.0.1', ...login, agent, authHandler: ['agent'] })
  t.match(await failed, [{ level: 'client-authentication' }])
  t.same(wishes, [])
})

t.test('who does not say who it is, or is never let in, is sent away in time', async (t) => {
  const { server, login } = await serve(t, rsa.public, { loginMs: 300 })
  const mute = connect(server.port, '127.0.0.1')
  mute.resume()
  await once(mute, 'close')
  const slow = connect(server.port, '127.0.0.1')
  slow.resume()
  slow.write('SSH-2.0-slow\r\n')
  await once(slow, 'close')
  const noise = connect(server.port, '127.0.0.1')
  noise.on('error', () => undefined)
  noise.resume()
  noise.write(Buffer.alloc(100_000, 0xff))
  await once(noise, 'close')
  const { client } = await ssh.logIn(t, { ...login, privateKey: rsa.private })
  let isClosed = false
  client.once('close', () => (isClosed = true))
  const late = connect(server.port, '127.0.0.1')
  late.resume()
  await once(late, 'close')
  t.notOk(isClosed, 'who was let in in time stays')
})

t.test('one client may try a few keys, and no more', async (t) => {
  const { login } = await serve(t, rsa.public, { triesMax: 3 })
  const attempt = async (wrong: number): Promise<void> => {
    const client = new ssh2.Client()
    t.teardown(() => void client.end())
    const tries = Array.from({ length: wrong }, () => ({ type: 'password', username: 'ada', password: 'x' }))
    const all = [...tries, { type: 'publickey', username: 'ada', key: rsa.private }]
    const settled = Promise.race([
      once(client, 'ready'),
      once(client, 'close').then(() => Promise.reject(new Error('sent away'))),
    ])
    client.on('error', () => undefined)
    client.connect({
      host: '127.0.0.1',
      ...login,
      authHandler: (_left: unknown, _partial: unknown, next: (how: unknown) => void) =>
        next(all.shift() ?? false),
    })
    await settled
  }
  await attempt(2)
  await t.rejects(attempt(3))
})

t.test(
  'a session is a command or a shell, once, with its terminal, its streams and its status',
  async (t) => {
    const { login, wishes, made } = await serve(t, rsa.public)
    const { client } = await ssh.logIn(t, { ...login, privateKey: rsa.private })
    const plain = await ssh.openExec(client, 'ls "a b"')
    await until(() => made.length === 1, { what: 'the first' })
    made[0]?.output.write('out')
    made[0]?.errors.write('err')
    plain.end('typed')
    t.equal(String((await once(made[0]!.stdin, 'data'))[0]), 'typed')
    made[0]?.over(7)
    t.same(await ssh.saidBy(plain), { out: 'out', err: 'err', code: 7 })
    const shell = await ssh.openShell(client, { term: 'xterm', cols: 91, rows: 33 })
    await until(() => made.length === 2, { what: 'the second' })
    shell.setWindow(44, 120, 0, 0)
    await until(() => made[1]?.sizes.length === 1, { what: 'the new size' })
    t.same(made[1]?.sizes, ['120x44'])
    shell.end()
    await until(() => made[1]?.stdin.readableEnded === true || made[1]?.stdin.writableEnded === true, {
      what: 'the end of its input',
    })
    t.same(wishes, [
      { kind: 'exec', command: 'ls "a b"', terminal: null },
      { kind: 'shell', terminal: { kind: 'xterm', columns: 91, rows: 33 } },
    ])
    client.end()
    await until(() => made[1]?.hungUp === true, { what: 'the hang-up' })
  },
)

t.test('who cannot have what it asked for hears why', async (t) => {
  const { login, refuse } = await serve(t, rsa.public)
  const { client } = await ssh.logIn(t, { ...login, privateKey: rsa.private })
  refuse('the container has ended: r1')
  t.same(await ssh.exec(client, 'ls'), { out: '', err: 'the container has ended: r1\r\n', code: 255 })
  t.match(await ssh.exec(client, 'ls', { pty: true }), { out: /has ended/, err: '', code: 255 })
  await t.rejects(ssh.forward(client, '0.0.0.0', 80), /Channel open failure|failed/i)
})

t.test('only the loopback of where the process runs is connected to, and nothing else', async (t) => {
  const { login, wishes, made } = await serve(t, rsa.public)
  const { client } = await ssh.logIn(t, { ...login, privateKey: rsa.private })
  for (const host of ['10.0.0.1', '127.0.0.2', '169.254.169.254', 'example.com', '', '0'])
    await t.rejects(ssh.forward(client, host, 80), Error, host)
  await t.rejects(ssh.forward(client, '0.0.0.0', 0))
  t.same(wishes, [])
  const opening = ssh.forward(client, '0.0.0.0', 5_050)
  await until(() => made.length === 1, { what: 'the wish' })
  t.same(wishes, [{ kind: 'connect', port: 5_050 }])
  made[0]?.output.write('+hello')
  const channel = await opening
  t.equal(String((await once(channel, 'data'))[0]), 'hello')
  channel.end('bye')
  t.equal(String((await once(made[0]!.stdin, 'data'))[0]), 'bye')
  made[0]?.over(0)
  const refused = ssh.forward(client, '127.0.0.1', 5_051)
  await until(() => made.length === 2, { what: 'the second wish' })
  made[1]?.output.write('-')
  made[1]?.over(1)
  await t.rejects(refused)
  const lost = ssh.forward(client, 'localhost', 5_052)
  await until(() => made.length === 3, { what: 'the third wish' })
  made[2]?.over(1)
  await t.rejects(lost)
})

t.test('what one connection may have open is bounded, and a place is given back', async (t) => {
  const { login, made } = await serve(t, rsa.public, { channelsMax: 2 })
  const { client } = await ssh.logIn(t, { ...login, privateKey: rsa.private })
  const first = await ssh.openExec(client, 'one')
  await ssh.openExec(client, 'two')
  await t.rejects(ssh.openExec(client, 'three'))
  await t.rejects(ssh.forward(client, '0.0.0.0', 80))
  await until(() => made.length === 2, { what: 'both' })
  made[0]?.over(0)
  await ssh.saidBy(first)
  t.ok(await ssh.openExec(client, 'three'))
  await t.rejects(ssh.openExec(client, 'x'.repeat(100_000)))
})

t.test('large output comes whole through a slow reader, and its end after it', async (t) => {
  const { login, made } = await serve(t, rsa.public)
  const { client } = await ssh.logIn(t, { ...login, privateKey: rsa.private })
  const channel = await ssh.openExec(client, 'cat')
  await until(() => made.length === 1, { what: 'the process' })
  const bytes = Buffer.alloc(8 * 1024 * 1024, 'manifold')
  made[0]?.output.write(bytes)
  made[0]?.over(0)
  const hash = createHash('sha256')
  let count = 0
  for await (const chunk of channel as AsyncIterable<Buffer>) {
    hash.update(chunk)
    count += chunk.length
  }
  t.equal(count, bytes.length)
  t.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'))
})
