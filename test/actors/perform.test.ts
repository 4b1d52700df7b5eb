/**
 * Performers of effects: the vault, names, what a process finds when it starts, attached one-offs, and the
 * streams of long jobs' output.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Duplex, PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import t from 'tap'
import { asksForMarker, joinAttached } from '../../actors/effects/perform/container/attached.ts'
import { dynoFile, processArgv, processEnv } from '../../actors/effects/perform/container/environment.ts'
import { holderOf, performNames } from '../../actors/effects/perform/names.ts'
import { createVault } from '../../actors/effects/perform/vault.ts'
import { oneKey } from '../../actors/effects/perform/seal.ts'
import type { Attached, Exit } from '../../src/oci/driver.ts'
import { createOutputHub } from '../../src/output/hub.ts'
import { StoreUnavailable, type Store } from '../../src/ports/store.ts'
import { files, scratch } from '../kit/files.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { perform } from '../kit/perform.ts'
import { machineEnv } from '../kit/run.ts'
import { runOf } from '../kit/runs.ts'
import type { Pages } from '../../actors/protocols/shapes.ts'
import { until } from '../kit/until.ts'

const exec = promisify(execFile)
const key = Buffer.alloc(32, 7)

type Sealed = { configId: string; changed: boolean; set: string[]; removed: string[]; pages: Pages }

t.test('config vars are sealed under an id of their content, and opened with the key alone', async (t) => {
  const store = memoryStore()
  const vault = createVault(store, oneKey(key))
  const seal = (baseId: string, patch: Record<string, string | null>): Promise<Sealed> =>
    perform(vault.effects, 'vault.seal', { appId: 'a1', baseId, patch })
  const first = await seal('', { B: 'two', SECRET: 'hunter2-hunter2' })
  t.match(first, { changed: true, set: ['B', 'SECRET'], removed: [] })
  t.strictSame(await vault.open('a1', first.configId), { B: 'two', SECRET: 'hunter2-hunter2' })
  t.strictSame(await vault.open('a1', ''), {})
  const second = await seal(first.configId, { B: null, C: 'x', SECRET: 'hunter2-hunter2', GONE: null })
  t.match(second, { changed: true, set: ['C'], removed: ['B'] })
  t.strictSame(await vault.open('a1', second.configId), { SECRET: 'hunter2-hunter2', C: 'x' })
  t.strictSame(await vault.open('a1', first.configId), { B: 'two', SECRET: 'hunter2-hunter2' }, 'immutable')

  const same = await seal(second.configId, { C: 'x', GONE: null })
  t.match(same, { configId: second.configId, changed: false, set: [], removed: [] })
  t.equal(
    (await seal(second.configId, { C: null, B: 'two' })).configId,
    first.configId,
    'equal vars, equal id',
  )
  t.not(await vault.seal('a2', { B: 'two' }), await vault.seal('a1', { B: 'two' }), 'of one app only')

  const pages = async (error: string): Promise<string> =>
    (await seal('', { ERROR_PAGE_URL: error, MAINTENANCE_PAGE_URL: '//m' })).pages.error
  for (const url of ['https://pages.example/e.html', '//pages.example/']) t.equal(await pages(url), url)
  for (const url of ['', 'javascript:alert(1)', '/e.html', 'https://a b', `//${'x'.repeat(3000)}`])
    t.equal(await pages(url), '', `${url.slice(0, 30)} is no page`)

  const records = await store.list('config/')
  const atRest = Buffer.concat(records.map(({ value }) => Buffer.from(value))).toString('latin1')
  for (const text of ['hunter2', 'SECRET']) t.notMatch(atRest, text)
  const other = createVault(store, oneKey(Buffer.alloc(32, 8)))
  await t.rejects(other.open('a1', first.configId), 'another key opens nothing')
  const [stolen] = await store.list(`config/a1/${first.configId}`)
  await store.create(`config/a9/${first.configId}`, stolen!.value)
  await t.rejects(vault.open('a9', first.configId), 'a record moved to another app opens nothing')
  await t.rejects(vault.open('a1', 'f'.repeat(40)), { code: 'config_missing' })
  t.throws(() => createVault(store, oneKey(Buffer.alloc(16))), { message: /32 bytes/ })

  await perform(vault.effects, 'vault.drop', { appId: 'a1' })
  t.strictSame(await store.list('config/a1/'), [])
  t.equal((await store.list('config/a2/')).length, 1)
})

t.test('a bad name or too much data changes nothing and says why', async (t) => {
  const store = memoryStore()
  const { effects } = createVault(store, oneKey(key))
  const seal = (patch: Record<string, string | null>): Promise<Sealed> =>
    perform(effects, 'vault.seal', { appId: 'a1', baseId: '', patch })
  for (const name of ['1A', 'A-B', '', 'A B', 'É'])
    await t.rejects(seal({ GOOD: 'x', [name]: 'x' }), {
      code: 'invalid_params',
      message: `Config var name ${JSON.stringify(name)} is invalid: only letters, digits and underscores`,
    })
  const bound = 64 * 1024 - '{"A":""}'.length
  await t.rejects(seal({ A: 'x'.repeat(bound + 1) }), { code: 'invalid_params', message: /64 kB/ })
  t.strictSame(await store.list(''), [])
  t.ok((await seal({ A: 'x'.repeat(bound) })).changed, 'just as much as is allowed')
})

t.test('a name has one holder, who alone gives it back', async (t) => {
  const store = memoryStore()
  const names = performNames(store)
  const claim = (appId: string, kind = 'app') => perform(names, 'names.claim', { kind, name: 'shop', appId })
  const release = (appId: string) => perform(names, 'names.release', { kind: 'app', name: 'shop', appId })
  await claim('a1')
  await claim('a1')
  await t.rejects(claim('a2'), { code: 'taken' })
  await claim('a2', 'host')
  await release('a2')
  t.match(await holderOf(store, 'app', 'shop'), { appId: 'a1' })
  await release('a1')
  await release('a1')
  t.equal(await holderOf(store, 'app', 'shop'), undefined)
  await claim('a2')
  t.match(await holderOf(store, 'app', 'shop'), { appId: 'a2' })
  const away = {
    ...store,
    create: () => Promise.reject(new StoreUnavailable('no answer', 'unknown')),
  } as Store
  await t.rejects(perform(performNames(away), 'names.claim', { kind: 'app', name: 'x', appId: 'a' }), {
    code: 'store_unavailable',
  })
})

const run = runOf('run.4711')

t.test('a process finds the config vars, its own over them, and what only the platform says', async (t) => {
  const vars = { WHO: 'config', PORT: '1', HOME: '/x', DYNO: 'x', PATH: '/own:/bin', OTHER: 'y' }
  t.strictSame(processEnv(run, vars, { appDir: '/app', domain: 'localhost', port: 5001 }), {
    PATH: '/own:/bin',
    WHO: 'one-off',
    PORT: '5001',
    HOME: '/app',
    DYNO: 'run.4711',
    OTHER: 'y',
    TERM: 'xterm',
  })
  t.match(processEnv(run, {}, { appDir: '/app', domain: 'localhost', port: 1 })['PATH'], '/usr/bin')
  t.strictSame(JSON.parse(dynoFile(run)), {
    dyno: { physical_id: 'r1', size: 'Basic', name: 'run.4711' },
    app: { id: 'a1', name: 'shop' },
    release: { id: 7, commit: 'c0ffee', description: 'Deploy c0ffee' },
  })
})

t.test('.profile.d and .profile prepare the shell in which the command runs', async (t) => {
  const home = await files(await scratch(t), {
    '.profile.d/10-a.sh': 'export WHO=first; export ORDER=a\n',
    '.profile.d/20-b.sh': 'export WHO="$WHO second"; export ORDER="$ORDER b"\n',
    '.profile.d/readme.txt': 'export WHO=wrong\n',
    '.profile': 'export ORDER="$ORDER profile"\n',
  })
  const [program = '', ...args] = processArgv('echo "$WHO/$ORDER/${file-unset}"; pwd; exit 3')
  const env = { PATH: machineEnv()['PATH'] ?? '', HOME: home }
  const ended = (await exec(program, args, { env }).catch((error: unknown) => error)) as {
    code: number
    stdout: string
  }
  t.equal(ended.code, 3)
  t.equal(ended.stdout, `first second/a b profile/unset\n${home}\n`)
  await rm(join(home, '.profile'))
  await rm(join(home, '.profile.d'), { recursive: true })
  const [bare = '', ...rest] = processArgv("echo 'it'\"'\"'s $#'")
  t.equal((await exec(bare, rest, { env })).stdout, "it's $#\n")
})

/** An attached one-off between a client and a process, with every chunk that the client got. */
const attach = (how: { hasTerminal?: boolean; wantsMarker?: boolean } = {}) => {
  const exit = Promise.withResolvers<Exit>()
  const [stdin, output] = [new PassThrough(), new PassThrough()]
  const got: string[] = []
  const state = { ended: false, nowMs: 0 }
  const client = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      got.push(chunk.toString())
      done()
    },
    final: (done) => {
      state.ended = true
      done()
    },
  })
  const attached: Attached = { id: 'r1', address: '', stdin, output, exit: exit.promise }
  const now = (): number => state.nowMs
  const joined = joinAttached(client, attached, { hasTerminal: false, wantsMarker: false, now, ...how })
  const end = async (code: number | null): Promise<string> => {
    output.end()
    exit.resolve({ code, oomKilled: false })
    await joined.done
    await until(() => state.ended, { what: 'the end of the client its side' })
    return got.join('')
  }
  return { got, stdin, output, exit, state, client, joined, end }
}
const marker = '\uFFFF heroku-command-exit-status: 7\n'

