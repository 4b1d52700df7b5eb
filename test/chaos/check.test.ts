/**
 * The history checker, held against histories: a good one passes, and each kind of broken promise is found by
 * its rule. Pure: no world runs here.
 */
import t from 'tap'
import { check, type Rule } from '../../scripts/chaos/check.ts'
import { readCommand, UsageError } from '../../scripts/chaos/cli.ts'
import type {
  BuildOp,
  ConfigOp,
  FinalApp,
  FinalBuild,
  History,
  Life,
  RequestOp,
  ScaleOp,
} from '../../scripts/chaos/history.ts'
import type { Bounds } from '../../scripts/chaos/language.ts'
import { rowOf, skipped, tableText } from '../../scripts/chaos/table.ts'

const bounds: Bounds = { servingMs: 1_000, settledMs: 1_000, detectionMs: 1_000, linesInFlightMax: 5 }
const config = (at: number, version: number, value: string, more: Partial<ConfigOp> = {}): ConfigOp => ({
  kind: 'config',
  app: 'a',
  key: 'K',
  value,
  invokedAt: at,
  returnedAt: at + 10,
  outcome: 'ok',
  version,
  ...more,
})
const scale = (at: number, quantity: number, more: Partial<ScaleOp> = {}): ScaleOp => ({
  kind: 'scale',
  app: 'a',
  type: 'web',
  quantity,
  invokedAt: at,
  returnedAt: at + 10,
  outcome: 'ok',
  ...more,
})
const request = (at: number, more: Partial<RequestOp> = {}): RequestOp => ({
  kind: 'request',
  app: 'a',
  invokedAt: at,
  returnedAt: at + 10,
  outcome: 'ok',
  via: 'h1',
  status: 200,
  answered: {
    app: 'a',
    dyno: 'web.1',
    life: 'r1',
  },
  ...more,
})
const broken = (at: number, via?: string): RequestOp => {
  const { answered: _, via: __, ...rest } = request(at, { outcome: 'failed', error: 'H12' })
  return via === undefined ? rest : { ...rest, via }
}
const life = (run: string, fromAt: number, toAt: number | null, more: Partial<Life> = {}): Life => ({
  app: 'a',
  dyno: 'web.1',
  run,
  host: 'h1',
  singleton: false,
  epoch: 1,
  fromAt,
  toAt,
  ...more,
})
const releases = (...versions: readonly number[]) =>
  versions.map((version) => ({ version, id: `id${version}` }))
const final: FinalApp = {
  app: 'a',
  releases: releases(1, 2, 3),
  config: { K: 'y' },
  quantities: { web: 1 },
  dynos: [{ name: 'web.1', state: 'up', run: 'r1', host: 'h1', releaseVersion: 3 }],
}
const power = { do: 'power-off', on: 'h2' } as const
const struck = { at: 1_000, fault: power, hosts: ['h2'] }

const good: History = {
  ops: [config(100, 2, 'x'), config(200, 3, 'y'), scale(300, 1), request(400), request(1_500)],
  faults: [struck],
  waits: [{ condition: 'serving', fromAt: 1_000, heldAt: 1_400 }],
  lives: [life('r1', 0, null)],
  log: [0, 1, 2].map((n) => ({ app: 'a', at: n, life: 'r1', n })),
  said: [{ app: 'a', life: 'r1', host: 'h1', lines: 3 }],
  final: [final],
  builds: [],
}
const found = (history: Partial<History>, more: Partial<Bounds> = {}): readonly Rule[] => [
  ...new Set(check({ ...good, ...history }, { ...bounds, ...more }).violations.map(({ rule }) => rule)),
]

await t.test('a history that keeps every promise passes, and its figures are told', async (t) => {
  const verdict = check(good, bounds)
  t.same(verdict.violations, [])
  t.match(verdict, { recoverMs: 400, requests: 2, requestsFailed: 0, linesLost: 0, acksLost: 0 })
})

