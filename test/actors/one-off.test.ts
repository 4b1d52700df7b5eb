/**
 * What a one-off is given by its formation: its size, and how long it may live.
 */
import t from 'tap'
import { formation } from '../../actors/formation.ts'
import type { Run } from '../../actors/protocols/shapes.ts'
import { drive } from '../kit/drive.ts'
import { by, releaseOf, slug } from '../kit/formations.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
const release = { ...releaseOf(3), slug: { ...slug, processTypes: { web: 'web' } } }

/** The one-off that is run when the web dynos are of that size. */
const oneOff = (webSize: string, more: { readonly size?: string; readonly timeToLiveMs?: number } = {}) => {
  const f = drive(formation, { key: 'app-1', args: undefined })
  f.send({ type: 'open', appName: 'demo' })
  f.send({ type: 'released', release, by })
  f.send({ type: 'scale', updates: [{ type: 'web', size: webSize }], by })
  f.send({ type: 'run', command: 'ls', env: {}, attachToken: null, terminal: null, by, ...more })
  while (f.asked[0] !== undefined) {
    const { runs } = f.asked[0].message as unknown as { readonly runs: readonly { readonly runId: string }[] }
    f.answered('place', { placed: runs.map(({ runId }) => ({ runId, host: 'h' })), failed: null })
  }
  const launched = f.told.flatMap(({ message }) => ('run' in message ? [message.run as Run] : []))
  const found = launched.find(({ type }) => type === 'run')
  if (found === undefined) throw new Error('it was not launched')
  return found
}

t.test('a one-off is of the kind of the web dynos and not of their size, unless it is said', (t) => {
  t.equal(oneOff('eco').size, 'Eco')
  t.equal(oneOff('basic').size, 'Basic')
  for (const size of ['standard-1x', 'standard-2x', 'performance-l'])
    t.equal(oneOff(size).size, 'Standard-1X')
  t.equal(oneOff('eco', { size: 'performance-m' }).size, 'Performance-M')
  t.end()
})

t.test('a one-off lives as long as any dyno, or as it is told, a day at most', (t) => {
  const lifeMs = oneOff('basic').timeToLiveMs ?? 0
  t.ok(lifeMs > dayMs && lifeMs <= dayMs + 216 * minuteMs, `${lifeMs}`)
  t.equal(oneOff('basic', { timeToLiveMs: minuteMs }).timeToLiveMs, minuteMs)
  t.equal(oneOff('basic', { timeToLiveMs: 2 * dayMs }).timeToLiveMs, dayMs)
  t.end()
})