t.test('0x04 ends the input of a process without a terminal, and is a key with one', async (t) => {
  const plain = attach()
  plain.client.push('one\x04two')
  plain.client.push('three\x04')
  plain.client.push('late')
  t.equal(await text(plain.stdin), 'one\x04twothree')
  t.equal(await plain.end(0), '')
  const terminal = attach({ hasTerminal: true })
  terminal.client.push('x\x04')
  terminal.client.push('y')
  terminal.client.push(null)
  t.equal(await text(terminal.stdin), 'x\x04y')
  await terminal.end(0)
})

t.test('the line with the exit status comes whole, whatever the pieces it was written in', async (t) => {
  t.ok(asksForMarker(`sh -c 'exit 7'; echo "\uFFFF heroku-command-exit-status: $?"`))
  t.notOk(asksForMarker('echo hello'))
  const bytes = Buffer.from(marker)
  for (let cut = 1; cut < bytes.length; cut++) {
    const { got, output, end } = attach({ wantsMarker: true })
    output.write('said\n')
    await until(() => got.length === 1, { what: 'what came before' })
    output.write(Buffer.concat([Buffer.from('more '), bytes.subarray(0, cut)]))
    await until(() => got.length === 2, { what: 'what came with it' })
    output.write(bytes.subarray(cut))
    t.equal(await end(7), `said\nmore ${marker}`)
    t.ok(got.includes(marker), `cut after ${cut} bytes: ${JSON.stringify(got)}`)
  }
  const { output, end } = attach({ wantsMarker: true })
  output.write('\uFFFF' + 'x'.repeat(100_000))
  t.equal((await end(0)).length, 1 + 100_000 + '\uFFFF heroku-command-exit-status: 0\n'.length)
})