await t.test('acknowledged writes that are gone, changed or out of order are found', async (t) => {
  const withFinal = (more: Partial<FinalApp>) => ({ final: [{ ...final, ...more }] })
  const dynos = final.dynos.map((dyno) => ({ ...dyno, releaseVersion: 2 }))
  t.same(found(withFinal({ releases: releases(1, 2), dynos })), ['acks'], 'a release is gone')
  t.same(found(withFinal({ config: { K: 'x' } })), ['acks'], 'an older value is back')
  t.same(found(withFinal({ config: {} })), ['acks'], 'no value is left')
  t.same(found(withFinal({ config: { K: 'z' } })), ['acks'], 'a value that nobody wrote')
  t.same(found({ final: null }), ['acks'], 'the API never answered')
  t.same(found({ final: [] }), ['acks'], 'the app is gone')
  t.ok(found({ ops: [scale(0, 2)] }).includes('acks'), 'the last scale does not stand')
  t.same(found({ ops: [config(100, 3, 'x'), config(200, 2, 'y')] }), ['acks'], 'versions against time')
  t.equal(check({ ...good, final: null }, bounds).acksLost, 0)
  t.equal(check({ ...good, ...withFinal({ config: { K: 'x' } }) }, bounds).acksLost, 1)
})

await t.test('writes whose outcome is unknown may have happened or not', async (t) => {
  const unknown = { outcome: 'failed', returnedAt: null } as const
  t.same(found({ ops: [config(100, 3, 'x'), config(200, 0, 'y', unknown)] }), [], 'it happened')
  t.same(found({ ops: [config(100, 3, 'y'), config(200, 0, 'x', unknown)] }), [], 'it did not')
  t.same(found({ ops: [config(100, 3, 'x'), config(200, 0, 'y', { outcome: 'refused' })] }), ['acks'])
  const both = [config(100, 2, 'y', { returnedAt: 300 }), config(150, 3, 'x', { returnedAt: 250 })]
  t.same(found({ ops: both }), [], 'of two at once either may be last')
  t.same(found({ ops: [scale(0, 1), scale(100, 7, { outcome: 'failed' })] }), [])
})

await t.test('versions with a gap, or given twice, are found', async (t) => {
  const of = (...versions: number[]) => ({ final: [{ ...final, releases: releases(...versions) }] })
  t.same(found({ ...of(1, 3), ops: [] }), ['versions'])
  t.same(found({ ...of(1, 2, 2, 3), ops: [] }), ['versions'])
  t.same(found({ ops: [config(100, 3, 'x', { returnedAt: 250 }), config(200, 3, 'y')] }), ['versions'])
})

await t.test('a rollback explains only the loss of what was written in its last moments', async (t) => {
  const rollback = { at: 1_000, fault: { do: 'rollback', undoneMs: 500 } as const, hosts: ['h1'] }
  const gone = { faults: [rollback], final: [{ ...final, releases: releases(1, 2, 3), config: { K: 'x' } }] }
  t.same(found({ ...gone, ops: [config(100, 2, 'x'), config(600, 4, 'z')] }), [])
  t.same(found({ ...gone, ops: [config(100, 2, 'x'), config(300, 4, 'z')] }), ['acks'])
})

await t.test('a dyno that is not up in the end, or too many, or a wait in vain is found', async (t) => {
  const of = (more: object) => ({ final: [{ ...final, dynos: [{ ...final.dynos[0]!, ...more }] }] })
  t.same(found(of({ state: 'starting' })), ['recovery'])
  t.same(found(of({ releaseVersion: 2 })), ['recovery'])
  t.same(found(of({ run: 'r9' })), ['recovery'])
  t.same(found({ lives: [] }), ['recovery'])
  t.same(found({ lives: [life('r1', 0, null), life('r2', 0, null)] }), ['recovery'])
  t.same(found({ lives: [life('r1', 0, null), life('r2', 0, null, { dyno: 'web.2' })] }), ['recovery'])
  t.same(found({ waits: [{ condition: 'serving', fromAt: 0, heldAt: null }] }), ['recovery'])
})

