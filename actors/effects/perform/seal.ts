/**
 * Encryption at rest (AES-256-GCM): what is sealed opens only under the same name, so that a record can't be
 * passed off as another, and says by which key it was sealed.
 *
 *   "MFK1"  key's id: 8 bytes  iv: 12  tag: 16  sealed text
 *
 * What was sealed before keys had names begins with its iv, and opens with one of the keys there are.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { EffectFailed } from '../../../src/ports/effects.ts'

const mark = Buffer.from('MFK1')
const idBytes = 8
const ivBytes = 12
const tagBytes = 16
export const sealKeyBytes = 32

export type SealKey = {
  /** 16 hex digits: names a key drawn by chance, and gives nothing of it away. */
  readonly id: string
  readonly key: Uint8Array
}

/** The keys that this host has. */
export type SealKeys = {
  /** Work that seals, with the key of now. @throws EffectFailed `key_missing` when it is not here */
  readonly sealing: <T>(work: (key: SealKey) => Promise<T>) => Promise<T>
  /** Asks others for one that is not here. Undefined: nobody who answers has it. */
  readonly find: (id: string) => Promise<SealKey | undefined>
  readonly held: () => readonly SealKey[]
}

export const keyNamed = (key: Uint8Array): SealKey => {
  if (key.length !== sealKeyBytes) throw new RangeError(`a key that seals has ${sealKeyBytes} bytes`)
  const sum = createHash('sha256').update('manifold config key').update(key)
  return { id: sum.digest('hex').slice(0, 2 * idBytes), key }
}

/** One key for ever. */
export const oneKey = (key: Uint8Array): SealKeys => {
  const named = keyNamed(key)
  return {
    sealing: (work) => work(named),
    find: async (id) => (id === named.id ? named : undefined),
    held: () => [named],
  }
}

/** Keys for one purpose, of keys for several; each goes by the id of the one that it is derived from. */
export const derivedKeys = (keys: SealKeys, purpose: string): SealKeys => {
  const made = new Map<string, SealKey>()
  const derive = (from: SealKey): SealKey => {
    const known = made.get(from.id)
    if (known !== undefined) return known
    const derived = { id: from.id, key: Buffer.from(hkdfSync('sha256', from.key, '', purpose, sealKeyBytes)) }
    made.set(from.id, derived)
    return derived
  }
  return {
    sealing: (work) => keys.sealing((key) => work(derive(key))),
    async find(id) {
      const found = await keys.find(id)
      return found && derive(found)
    },
    held: () => keys.held().map(derive),
  }
}

export const seal = ({ id, key }: SealKey, name: string, plain: string): Buffer => {
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  cipher.setAAD(Buffer.from(name))
  const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
  return Buffer.concat([mark, Buffer.from(id, 'hex'), iv, cipher.getAuthTag(), sealed])
}

/** Id of the key that sealed it; undefined: that was before keys had names. */
export const keyIdOf = (sealed: Uint8Array): string | undefined => {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  if (bytes.length < mark.length + idBytes || !bytes.subarray(0, mark.length).equals(mark)) return undefined
  return bytes.subarray(mark.length, mark.length + idBytes).toString('hex')
}

/**
 * @throws EffectFailed `key_missing`; Error when it was sealed with another key, under another name, or
 *   changed since
 */
export const unseal = async (keys: SealKeys, name: string, sealed: Uint8Array): Promise<string> => {
  const id = keyIdOf(sealed)
  if (id === undefined) return openWithAny(keys.held(), name, sealed)
  const found = await keys.find(id)
  if (found === undefined)
    throw new EffectFailed('key_missing', `it is sealed with key ${id}, which this host does not have`)
  return openWith(found.key, name, sealed.subarray(mark.length + idBytes))
}

const openWithAny = (keys: readonly SealKey[], name: string, sealed: Uint8Array): string => {
  let failure: unknown = new EffectFailed('key_missing', 'this host has no key that opens it')
  for (const { key } of keys) {
    try {
      return openWith(key, name, sealed)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

const openWith = (key: Uint8Array, name: string, sealed: Uint8Array): string => {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, ivBytes))
  decipher.setAAD(Buffer.from(name))
  decipher.setAuthTag(sealed.subarray(ivBytes, ivBytes + tagBytes))
  return Buffer.concat([decipher.update(sealed.subarray(ivBytes + tagBytes)), decipher.final()]).toString(
    'utf8',
  )
}
