/** A pass that seals anew, while others write: nothing is left out, and no more is held than is worked on. */
import fc from 'fast-check'
import t from 'tap'
import { certificateKeysOf } from '../../actors/effects/perform/certificates.ts'
import { derivedKeys, keyIdOf, keyNamed, oneKey, seal } from '../../actors/effects/perform/seal.ts'
import { configPrefix, contentPurpose } from '../../actors/effects/perform/vault.ts'
import { eachAtOnce } from '../../actors/main/at-once.ts'
import { resealAll } from '../../actors/main/seal-pass.ts'
import { memoryFeed } from '../kit/memory-feed.ts'
import { memoryStore } from '../kit/memory-store.ts'

const [older, newer, foreign] = [1, 2, 9].map((byte) => Buffer.alloc(32, byte)) as [Buffer, Buffer, Buffer]
const held = [newer, older].map(keyNamed)
const vault = {
  ...oneKey(newer),
  find: async (id: string) => held.find((key) => key.id === id),
  held: () => held,
}
const ring = { vault, certificates: oneKey(certificateKeysOf(newer)) }
const contentKey = (key: Uint8Array) => derivedKeys(oneKey(key), contentPurpose).held()[0]!

type Write = { readonly at: number; readonly name: number; readonly with: 'older' | 'newer' | 'nothing' }
const write: fc.Arbitrary<Write> = fc.record({
  at: fc.nat(40),
  name: fc.nat(30),
  with: fc.constantFrom('older', 'newer', 'nothing'),
})

t.test('whatever is written until a pass has seen all is sealed with the new key when it ends', async (t) => {
  const property = fc.asyncProperty(fc.nat(30), fc.array(write), async (count, writes) => {
    const store = memoryStore()
    const put = async ({ name, with: key }: Omit<Write, 'at'>): Promise<void> => {
      const full = `${configPrefix}a/${name}`
      await store.remove(full)
      if (key !== 'nothing')
        await store.create(full, seal(contentKey(key === 'older' ? older : newer), full, `${name}`))
    }
    for (let name = 0; name < count; name += 1) await put({ name, with: 'older' })
    const told: (readonly [number, number])[] = []
    let [reads, looks] = [0, 0]
    const inner = memoryFeed({
      async list(prefix) {
        const now = reads
        reads += 1
        for (const one of writes) if (looks <= 2 && one.at === now) await put(one)
        return store.list(prefix)
      },
    })
    const since: typeof inner.since = (prefix, revision) => {
      looks += 1
      return inner.since(prefix, revision)
    }
    const feed = { ...inner, since }
    const progress = async (done: number, total: number): Promise<void> => void told.push([done, total])
    const { left, unreadable } = await resealAll({ store, feed, ring, progress })
    t.strictSame([[...left], unreadable], [[], 0])
    for (const { key, value } of await store.list('')) t.equal(keyIdOf(value), keyNamed(newer).id, key)
    t.ok(told.every(([done, total], at) => done <= total && (at === 0 || done >= told[at - 1]![0])))
    t.equal(told.filter(([done, total]) => done === total).length, 1, 'and the end is told once')
    // What it finds is counted, and nothing of it is changed.
    await store.create(`${configPrefix}a/lost`, seal(contentKey(foreign), `${configPrefix}a/lost`, ''))
    const again = await resealAll({ store, feed, ring, progress })
    t.strictSame(again, { resealed: 0, unreadable: 1, left: new Set([keyNamed(foreign).id]) })
  })
  await fc.assert(property, { numRuns: 30 })
})

t.test('work at once is bounded, and a failure waits for what was begun', async (t) => {
  const property = fc.asyncProperty(
    fc.array(fc.nat(3), { maxLength: 40 }),
    fc.integer({ min: 1, max: 6 }),
    fc.option(fc.nat(39)),
    fc.boolean(),
    async (turns, most, failsAt, isSource) => {
      let [taken, under, highest] = [0, 0, 0]
      const ended: number[] = []
      async function* things() {
        for (const [at, turn] of turns.entries()) {
          if (isSource && at === failsAt) throw new RangeError('of the source')
          taken += 1
          yield { at, turn }
        }
      }
      const work = async ({ at, turn }: { at: number; turn: number }): Promise<void> => {
        under += 1
        highest = Math.max(highest, under)
        for (let left = turn; left > 0; left -= 1) await Promise.resolve()
        under -= 1
        if (!isSource && at === failsAt) throw new RangeError('of the work')
        ended.push(at)
      }
      const all = eachAtOnce(things(), most, work)
      if (failsAt !== null && failsAt < turns.length) {
        await t.rejects(all, RangeError)
        t.equal(ended.length, taken - (isSource ? 0 : 1), 'all but the one that failed')
      } else {
        await all
        t.strictSame(
          ended.toSorted((a, b) => a - b),
          [...turns.keys()],
        )
      }
      t.equal(under, 0)
      t.ok(highest <= most)
    },
  )
  await fc.assert(property, { numRuns: 100 })
})