await t.test('two lives of a singleton at once are found, unless one of them stood still', async (t) => {
  const only = { dyno: 'only.1', singleton: true }
  const lives = (...more: Life[]) => ({ lives: [life('r1', 0, null), ...more] })
  const [first, next] = [life('s1', 0, 500, only), life('s2', 400, 900, { ...only, host: 'h2', epoch: 2 })]
  t.same(found(lives(first, next)), ['epochs'])
  t.same(found(lives({ ...first, toAt: 400 }, next)), [])
  t.same(found(lives({ ...first, singleton: false }, { ...next, singleton: false })), [])
  const frozen = [
    { at: 300, fault: { do: 'freeze', on: 'h1' } as const, hosts: ['h1'] },
    { at: 5_000, fault: { do: 'thaw', on: 'h1' } as const, hosts: ['h1'] },
  ]
  t.same(found({ ...lives({ ...first, toAt: 5_500 }, next), faults: frozen }), [], 'it stood still')
  t.same(found({ ...lives({ ...first, toAt: 9_000 }, { ...next, toAt: 9_500 }), faults: frozen }), ['epochs'])
})

await t.test('a host that obeys an older decision after a newer one is found', async (t) => {
  const lives = (...epochs: number[]) => [
    life('r1', 0, null, { dyno: 'web.1', epoch: 1 }),
    ...epochs.map((epoch, at) => life(`w${at}`, at * 100, at * 100 + 50, { dyno: 'web.2', epoch })),
  ]
  t.same(found({ lives: lives(5, 7) }), [])
  t.same(found({ lives: lives(7, 5) }), ['epochs'])
})

await t.test('more starts than the faults asked for are found', async (t) => {
  const lives = [life('r0', 0, 1_200, { dyno: 'web.1', epoch: 1 }), life('r1', 1_100, null, { epoch: 2 })]
  t.same(found({ lives }, { startsMax: 1 }), [])
  t.same(found({ lives }, { startsMax: 0 }), ['needless'])
})

await t.test('answers of another app, or of a life that had ended, are found', async (t) => {
  const answered = (app: string, run: string) => ({ answered: { app, dyno: 'web.1', life: run } })
  t.same(found({ ops: [request(100, answered('b', 'r1'))] }), ['wrong-answer'])
  const lives = [life('r0', 0, 300), life('r1', 200, null)]
  t.same(found({ lives, ops: [request(200, answered('a', 'r0'))] }), [])
  t.same(found({ lives, ops: [request(400, answered('a', 'r0'))] }), ['wrong-answer'])
})

await t.test('a failed request needs a fault that touched it at that time', async (t) => {
  const lives = [life('r1', 0, null), life('r2', 0, 1_100, { dyno: 'web.2', host: 'h2' })]
  const of = (op: RequestOp, more: Partial<Bounds> = {}) => found({ lives, ops: [op] }, more)
  t.same(of(broken(1_500, 'h1')), [], 'a dyno of the app was on the host')
  const seen = (goneAt: number) => [life('r1', 0, null), life('r2', 0, 980, { host: 'h2', goneAt })]
  t.same(found({ lives: seen(1_010), ops: [broken(1_500, 'h1')] }), [], 'until then, for all one knows')
  t.same(found({ lives: seen(990), ops: [broken(1_500, 'h1')] }), ['requests'], 'it had ended before')
  t.same(found({ ops: [broken(1_500, 'h1')] }), ['requests'], 'none was')
  t.same(found({ ops: [broken(1_500, 'h2')] }), [], 'its router was')
  t.same(of(broken(900, 'h1')), ['requests'], 'before')
  t.same(of(broken(995, 'h1')), [], 'on its way when it struck')
  t.same(of(broken(2_500, 'h1')), ['requests'], 'long after')
  t.same(of(broken(2_500, 'h1'), { hurtsUntilRepaired: true }), [], 'it still hurts')
  t.same(of(broken(1_500, 'h1'), { detectionMs: 0 }), ['requests'], 'none may fail')
  t.same(of({ ...broken(3_000), returnedAt: null }), ['requests'], 'never answered')
})

