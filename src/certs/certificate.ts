/**
 * Certificates for this machine: an authority of its own, and a server certificate signed by it.
 *
 * X.509 v3 with ECDSA P-256 and SHA-256 (RFC 5280). The client of an attached run checks the name it dials
 * and sends no SNI, so every name has to be in the one certificate; Node accepts no wildcard below
 * `localhost`, so names are listed.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import * as der from './der.ts'

/** PEM texts. */
export type Pair = { readonly certificate: string; readonly key: string }

const dayMs = 86_400_000
const ecdsaWithSha256 = der.sequence(der.oid('1.2.840.10045.4.3.2'))
const digitalSignature = der.bits(Buffer.from([0x80]), 7)
const keyCertSignAndCrlSign = der.bits(Buffer.from([0x06]), 1)

/** @param days how long it is valid from `nowMs` on */
export const makeAuthority = (commonName: string, nowMs: number, days: number): Pair => {
  const key = newKey()
  const name = distinguishedName(commonName)
  const certificate = certify({ subject: name, issuer: name, publicKey: key, signer: key, nowMs, days }, [
    extension('2.5.29.19', der.sequence(der.truth()), true),
    extension('2.5.29.15', keyCertSignAndCrlSign, true),
    extension('2.5.29.14', der.octets(keyId(key))),
  ])
  return { certificate, key }
}

/**
 * A server certificate for `names` (host names and IP addresses), signed by `authority`.
 * @param authority as `makeAuthority` gave it, with the common name it was made with
 */
export const issue = (
  authority: Pair & { readonly commonName: string },
  names: readonly string[],
  nowMs: number,
  days: number,
): Pair => {
  const key = newKey()
  const subject = distinguishedName(names[0] ?? 'localhost')
  const issuer = distinguishedName(authority.commonName)
  const certificate = certify({ subject, issuer, publicKey: key, signer: authority.key, nowMs, days }, [
    extension('2.5.29.19', der.sequence(), true),
    extension('2.5.29.15', digitalSignature, true),
    extension('2.5.29.37', der.sequence(der.oid('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.17', der.sequence(...names.map(alternativeName))),
    extension('2.5.29.14', der.octets(keyId(key))),
    extension('2.5.29.35', der.sequence(der.implicit(0, keyId(authority.key)))),
  ])
  return { certificate, key }
}

type Fields = {
  readonly subject: Buffer
  readonly issuer: Buffer
  readonly publicKey: string
  readonly signer: string
  readonly nowMs: number
  readonly days: number
}

const certify = (f: Fields, extensions: readonly Buffer[]): string => {
  const body = der.sequence(
    der.explicit(0, der.integer(Buffer.from([2]))),
    // RFC 5280 §4.1.2.2: positive and unique; 16 random bytes with the top bit clear.
    der.integer(randomBytes(16).map((byte, index) => (index === 0 ? (byte & 0x3f) | 0x40 : byte))),
    ecdsaWithSha256,
    f.issuer,
    // A clock that is a little behind must not find it "not yet valid".
    der.sequence(der.time(f.nowMs - dayMs), der.time(f.nowMs + f.days * dayMs)),
    f.subject,
    publicKeyInfo(f.publicKey),
    der.explicit(3, der.sequence(...extensions)),
  )
  const signature = sign('sha256', body, createPrivateKey(f.signer))
  return pem(der.sequence(body, ecdsaWithSha256, der.bits(signature)))
}

const newKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })

const publicKeyInfo = (key: string): Buffer =>
  createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'der' })

/** RFC 5280 §4.2.1.2 asks for a value that differs between keys; a hash of the whole key info does. */
const keyId = (key: string): Buffer =>
  createHash('sha256').update(publicKeyInfo(key)).digest().subarray(0, 20)

const distinguishedName = (commonName: string): Buffer =>
  der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.utf8(commonName))))

const extension = (id: string, value: Buffer, critical = false): Buffer =>
  der.sequence(der.oid(id), ...(critical ? [der.truth()] : []), der.octets(value))

const alternativeName = (name: string): Buffer => {
  if (isIPv4(name)) return der.implicit(7, Buffer.from(name.split('.').map(Number)))
  if (isIPv6(name)) throw new TypeError(`no IPv6 address in a certificate: ${name}`)
  return der.implicit(2, Buffer.from(name, 'ascii'))
}

const pem = (bytes: Buffer): string => {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
