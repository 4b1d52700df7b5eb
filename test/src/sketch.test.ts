/** Sketches: what was added always seems so, little else does, and a count is never too low. */
import fc from 'fast-check'
import t from 'tap'
import { createSeen, createTally } from '../../src/sketch/sketch.ts'

const texts = fc.array(fc.string(), { maxLength: 300, size: 'max' })

t.test('what was seen is never taken for unseen', async () => {
  const property = fc.property(texts, fc.integer(), fc.constantFrom(32, 256, 2 ** 12), (all, salt, bits) => {
    const seen = createSeen(bits, salt)
    for (const text of all) seen.add(text)
    return all.every((text) => seen.has(text))
  })
  fc.assert(property)
})

t.test('few that were not seem seen, and with another salt they are others', async (t) => {
  const count = 20_000
  const wrong = [1, 1_800_000_000_000].map((salt) => {
    const seen = createSeen(2 ** 18, salt)
    for (let n = 0; n < count; n += 1) seen.add(`slug/${n.toString(16).padStart(64, '0')}`)
    const names = Array.from(
      { length: count },
      (_, n) => `slug/${(n + count).toString(16).padStart(64, '0')}`,
    )
    return new Set(names.filter((name) => seen.has(name)))
  })
  for (const some of wrong) t.ok(some.size < count / 30, `${some.size} of ${count} at 13 bits each`)
  const [one, other] = wrong as [Set<string>, Set<string>]
  t.ok(one.intersection(other).size < one.size / 4, 'whoever seemed seen once hardly does so again')
})

t.test('a count is as high as it is true', async (t) => {
  const property = fc.property(texts, fc.integer(), fc.constantFrom(1, 8, 2 ** 10), (all, salt, counters) => {
    const tally = createTally(counters, salt)
    const truth = new Map<string, number>()
    return all.every((text) => {
      const count = (truth.get(text) ?? 0) + 1
      truth.set(text, count)
      return tally(text) >= Math.min(count, 255)
    })
  })
  fc.assert(property)
  const tally = createTally(2 ** 16, 7)
  const counts = Array.from({ length: 5_000 }, (_, n) => tally(`app-${n}`))
  t.ok(counts.filter((count) => count > 1).length < 500, 'and seldom higher')
})