await t.test('lines are delivered, counted, or were in the pipe of a machine that was hit', async (t) => {
  const said = (lines: number, host = 'h1') => [{ app: 'a', life: 'r1', host, lines }]
  t.same(found({ said: said(4) }), ['lines'])
  t.same(found({ said: said(4), log: [...good.log, { app: 'a', at: 9, lost: 1, code: 'L10' }] }), [])
  t.same(found({ said: said(8, 'h2') }), [])
  t.same(found({ said: said(9, 'h2') }), ['lines'])
  t.same(found({ log: [...good.log, ...good.log] }), ['lines'], 'each is stored once')
  const again = { said: said(4, 'h2'), log: [...good.log, ...good.log] }
  t.same(found(again, { linesTwiceMax: 9 }), ['lines'], 'whatever happened')
  t.equal(check({ ...good, ...again }, bounds).linesTwice, 3)
  t.equal(check({ ...good, ...again, frames: [] }, bounds).linesTwice, 3, 'whatever a receiver got')
  t.match(check({ ...good, said: said(7, 'h2') }, bounds), { linesLost: 0, linesInFlight: 4 })
  t.match(check({ ...good, said: said(9, 'h2') }, bounds), { linesLost: 1, linesInFlight: 5 })
  const killed = { said: said(4, 'h2'), faults: [{ ...struck, fault: { do: 'kill', on: 'h2' } as const }] }
  t.same(found(killed), ['lines'], 'its pipe outlives the host process')
})

await t.test('more lines told to be lost than are missing are found', async (t) => {
  const told = (lost: number) => ({ log: [...good.log, { app: 'a', at: 9, lost, code: 'L12' }] })
  t.same(found(told(1)), ['lines'])
  const others = [...told(1).log, { app: 'a', at: 9, other: true } as const]
  t.same(found({ log: others }), [], 'a line of somebody who does not count')
  const rollback = { at: 900, fault: { do: 'rollback', undoneMs: 1 } as const, hosts: ['h1'] }
  t.same(found({ ...told(1), faults: [rollback] }), [], 'they were read before the store lost them')
})

await t.test("each request that was answered has the router's line once, or it is told", async (t) => {
  const asked = (at: number, more: Partial<RequestOp> = {}) => request(at, { requestId: `id-${at}`, ...more })
  const routed = (at: number) => ({ app: 'a', at, requestId: `id-${at}` })
  const routedBy = (ops: readonly RequestOp[], ...lines: readonly number[]) => ({
    ops: [...good.ops, ...ops],
    log: [...good.log, ...lines.map(routed)],
  })
  t.same(found(routedBy([asked(400), asked(500)], 400, 500)), [])
  t.same(found(routedBy([asked(400), asked(500)], 400)), ['lines'], 'missing')
  t.same(found(routedBy([asked(400)], 400, 400)), ['lines'], 'twice')
  t.same(found(routedBy([broken(400)])), ['requests'], 'it had no answer')
  const dropped = { app: 'a', at: 9, lost: 1, code: 'L12' }
  t.same(found({ ...routedBy([asked(400)]), log: [...good.log, dropped] }), [], 'told')
  const killed = { faults: [{ at: 5_000, fault: { do: 'router-kill', on: 'h2' } as const, hosts: ['h2'] }] }
  const last = routedBy([asked(4_900, { via: 'h2' })])
  t.same(found({ ...last, ...killed }), [], 'the router had it when it was killed')
  t.equal(check({ ...good, ...last, ...killed }, bounds).linesInFlight, 1)
  for (const [why, op] of [
    ['long before', asked(2_900, { via: 'h2' })],
    ['afterwards', asked(5_001, { via: 'h2' })],
    ['another router', asked(4_900, { via: 'h1' })],
  ] as const)
    t.same(found({ ...routedBy([op]), ...killed }), ['lines'], why)
  const text = 'at=info method=GET path="/" host=a.localhost request_id=id-400 fwd="10.90.0.1" dyno=web.1'
  const lines = [0, 1, 2].map((n) => `chaos life=r1 n=${n}`)
  const frames = (...texts: readonly string[]) => [{ app: 'a', id: '1', texts: [...lines, ...texts] }]
  t.same(found({ ...routedBy([asked(400)], 400), frames: frames(text) }), [])
  t.same(found({ ...routedBy([asked(400)], 400), frames: frames() }), ['lines'], 'not at the receiver')
  t.same(found({ ...routedBy([asked(400)], 400), frames: frames(text, text) }), ['lines'], 'there twice')
})

