/**
 * The fuzzer for a few seconds from a fixed seed, and all that it ever found once more. The long run is
 * `npm run fuzz`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { engineStage } from '../kit/stage.ts'
import type { Thrown } from './fuzz/grammar.ts'
import { answersAreOne, requestsAreOne, throughSockets } from './fuzz/properties.ts'
import { fuzz } from './fuzz/run.ts'

t.test('what the fuzzer found stays mended', async (t) => {
  const stage = await engineStage(t)
  const folder = new URL('../data/fuzz/', import.meta.url)
  const names = readdirSync(folder)
  t.not(names.length, 0)
  for (const name of names) {
    const thrown = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Thrown
    t.equal(requestsAreOne(thrown), null, `${name}: requests`)
    t.equal(answersAreOne(thrown), null, `${name}: answers`)
    t.equal(await throughSockets(stage, thrown), null, `${name}: through sockets`)
  }
})

t.test('nothing thrown in a few seconds is read in two ways, forwarded unclear or never ended', async (t) => {
  const found = await fuzz({ seconds: 5, seed: 20_261_127, say: (text) => t.comment(text) })
  t.strictSame(found, [])
})
