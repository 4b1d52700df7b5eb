/**
 * Host key: the Ed25519 key by which an SSH server is known, derived from a secret that all servers of the
 * same name have. Nothing has to be stored or handed on for it.
 */
import { createPrivateKey, createPublicKey, hkdfSync } from 'node:crypto'

export type HostKey = {
  /** In OpenSSH's own format. */
  readonly private: string
  /** `ssh-ed25519 AAAA…` */
  readonly public: string
}

const kind = 'ssh-ed25519'
const seedBytes = 32
/** PKCS #8 of an Ed25519 key (RFC 8410), up to its seed. */
const seedPrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const purpose = 'ssh host key'

/** The same secret gives the same key. */
export const hostKeyFrom = (secret: string | Uint8Array): HostKey => {
  const seed = Buffer.from(hkdfSync('sha256', secret, '', purpose, seedBytes))
  const key = createPrivateKey({
    key: Buffer.concat([seedPrefix, seed]),
    format: 'der',
    type: 'pkcs8',
  })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const point = spki.subarray(-seedBytes)
  const blob = Buffer.concat([text(kind), text(point)])
  return { private: openSsh(seed, point, blob), public: `${kind} ${blob.toString('base64')}` }
}

/** A string of the SSH protocol: its length, then its bytes. */
const text = (value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const blockBytes = 8

/** An unencrypted private key (OpenSSH's PROTOCOL.key). */
const openSsh = (seed: Buffer, point: Buffer, blob: Buffer): string => {
  // Equal numbers show that what is encrypted was decrypted well; this is not encrypted.
  const check = Buffer.concat([number(0), number(0)])
  const key = Buffer.concat([text(kind), text(point), text(Buffer.concat([seed, point])), text('')])
  const bare = Buffer.concat([check, key])
  const padding = Buffer.from(
    Array.from({ length: (blockBytes - (bare.length % blockBytes)) % blockBytes }, (_, at) => at + 1),
  )
  const whole = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    text('none'),
    text('none'),
    text(''),
    number(1),
    text(blob),
    text(Buffer.concat([bare, padding])),
  ])
  const lines = whole.toString('base64').match(/.{1,70}/g) ?? []
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n')
}