await t.test('what a receiver lacks, or has twice in different frames, is found', async (t) => {
  const line = (n: number): string => `chaos life=r1 n=${n}`
  const frame = (id: string, ...texts: readonly string[]) => ({ app: 'a', id, texts })
  const all = frame('1', line(0), line(1), line(2))
  t.same(found({ frames: [all, all] }), [], 'the same frame again is known by its id')
  t.same(found({ frames: [] }), ['lines'])
  t.same(found({ frames: [frame('1', line(0), line(1))] }), ['lines'])
  const loss = 'Error L10 (output buffer overflow): 1 messages dropped since 2023-11-14T22:13:20+00:00.'
  t.same(found({ frames: [frame('1', line(0), loss, line(2))] }), [], 'it was told')
  const doubled = { frames: [all, frame('2', line(2))] }
  t.same(found(doubled), ['lines'], 'twice')
  t.same(found(doubled, { linesTwiceMax: 1 }), ['lines'], 'its host was not hit')
  const onHit = { ...doubled, said: [{ app: 'a', life: 'r1', host: 'h2', lines: 3 }] }
  t.same(found(onHit, { linesTwiceMax: 1 }), [])
  t.match(check({ ...good, ...onHit }, bounds), { linesTwice: 1, linesLost: 0 })
  t.equal(check({ ...good, frames: [] }, bounds).linesLost, 3)
})

await t.test(
  'builds end as their senders are told, and none that was told as failed is released',
  async (t) => {
    const op = (more: Partial<BuildOp> = {}): BuildOp => ({
      kind: 'build',
      app: 'a',
      by: 'api',
      host: 'h2',
      version: 'v',
      invokedAt: 500,
      returnedAt: 2_000,
      outcome: 'refused',
      ...more,
    })
    const failed: FinalBuild = { app: 'a', version: 'v', status: 'failed', isReleased: false }
    const released: FinalBuild = { ...failed, status: 'succeeded', isReleased: true }
    const of = (one: BuildOp, ...builds: FinalBuild[]) => found({ ops: [...good.ops, one], builds })
    t.same(of(op(), failed), [], 'its host was hit')
    t.same(of(op({ outcome: 'ok' }), released), [])
    t.same(of(op({ outcome: 'failed' }), released), [], 'nobody told')
    t.same(of(op(), released), ['builds'], 'released all the same')
    t.same(of(op({ outcome: 'ok' }), failed), ['builds'], 'told as released')
    t.same(of(op({ outcome: null, returnedAt: null }), failed), ['builds'], 'told nothing')
    t.same(of(op(), { ...failed, status: 'pending' }), ['builds'], 'pending for ever')
    t.same(of(op(), { ...failed, isReleased: true }), ['builds'], 'the record and the ledger differ')
    t.same(of(op()), ['builds'], 'not on record')
    t.same(of(op({ host: 'h1' }), failed), ['builds'], 'on a host that nothing hit')
    t.same(of(op({ returnedAt: 900 }), failed), ['builds'], 'before it was hit')
    t.same(of(op({ error: 'no_word: compiling' }), failed), ['builds'], 'without a word')
    t.same(of(op({ app: 'new' }), { ...failed, app: 'new' }), [], 'of an app that was to be made')
  },
)

await t.test('runs of a scenario become one row, and rows a table', async (t) => {
  const verdict = check(good, bounds)
  const bad = { ...verdict, recoverMs: 900, violations: [{ rule: 'acks', text: 'gone' } as const] }
  const row = rowOf('host-kill', 'sim', [verdict, verdict, bad])
  t.match(row, { verdict: 'fail', recoverMs: 400, recoverMsMax: 900, runs: 3, why: ['acks: gone'] })
  t.match(rowOf('host-kill', 'sim', [verdict]), { verdict: 'pass', recoverMs: 400 })
  const text = tableText([row, skipped('host-kill', 'netns', 'needs root')])
  t.match(text.split('\n')[1], /^host-kill +sim +fail +3 +400 +900/)
  t.equal(text.split('\n').length, 3)
})

await t.test('the command line is read, and what it does not know is refused', async (t) => {
  t.match(readCommand(['all', '--world', 'sim', '--runs', '3', '--json']), {
    scenarios: ['all'],
    world: 'sim',
    runs: 3,
    seed: 1,
    json: true,
  })
  t.same(readCommand(['list']).scenarios, [])
  for (const args of [['--world', 'mars'], ['--runs', '0'], ['--nonsense']]) {
    t.throws(() => readCommand(args), UsageError)
  }
})
