/**
 * Keeps this machine's authority and server certificate in a directory: made once, renewed before they
 * expire.
 *
 * Keys are readable by their owner alone. The authority is made once for all, because users trust its file;
 * the server certificate is made again when its names change or its end is near.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { join } from 'node:path'
import { issue, makeAuthority, type Authority, type Pair } from './certificate.ts'

export type Certificates = {
  /** PEM file of the authority: what clients are told to trust. */
  readonly authorityPath: string
  readonly authority: string
  readonly server: Pair
}

export const authorityName = 'Manifold local authority'
const authorityDays = 3650
// Apple's and others' verifiers refuse server certificates of more than 825 days.
export const serverDays = 800
const renewBeforeMs = 30 * 86_400_000

/**
 * @param directory made when missing, mode 0700
 * @param names host names and IPv4 addresses of the server
 */
export const keepCertificates = async (
  directory: string,
  names: readonly string[],
  nowMs: number,
): Promise<Certificates> => {
  const authority = await keepAuthority(directory, nowMs)
  const fits = (pem: string): boolean =>
    isGoodFor(pem, names, nowMs) &&
    new X509Certificate(pem).verify(new X509Certificate(authority.certificate).publicKey)
  const server = await kept(directory, 'server', fits, () => issue(authority, names, nowMs, serverDays))
  return { authorityPath: join(directory, 'ca.pem'), authority: authority.certificate, server }
}

/**
 * The authority alone.
 * @param directory made when missing, mode 0700
 */
export const keepAuthority = async (directory: string, nowMs: number): Promise<Authority> => {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  // The key is written first, so this is a host that was given the certificate alone: making another
  // authority in its place would cut it off.
  if (existsSync(join(directory, 'ca.pem')) && !existsSync(join(directory, 'ca.key')))
    throw new Error(`${directory} holds the certificate of an authority whose key is elsewhere`)
  const pair = await kept(
    directory,
    'ca',
    (pem) => fresh(pem, nowMs),
    () => makeAuthority(authorityName, nowMs, authorityDays),
  )
  return { ...pair, commonName: authorityName }
}

/** Whether it is valid for a good while, and for all of `names`. */
export const isGoodFor = (certificate: string, names: readonly string[], nowMs: number): boolean =>
  fresh(certificate, nowMs) && names.every((name) => covers(new X509Certificate(certificate), name))

const fresh = (pem: string, nowMs: number): boolean =>
  new X509Certificate(pem).validToDate.getTime() - nowMs > renewBeforeMs

const covers = (certificate: X509Certificate, name: string): boolean =>
  (isIPv4(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined

const kept = async (
  directory: string,
  name: string,
  fits: (certificate: string) => boolean,
  make: () => Pair,
): Promise<Pair> => {
  const certificatePath = join(directory, `${name}.pem`)
  const keyPath = join(directory, `${name}.key`)
  const found = await read(certificatePath, keyPath)
  if (found !== undefined && fits(found.certificate)) return found
  const made = make()
  // The key first: a certificate without its key would be kept and fail every handshake.
  await replace(keyPath, made.key, 0o600)
  await replace(certificatePath, made.certificate, 0o644)
  return made
}

const read = async (certificatePath: string, keyPath: string): Promise<Pair | undefined> => {
  try {
    const [certificate, key] = await Promise.all([
      readFile(certificatePath, 'utf8'),
      readFile(keyPath, 'utf8'),
    ])
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
      ? { certificate, key }
      : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`cannot read ${certificatePath} or its key`, { cause: error })
  }
}

const replace = async (path: string, text: string, mode: number): Promise<void> => {
  await writeFile(`${path}.new`, text, { mode })
  await rename(`${path}.new`, path)
}
