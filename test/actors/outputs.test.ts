/**
 * Output of builds: read in parts, on its own host and from another that may lose it.
 */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { serveOutputs, watchElsewhere } from '../../actors/main/outputs.ts'
import { createOutputHub, type OutputHub } from '../../src/output/hub.ts'
import { PeerFailed, PeerRefusal } from '../../src/peers/contract.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { scratch } from '../kit/files.ts'
import { until } from '../kit/until.ts'

const hubOf = async (t: Test): Promise<OutputHub> =>
  createOutputHub(join(await scratch(t), 'output'), 1_000_000)

t.test('an output is read in parts, and a reader at its end waits for more', async (t) => {
  const hub = await hubOf(t)
  const read = (from: number, waitMs = 60_000) => hub.read('b1', from, { bytesMax: 4, waitMs })
  t.equal(await read(0), undefined)
  t.equal(await hub.read('../x', 0, { bytesMax: 4, waitMs: 0 }), undefined)
  hub.open('b1')
  t.match(await read(0, 1), { bytes: Buffer.alloc(0), ended: false }, 'nothing yet')
  hub.write('b1', 'first ')
  t.match(await read(0), { bytes: Buffer.from('firs'), ended: false })
  t.match(await read(4), { bytes: Buffer.from('t '), ended: false })
  const next = read(6)
  hub.write('b1', 'x')
  t.match(await next, { bytes: Buffer.from('x'), ended: false })
  const last = read(7)
  hub.end('b1')
  t.match(await last, { bytes: Buffer.alloc(0), ended: false })
  t.match(await read(7), { bytes: Buffer.alloc(0), ended: true })
  t.match(await read(0), { ended: false })
  t.match(await read(4), { bytes: Buffer.from('t x'), ended: true })
})

t.test('an output that a former life left unended is read on until the next one ends it', async (t) => {
  const folder = join(await scratch(t), 'output')
  const former = createOutputHub(folder, 20)
  former.open('b1')
  former.write('b1', 'compiling\n')
  const hub = createOutputHub(folder, 20)
  hub.resume('b1')
  hub.resume('none')
  t.equal(hub.isOpen('none'), false)
  const heard = { text: '', ended: 0 }
  hub.watch('b1', { onText: (text) => (heard.text += text), onEnd: () => (heard.ended += 1) })
  t.same(heard, { text: 'compiling\n', ended: 0 })
  hub.write('b1', 'its end\n')
  hub.write('b1', 'too much of it')
  hub.end('b1')
  t.match(heard, { text: /^compiling\nits end\n\n !     14 bytes of output left out\n$/, ended: 1 })
})

t.test('old outputs go, and those under way stay', async (t) => {
  const hub = await hubOf(t)
  for (const id of ['one', 'two', 'going']) {
    hub.open(id)
    hub.write(id, id)
    if (id !== 'going') hub.end(id)
  }
  const there = async (): Promise<unknown[]> =>
    Promise.all(['one', 'two', 'going'].map((id) => hub.read(id, 0, { bytesMax: 1, waitMs: 0 })))
  await hub.prune(0, 10)
  t.notOk((await there()).includes(undefined))
  await hub.prune(0, 1)
  t.equal((await there()).filter((part) => part === undefined).length, 1, 'more than are kept')
  await hub.prune(Date.now() + 60_000, 10)
  t.match(await there(), [undefined, undefined, { bytes: Buffer.from('g') }])
})

/** A host's output as another sees it, over a link that may be down. */
const elsewhere = async (t: Test, id = 'b1') => {
  const hub = await hubOf(t)
  const clock = virtualClock()
  const link = { isDown: false, isGone: false, calls: 0, words: undefined as string | undefined }
  const serve = serveOutputs(hub)['/output']!
  const peers = {
    call: async (_host: string, _path: string, body: unknown) => {
      link.calls += 1
      if (link.isDown) throw new PeerFailed('peer_unreachable', 'no connection')
      return serve(body).catch((error: unknown) => {
        if (!(error instanceof PeerRefusal)) throw error
        throw new PeerFailed('peer_refused', error.message, { reason: error.code })
      })
    },
  }
  const heard = { text: '', ended: 0 }
  const lastWords = async (): Promise<string | undefined> => link.words
  const watch = () =>
    watchElsewhere({ peers, clock, isGone: () => link.isGone, lastWords }, 'h2', id, {
      onText: (text) => (heard.text += text),
      onEnd: () => (heard.ended += 1),
    })
  return { hub, clock, link, heard, watch }
}

t.test('what a build says is heard on another host as it says it, once and to its end', async (t) => {
  const { hub, clock, link, heard, watch } = await elsewhere(t)
  t.equal(await watch(), undefined, 'no such output')
  hub.open('b1')
  hub.write('b1', 'one\n')
  const watching = await watch()
  t.ok(watching)
  hub.write('b1', 'zwölf\n')
  await until(() => heard.text === 'one\nzwölf\n', { what: 'both lines' })
  link.isDown = true
  const calls = link.calls
  hub.write('b1', 'while it was away\n')
  await until(
    () => {
      clock.step(clock.now() + 1_000)
      return link.calls > calls + 2
    },
    { what: 'tries' },
  )
  t.equal(heard.ended, 0, 'silence is not the end')
  link.isDown = false
  hub.end('b1')
  await until(
    () => {
      clock.step(clock.now() + 1_000)
      return heard.ended === 1
    },
    { what: 'the end' },
  )
  t.equal(heard.text, 'one\nzwölf\nwhile it was away\n')
  watching?.close()
})

const words = ' !     The host of this build went down: the build has failed.\n'

t.test('an output ends with what became of the build when its host is gone', async (t) => {
  const { hub, clock, link, heard, watch } = await elsewhere(t)
  hub.open('b1')
  hub.write('b1', 'compiling\n')
  await watch()
  await until(() => heard.text !== '', { what: 'the first line' })
  Object.assign(link, { isDown: true, isGone: true })
  hub.write('b1', 'never heard\n')
  const { calls } = link
  await until(
    () => {
      clock.step(clock.now() + 1_000)
      return link.calls > calls + 2
    },
    { what: 'tries' },
  )
  t.equal(heard.ended, 0, 'not before it is known')
  link.words = words
  await until(
    () => {
      clock.step(clock.now() + 1_000)
      return heard.ended === 1
    },
    { what: 'the end' },
  )
  t.ok(heard.text.startsWith('compiling\n') && heard.text.endsWith(words))

  const late = await elsewhere(t)
  Object.assign(late.link, { isDown: true, isGone: true, words })
  t.ok(await late.watch(), 'asked for afterwards')
  t.match(late.heard, { text: words, ended: 1 })

  const silent = await elsewhere(t)
  Object.assign(silent.link, { isDown: true })
  t.ok(await silent.watch())
  for (let second = 0; second < 130; second++) {
    silent.clock.step(silent.clock.now() + 1_000)
    await new Promise((resolve) => void setImmediate(resolve))
  }
  t.equal(silent.heard.text, ' !     The host of this build does not answer.\n')

  const left = await elsewhere(t)
  left.hub.open('b1')
  left.hub.write('b1', 'x')
  const watching = await left.watch()
  watching?.close()
  left.hub.end('b1')
  const before = left.link.calls
  await until(() => left.link.calls <= before + 1, { what: 'no more calls' })
  t.equal(left.heard.ended, 0)
})
