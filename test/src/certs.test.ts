/** Certificates that are made and certificates that are given, held against openssl's own verifier. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { X509Certificate } from 'node:crypto'
import t, { type Test } from 'tap'
import { issue, issueFor, makeAuthority, makeKey, type Authority } from '../../src/certs/certificate.ts'
import { isCurrent, makePlatformCertificate, platformPairFor } from '../../src/certs/platform.ts'
import { readPair } from '../../src/certs/read.ts'

const now = Date.now()
const dayMs = 86_400_000
const root: Authority = { ...makeAuthority('test root', now, 100), commonName: 'test root' }

const folder = (t: Test): string => {
  const made = mkdtempSync(join(tmpdir(), 'manifold-certs-'))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** What openssl says of a chain, for a host name, trusting the root alone. */
const verify = (t: Test, chain: string, host: string): string => {
  const at = folder(t)
  writeFileSync(join(at, 'root.pem'), root.certificate)
  // The first of them is what is verified.
  writeFileSync(join(at, 'chain.pem'), chain)
  const args = ['verify', '-CAfile', join(at, 'root.pem'), '-untrusted', join(at, 'chain.pem')]
  const said = spawnSync('openssl', [...args, '-verify_hostname', host, join(at, 'chain.pem')], {
    encoding: 'utf8',
  })
  return said.status === 0 ? 'ok' : said.stderr + said.stdout
}

t.test('a wildcard serves the names directly below a domain, and only those', (t) => {
  const platform = makePlatformCertificate(root, 'apps.example.com', now)
  const shown = (name: string) => platformPairFor(platform, name, now).certificate
  t.equal(verify(t, shown('shop.apps.example.com'), 'shop.apps.example.com'), 'ok')
  t.equal(verify(t, shown('apps.example.com'), 'apps.example.com'), 'ok')
  t.match(verify(t, shown('shop.apps.example.com'), 'shop.example.com'), /hostname mismatch/i)
  t.equal(shown('anything.else'), platform.certificate, 'unknown names are shown the same')
  t.ok(isCurrent(platform, 'apps.example.com', now))
  t.notOk(isCurrent(platform, 'apps.example.org', now), 'another domain needs another')
  t.notOk(isCurrent(platform, 'apps.example.com', now + 780 * dayMs), 'and so does one that ends soon')
  t.end()
})

t.test('below a top-level name each name has a certificate, by an authority for nothing else', (t) => {
  const platform = makePlatformCertificate(root, 'localhost', now)
  const { certificate, key } = platformPairFor(platform, 'shop.localhost', now)
  t.equal(verify(t, certificate, 'shop.localhost'), 'ok')
  t.equal(key, platform.key)
  t.equal(platformPairFor(platform, 'a.b.localhost', now), platform, 'one label and no more')
  t.equal(platformPairFor(platform, '-x.localhost', now), platform)
  const signer = platform.signer!
  const stray = issueFor(signer, makeKey(), ['www.example.com'], now, 10) + signer.certificate
  t.match(verify(t, stray, 'www.example.com'), /permitted subtree violation/)
  t.end()
})

t.test('a given certificate is read with what it says, in whatever order its chain comes', (t) => {
  const at = folder(t)
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: at, stdio: 'pipe' })
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'k.pem',
    '-out',
    'c.pem',
    '-days',
    '9',
    '-subj',
    '/C=SE/CN=www.example.com',
    '-addext',
    'subjectAltName=DNS:www.example.com,DNS:*.Example.org,IP:127.0.0.1',
  )
  const [own, key] = [readFileSync(join(at, 'c.pem'), 'utf8'), readFileSync(join(at, 'k.pem'), 'utf8')]
  const { pair, facts } = readPair(root.certificate + own, key, now)
  t.match(facts, {
    names: ['www.example.com', '*.example.org'],
    subject: '/C=SE/CN=www.example.com',
    issuer: '/C=SE/CN=www.example.com',
    isSelfSigned: true,
    isTrusted: false,
  })
  t.equal(Math.round((facts.expiresAt - now) / dayMs), 9)
  t.equal(new X509Certificate(pair.certificate).subject, 'C=SE\nCN=www.example.com', 'the own one is first')
  t.equal(pair.certificate.match(/BEGIN/g)?.length, 2)
  const issued = issue(root, ['a.example'], now, 10)
  t.match(readPair(issued.certificate, issued.key, now).facts, { isSelfSigned: false, names: ['a.example'] })
  t.end()
})

t.test('what cannot be served is refused with the reason', (t) => {
  const { certificate, key } = issue(root, ['a.example'], now, 10)
  const at = folder(t)
  execFileSync('openssl', ['genrsa', '-out', join(at, 'short.pem'), '1024'], { stdio: 'pipe' })
  const short = readFileSync(join(at, 'short.pem'), 'utf8')
  execFileSync(
    'openssl',
    ['req', '-x509', '-key', join(at, 'short.pem'), '-subj', '/CN=a', '-out', join(at, 'c.pem')],
    { stdio: 'pipe' },
  )
  const refusals: readonly (readonly [string, string, RegExp])[] = [
    ['no pem', key, /No certificate given/],
    [certificate, 'no pem', /No key found/],
    [certificate, makeKey(), /Key does not match/],
    [certificate, '-----BEGIN ENCRYPTED PRIVATE KEY-----', /passphrase/],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', key, /cannot be read/],
    [certificate.repeat(11), key, /more than 10/],
    [certificate + ' '.repeat(70_000), key, /too large/],
    [readFileSync(join(at, 'c.pem'), 'utf8'), short, /cannot be used/],
  ]
  for (const [chain, given, reason] of refusals)
    t.throws(() => readPair(chain, given, now), { code: 'pair_refused', message: reason })
  t.throws(() => readPair(certificate, key, now + 11 * dayMs), /expired/)
  const names = Array.from({ length: 101 }, (_, at) => `n${at}.example`)
  const many = issue(root, names, now, 10)
  t.throws(() => readPair(many.certificate, many.key, now), /more than 100/)
  t.end()
})
