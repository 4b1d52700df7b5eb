/**
 * Certificates of an authority of our own: a server's for this machine's users, a host's for other hosts.
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
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import * as der from './der.ts'

/** PEM texts. */
export type Pair = { readonly certificate: string; readonly key: string }
/** As `makeAuthority` gave it, with the common name it was made with. */
export type Authority = Pair & { readonly commonName: string }

const dayMs = 86_400_000
const ecdsaWithSha256 = der.sequence(der.oid('1.2.840.10045.4.3.2'))
const digitalSignature = der.bits(Buffer.from([0x80]), 7)
const keyCertSignAndCrlSign = der.bits(Buffer.from([0x06]), 1)
/** Path length 0: what it signs may sign nothing. */
const authorityOfLeaves = der.sequence(der.truth(), der.integer(Buffer.from([0])))
const serverAuth = der.oid('1.3.6.1.5.5.7.3.1')
const clientAuth = der.oid('1.3.6.1.5.5.7.3.2')

/** @param days how long it is valid from `nowMs` on */
export const makeAuthority = (commonName: string, nowMs: number, days: number): Pair => {
  const key = makeKey()
  const publicKey = createPublicKey(key)
  const name = distinguishedName(commonName)
  const certificate = certify({ subject: name, issuer: name, publicKey, signer: key, nowMs, days }, [
    extension('2.5.29.19', der.sequence(der.truth()), true),
    extension('2.5.29.15', keyCertSignAndCrlSign, true),
    extension('2.5.29.14', der.octets(keyId(publicKey))),
  ])
  return { certificate, key }
}

/** An authority below `authority` that may sign names at and below one domain, and no authorities. */
export const makeDomainAuthority = (
  authority: Authority,
  domain: string,
  nowMs: number,
  days: number,
): Authority => {
  const key = makeKey()
  const publicKey = createPublicKey(key)
  const commonName = `${authority.commonName} for ${domain}`
  const [subject, issuer] = [distinguishedName(commonName), distinguishedName(authority.commonName)]
  const permitted = der.explicit(0, der.sequence(alternativeName(domain)))
  const certificate = certify({ subject, issuer, publicKey, signer: authority.key, nowMs, days }, [
    extension('2.5.29.19', authorityOfLeaves, true),
    extension('2.5.29.15', keyCertSignAndCrlSign, true),
    extension('2.5.29.30', der.sequence(permitted), true),
    extension('2.5.29.14', der.octets(keyId(publicKey))),
    extension('2.5.29.35', signedBy(authority)),
  ])
  return { certificate, key, commonName }
}

/** A server certificate for `names` and a key that there is already. */
export const issueFor = (
  authority: Authority,
  key: string,
  names: readonly [string, ...string[]],
  nowMs: number,
  days: number,
): string =>
  certifyLeaf(authority, { commonName: names[0], publicKey: createPublicKey(key), names, nowMs, days }, [
    serverAuth,
  ])

/** A server certificate for `names` (host names and IPv4 addresses) with a key of its own. */
export const issue = (authority: Authority, names: readonly string[], nowMs: number, days: number): Pair => {
  const key = makeKey()
  const commonName = names[0] ?? 'localhost'
  const publicKey = createPublicKey(key)
  return {
    certificate: certifyLeaf(authority, { commonName, publicKey, names, nowMs, days }, [serverAuth]),
    key,
  }
}

/** Whom a host's certificate is for: its key stays with it. */
export type HostIdentity = {
  /** The host's name in the cluster: who it is to other hosts. */
  readonly commonName: string
  /** SubjectPublicKeyInfo in PEM; an EC key on P-256. */
  readonly publicKey: string
  /** Host names and IPv4 addresses at which it serves. */
  readonly names: readonly string[]
  readonly nowMs: number
  readonly days: number
}

/**
 * A certificate with which a host serves others and is their client.
 * @throws TypeError when the public key is no EC key on P-256
 */
export const issueHost = (authority: Authority, host: HostIdentity): string =>
  certifyLeaf(authority, { ...host, publicKey: publicKeyOf(host.publicKey) }, [serverAuth, clientAuth])

/** PEM (PKCS #8) of a fresh private key. */
export const makeKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })

/** The public half in PEM (SubjectPublicKeyInfo) of a private key in PEM. */
export const publicHalf = (key: string): string =>
  createPublicKey(key).export({ type: 'spki', format: 'pem' })

/** @throws TypeError when it is no EC key on P-256 */
export const publicKeyOf = (pem: string): KeyObject => {
  const key = publicOrUndefined(pem)
  if (key?.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new TypeError('not an EC key on P-256')
  return key
}

const publicOrUndefined = (pem: string): KeyObject | undefined => {
  // A private key in its place would be taken for its public half.
  if (!pem.startsWith('-----BEGIN PUBLIC KEY-----')) return undefined
  try {
    return createPublicKey(pem)
  } catch {
    return undefined
  }
}

/** What names a key for ever, whatever certificates are made for it: sha256 in hex of its SPKI. */
export const keySum = (publicKey: KeyObject): string =>
  createHash('sha256').update(publicKeyInfo(publicKey)).digest('hex')

/** sha256 in hex of a certificate (DER); of the authority's it is what a joiner pins. */
export const certificateSum = (certificate: string | Uint8Array): string =>
  createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex')

type Leaf = Omit<HostIdentity, 'publicKey'> & { readonly publicKey: KeyObject }

const certifyLeaf = (authority: Authority, leaf: Leaf, uses: readonly Buffer[]): string => {
  const { publicKey, nowMs, days } = leaf
  const subject = distinguishedName(leaf.commonName)
  const issuer = distinguishedName(authority.commonName)
  return certify({ subject, issuer, publicKey, signer: authority.key, nowMs, days }, [
    extension('2.5.29.19', der.sequence(), true),
    extension('2.5.29.15', digitalSignature, true),
    extension('2.5.29.37', der.sequence(...uses)),
    extension('2.5.29.17', der.sequence(...leaf.names.map(alternativeName))),
    extension('2.5.29.14', der.octets(keyId(publicKey))),
    extension('2.5.29.35', signedBy(authority)),
  ])
}

/** The authority key identifier. */
const signedBy = ({ key }: Authority): Buffer => der.sequence(der.implicit(0, keyId(createPublicKey(key))))

type Fields = {
  readonly subject: Buffer
  readonly issuer: Buffer
  readonly publicKey: KeyObject
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

const publicKeyInfo = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' })

/** RFC 5280 §4.2.1.2 asks for a value that differs between keys; a hash of the whole key info does. */
const keyId = (key: KeyObject): Buffer =>
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
