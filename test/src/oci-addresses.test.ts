/**
 * Addresses of containers: a free network for each home, and indexes that come back as late as they can.
 */
import fc from 'fast-check'
import t from 'tap'

import {
  chooseNetwork,
  homeHash,
  identityOf,
  indexFirst,
  indexLast,
  nextIndex,
  overlaps,
  parseRange,
  toAddress,
  toNumber,
} from '../../src/oci/addresses.ts'

t.test('addresses and numbers are each other inside out', async (t) => {
  t.equal(toNumber('10.64.0.1'), 0x0a400001)
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (n) => toNumber(toAddress(n)) === n))
  t.throws(() => toNumber('10.64.0'))
  t.throws(() => toNumber('10.64.0.256'))
})

t.test('a home takes the network of its hash, or the next one that nobody uses', async (t) => {
  const hash = homeHash('/home/me/.manifold/containers')
  const first = chooseNetwork(hash, [])
  t.ok(first)
  if (!first) return
  const second = chooseNetwork(hash, [first])
  t.ok(second && !overlaps(first, second))
  t.same(chooseNetwork(hash, [parseRange('0.0.0.0/0'), parseRange('192.168.0.0/16')]), first)
  t.same(chooseNetwork(hash, [parseRange(toAddress(first.base + 77))]), second, 'one address in it is enough')
  t.equal(chooseNetwork(hash, [parseRange('10.0.0.0/8')]), undefined)
})

t.test('an index is met again only after the whole range went by', async (t) => {
  t.equal(nextIndex(indexFirst - 1, new Set()), indexFirst)
  t.equal(nextIndex(indexLast, new Set()), indexFirst)
  t.equal(nextIndex(10, new Set([11, 12])), 13)
  const all = new Set(Array.from({ length: indexLast - indexFirst + 1 }, (_, n) => n + indexFirst))
  t.equal(nextIndex(10, all), undefined)
  all.delete(10)
  t.equal(nextIndex(10, all), 10)
})

t.test('everything that follows from an index is valid and its own', async (t) => {
  const network = parseRange('10.127.192.0/18')
  const hash = homeHash('/x')
  const last = identityOf(indexLast, network, hash)
  t.equal(last.address, '10.127.255.254')
  t.ok(last.veth.length <= 15, last.veth)
  t.not(identityOf(indexFirst, network, hash).uid, last.uid)
  t.throws(() => identityOf(1, network, hash), 'the bridge has it')
})
