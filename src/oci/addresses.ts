/**
 * Addresses, pure: which network a state directory uses, and which address, user id and interface name a
 * container has. All three follow from one index that only ever moves forward and comes round after the whole
 * range, so an address is not met again soon: a router that still believes in the old container must not
 * reach a new one.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

/**
 * Home networks are /18s of the shared address space 10.64.0.0/10: 256 of them, 16,381 containers before
 * reuse.
 */
const poolBase = 0x0a400000
const prefixBits = 18
const networkSize = 2 ** (32 - prefixBits)
const networks = 2 ** (prefixBits - 10)

/** First user id of containers; the machine's own users and the distributions' dynamic ranges lie below. */
const uidBase = 100_000

/** First index a container may have: 0 is the network, 1 the bridge; the last is broadcast. */
export const indexFirst = 2
export const indexLast = networkSize - 2

export type Range = { base: number; bits: number }
export type Identity = { index: number; address: string; uid: number; veth: string }

/**
 * Other hosts reach a container at a port that follows from its index: above what a host itself listens on,
 * below what the kernel gives to outgoing connections (32,768).
 */
const outerPortBase = 10_000
export const outerPortOf = (index: number): number => outerPortBase + index
export const indexOfPort = (port: number): number => port - outerPortBase

/** Short name of a state directory, in the names of its bridge, table, cgroup and interfaces. */
export const homeHash = (stateDir: string): string =>
  createHash('sha256').update(stateDir).digest('hex').slice(0, 8)

/** Dotted IPv4 as a number; NaN-free by assertion. */
export const toNumber = (address: string): number => {
  const parts = address.split('.').map(Number)
  assert(parts.length === 4 && parts.every((p) => Number.isInteger(p) && p >= 0 && p <= 255), address)
  return parts.reduce((sum, part) => sum * 256 + part, 0)
}

/** A number as dotted IPv4. */
export const toAddress = (value: number): string =>
  [value / 2 ** 24, value / 2 ** 16, value / 2 ** 8, value].map((part) => Math.floor(part) % 256).join('.')

/** `10.0.0.0/8`, or a bare address as /32. */
export const parseRange = (text: string): Range => {
  const [address = '', bits = '32'] = text.split('/')
  return { base: toNumber(address), bits: Number(bits) }
}

/**
 * Whether two ranges share an address. A default route (/0) overlaps nothing: it says where the rest goes.
 */
export const overlaps = (a: Range, b: Range): boolean => {
  if (a.bits === 0 || b.bits === 0) return false
  const size = 2 ** (32 - Math.min(a.bits, b.bits))
  return Math.floor(a.base / size) === Math.floor(b.base / size)
}

/** The network of a home: by its hash, else the next one that no route or address of the machine touches. */
export const chooseNetwork = (hash: string, taken: readonly Range[]): Range | undefined => {
  const first = Number.parseInt(hash.slice(0, 6), 16)
  for (let step = 0; step < networks; step++) {
    const range = { base: poolBase + ((first + step) % networks) * networkSize, bits: prefixBits }
    if (!taken.some((other) => overlaps(range, other))) return range
  }
  return undefined
}

/** The next free index behind `cursor`, round the range; undefined when every one is held. */
export const nextIndex = (cursor: number, held: ReadonlySet<number>): number | undefined => {
  const count = indexLast - indexFirst + 1
  for (let step = 1; step <= count; step++) {
    const index = indexFirst + ((((cursor - indexFirst + step) % count) + count) % count)
    if (!held.has(index)) return index
  }
  return undefined
}

/** Everything that follows from an index. Interface names hold at most 15 characters. */
export const identityOf = (index: number, network: Range, hash: string): Identity => {
  assert(index >= indexFirst && index <= indexLast, `index ${index}`)
  const veth = `${vethPrefix(hash)}${index.toString(36)}`
  assert(veth.length <= 15, veth)
  return { index, address: toAddress(network.base + index), uid: uidBase + index, veth }
}

export const vethPrefix = (hash: string): string => `mv${hash}.`
export const bridgeName = (hash: string): string => `mb${hash}`
export const gatewayOf = (network: Range): string => toAddress(network.base + 1)
