/** Bringing lines to a channel: in asks that the bus carries, one after the other, until each is answered. */
import t from 'tap'
import { askBytesMax, deliverThrough } from '../../actors/logplex/deliver.ts'
import type { Line, Part } from '../../actors/protocols/channel.ts'
import type { Node } from '../../src/runtime/node.ts'
import { systemClock } from '../../src/system/clock.ts'

const lineOf = (bytes: number): Line => ({
  atUs: 1,
  source: 'heroku',
  process: 'router',
  text: Buffer.alloc(bytes, 'x'),
})

t.test('more than the bus carries at once goes in pieces, each once the one before is stored', async (t) => {
  const asked: Part[] = []
  const node = {
    ask: async (_: unknown, message: Part) => {
      asked.push(message)
      if (asked.length === 2) throw new Error('no answer')
    },
  } as unknown as Pick<Node, 'ask'>
  const [small, large] = [lineOf(8_192), lineOf(2 * askBytesMax)]
  const lines = [...Array.from({ length: 500 }, () => small), large, small]
  await deliverThrough(() => node, systemClock)('a1', { source: 's', first: 7, lines })
  const [failed] = asked.splice(1, 1)
  t.strictSame(failed, asked[1], 'tried again as it was')
  t.strictSame(
    asked.flatMap((part) => part.lines),
    lines,
  )
  let next = 7
  for (const { source, first, lines: some } of asked) {
    const bytes = some.reduce((sum, { text }) => sum + text.length, 0)
    t.ok(source === 's' && first === next && (bytes <= askBytesMax || some.length === 1))
    next += some.length
  }
  t.equal(asked.length, Math.ceil(500 / 32) + 2, 'and each as full as it may be')
})

t.test('what was dropped is said with the first piece, also where there is no line', async (t) => {
  const asked: Part[] = []
  const node = { ask: async (_: unknown, message: Part) => void asked.push(message) }
  const deliver = deliverThrough(() => node as unknown as Pick<Node, 'ask'>, systemClock)
  const dropped = { count: 3, sinceUs: 5 }
  const lines = [lineOf(askBytesMax), lineOf(1)]
  await deliver('a1', { source: 's', first: 7, lines, dropped })
  await deliver('a1', { source: 's', first: 12, lines: [], dropped })
  await deliver('a1', { source: 's', first: 12, lines: [] })
  t.same(asked, [
    { type: 'deliver', source: 's', first: 7, lines: lines.slice(0, 1), dropped },
    { type: 'deliver', source: 's', first: 8, lines: lines.slice(1) },
    { type: 'deliver', source: 's', first: 12, lines: [], dropped },
  ])
})