t.test('a process that died without its exit status gets it, if it was asked for', async (t) => {
  const killed = attach({ wantsMarker: true })
  killed.output.write('half a li')
  t.equal(await killed.end(143), 'half a li\uFFFF heroku-command-exit-status: 143\n')
  t.equal(await attach({ wantsMarker: true }).end(null), '\uFFFF heroku-command-exit-status: 137\n')
  t.equal(await attach().end(1), '')
})

t.test('a client that goes away is noticed, and the process can still say what it says', async (t) => {
  const { client, output, exit, joined } = attach()
  output.write('x'.repeat(100_000))
  client.destroy()
  t.equal(await joined.left, true)
  // Nobody reads any more: what it says meanwhile must not hold it up.
  for (let at = 0; at < 20; at++) if (!output.write('x'.repeat(100_000))) await once(output, 'drain')
  output.end()
  exit.resolve({ code: 129, oomKilled: false })
  await joined.done
  const first = attach()
  await first.end(0)
  first.client.destroy()
  t.equal(await first.joined.left, false, 'the process was gone first')
})

t.test('how long nothing was said counts from the last byte of either side', async (t) => {
  const { client, output, stdin, state, joined, end } = attach()
  state.nowMs = 50
  t.equal(joined.quietMs(), 50)
  output.write('said')
  await until(() => joined.quietMs() === 0, { what: 'what was said' })
  state.nowMs = 80
  t.equal(joined.quietMs(), 30)
  client.push('typed')
  await until(() => joined.quietMs() === 0, { what: 'what was typed' })
  stdin.resume()
  await end(0)
  joined.close()
  t.ok(client.destroyed)
})

