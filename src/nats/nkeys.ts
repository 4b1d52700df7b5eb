/**
 * Keys by which a host logs in to the bus: an Ed25519 seed that stays on the host, and its public half, which
 * the servers are told (NATS' nkeys).
 */
import { nkeys } from 'nats'

type KeyPair = { getSeed(): Uint8Array; getPublicKey(): string }
/** The client's own declaration says `any`. */
const pairs = nkeys as {
  createUser(): KeyPair
  fromSeed(seed: Uint8Array): KeyPair
  fromPublic(key: string): KeyPair
}

/** A fresh seed of a user of the bus: `SU…`, a secret. */
export const createSeed = (): string => Buffer.from(pairs.createUser().getSeed()).toString('ascii')

/** `U…`, what may be known. @throws when it is no seed */
export const publicOfSeed = (seed: string): string =>
  pairs.fromSeed(Buffer.from(seed.trim(), 'ascii')).getPublicKey()

/** Whether it is the public half of a user's key: what a stranger sends is checked before it is believed. */
export const isPublicNkey = (text: string): boolean => {
  if (!/^U[A-Z2-7]{55}$/.test(text)) return false
  try {
    pairs.fromPublic(text)
    return true
  } catch {
    // Its checksum is wrong.
    return false
  }
}