/** A watcher that keeps what it hears. */
const watcher = () => {
  const heard = { text: '', ends: 0 }
  return {
    heard,
    onText: (text: string) => void (heard.text += text),
    onEnd: () => void (heard.ends += 1),
  }
}

t.test('whoever watches a stream hears all of it once, however late', async (t) => {
  const folder = join(await scratch(t), 'output')
  const hub = createOutputHub(folder, 1_000)
  t.equal(hub.watch('b1', watcher()), undefined)
  hub.write('b1', 'lost: it is not open')
  hub.open('b1')
  const [early, late, gone, after] = [watcher(), watcher(), watcher(), watcher()]
  hub.watch('b1', early)
  hub.watch('b1', gone)?.close()
  hub.write('b1', 'one\n')
  hub.open('b1')
  hub.watch('b1', late)
  hub.write('b1', 'twö\n')
  t.ok(hub.isOpen('b1'))
  hub.end('b1')
  hub.end('b1')
  hub.write('b1', 'too late')
  t.notOk(hub.isOpen('b1'))
  createOutputHub(folder, 1_000).watch('b1', after)
  const whole = { text: 'one\ntwö\n', ends: 1 }
  t.strictSame([early.heard, late.heard, after.heard], [whole, whole, whole])
  t.strictSame(gone.heard, { text: '', ends: 0 })
  for (const id of ['../b1', '', 'B1']) {
    t.throws(() => hub.open(id), RangeError)
    t.equal(hub.watch(id, watcher()), undefined)
  }
})

t.test('a stream is bounded, and says at its end how much was left out', async (t) => {
  const hub = createOutputHub(await scratch(t), 10)
  const listening = watcher()
  hub.open('b1')
  hub.watch('b1', listening)
  hub.write('b1', '12345')
  hub.write('b1', 'ä'.repeat(3))
  hub.write('b1', '67890')
  hub.write('b1', 'x')
  hub.end('b1')
  t.strictSame(listening.heard, { text: '1234567890\n !     7 bytes of output left out\n', ends: 1 })
})

t.test(
  'config vars are opened from any copy while the leader is away, and from the leader where a copy is behind',
  async (t) => {
    const store = memoryStore()
    const configId = await createVault(store, oneKey(key)).seal('a1', { A: 'one' })
    const away = (): Promise<never> => Promise.reject(new StoreUnavailable('no leader', 'no'))
    const led = createVault({ ...store, get: away }, oneKey(key))
    t.strictSame(await led.open('a1', configId), { A: 'one' })
    const behind = createVault({ ...store, peek: async () => undefined }, oneKey(key))
    t.strictSame(await behind.open('a1', configId), { A: 'one' })
    await t.rejects(behind.open('a1', 'another'), { code: 'config_missing' })
  },
)
