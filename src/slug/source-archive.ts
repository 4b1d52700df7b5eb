/**
 * Source that comes as a gzip tar rather than by git: fetched, checked and unpacked in the sandbox, with the
 * build's own network and files, so that an address can reach nothing that a build could not, and a hostile
 * archive harms nobody else.
 *
 * What came of it is looked over before anything uses it: only files, directories and links that stay inside.
 */
import { chmod, lstat, mkdir, readdir, readlink, realpath } from 'node:fs/promises'
import { dirname, join, normalize, sep } from 'node:path'
import type { Mount, Sandbox } from './sandbox.ts'

export type SourceArchive = {
  /** Where to fetch it; undefined: it lies in `folder` as `source.tgz` already. */
  readonly url?: string
  /** Hex digits of the compressed file's checksum; undefined: anything will do. */
  readonly sha256?: string
}

export type FetchSourceOptions = {
  sandbox: Sandbox
  /** Scratch folder of this fetch alone, on the same file system as what is built; the caller removes it. */
  folder: string
  env: Readonly<Record<string, string>>
  /** What the variables name, beside the folder. */
  mounts: readonly Mount[]
  signal?: AbortSignal
  limits?: { archiveBytesMax?: number; unpackedBytesMax?: number; timeoutMs?: number }
}

/** An archive that cannot be had or is not taken; its message is one line for whoever sent it. */
export class SourceRefused extends Error {
  override readonly name = 'SourceRefused'
  readonly code = 'source_refused'
}

export const archiveLimits = {
  archiveBytesMax: 500 * 1024 ** 2,
  unpackedBytesMax: 4 * 1024 ** 3,
  timeoutMs: 5 * 60_000,
}

export const archiveFile = 'source.tgz'
const target = '/tmp/source'
const outputCharsMax = 2_000
/** How the script says what went wrong; what it printed says why. */
const exits = { fetch: 81, size: 82, checksum: 83, unpack: 84 }

// Brackets and braces in an address are its own (-g). One byte more than is allowed tells too much from just
// enough. Both bounds end a stream early, so the ends of all parts of a pipe are looked at.
const script = `cd "$1" || exit 1
set -o pipefail
if [ -n "$2" ]; then
  curl -gfsSL --proto '=http,https' --connect-timeout 30 --max-time "$6" -- "$2" | head -c $(($4 + 1)) > ${archiveFile}
  ends=("\${PIPESTATUS[@]}")
  [ $(stat -c %s ${archiveFile}) -le "$4" ] || exit ${exits.size}
  [ "\${ends[0]}" -eq 0 ] || exit ${exits.fetch}
fi
[ $(stat -c %s ${archiveFile}) -le "$4" ] || exit ${exits.size}
if [ -n "$3" ]; then
  sum=$(sha256sum < ${archiveFile} | cut -d ' ' -f 1)
  [ "$sum" = "$3" ] || { printf '%s' "$sum"; exit ${exits.checksum}; }
fi
mkdir tree || exit 1
gzip -dc ${archiveFile} | head -c "$5" | tar -x --no-same-owner -C tree || exit ${exits.unpack}
rm -f ${archiveFile}
chmod -R u+rwX tree`

/**
 * Gives the folder of the source. An archive with one folder around everything, as code hosts make them, is
 * taken without it. Throws SourceRefused; anything else is the platform's own trouble.
 */
export async function fetchSource(archive: SourceArchive, options: FetchSourceOptions): Promise<string> {
  const { folder } = options
  const limits = { ...archiveLimits, ...options.limits }
  await mkdir(folder, { recursive: true })
  let said = ''
  const bounds = [limits.archiveBytesMax, limits.unpackedBytesMax, Math.ceil(limits.timeoutMs / 1000)]
  const words = [target, archive.url ?? '', archive.sha256 ?? '', ...bounds.map(String)]
  const { code, timedOut } = await options.sandbox({
    argv: ['bash', '-c', script, 'source', ...words],
    cwd: '/',
    env: { ...options.env, HOME: target },
    mounts: [{ source: folder, target, mode: 'rw' }, ...options.mounts],
    onOutput: (bytes) => {
      said = (said + bytes.toString('utf8')).slice(-outputCharsMax)
    },
    timeoutMs: limits.timeoutMs,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  options.signal?.throwIfAborted()
  if (timedOut) throw new SourceRefused(`the source was not there within ${limits.timeoutMs / 1000} seconds.`)
  if (code !== 0) throw new SourceRefused(reason(code, said.trim(), archive, limits))
  const tree = await withoutWrapper(join(folder, 'tree'))
  await inspect(tree)
  return tree
}

const reason = (code: number, said: string, archive: SourceArchive, limits: typeof archiveLimits): string => {
  const last = said.split('\n').at(-1) ?? ''
  switch (code) {
    case exits.fetch:
      return `the source cannot be fetched: ${last || 'no answer'}`
    case exits.size:
      return `the source is larger than ${limits.archiveBytesMax / 1024 ** 2} MB.`
    case exits.checksum:
      return `the checksum of the source is SHA256:${last} and not SHA256:${archive.sha256}.`
    case exits.unpack:
      return said.includes("Member name contains '..'")
        ? "a path in the source contains '..'."
        : `the source is no gzip tar that can be unpacked: ${last || `tar ended with ${code}`}`
    default:
      return `the source cannot be unpacked: ${last || `ended with ${code}`}`
  }
}

async function withoutWrapper(tree: string): Promise<string> {
  const entries = await readdir(tree, { withFileTypes: true })
  const only = entries.length === 1 ? entries[0] : undefined
  return only?.isDirectory() === true ? join(tree, only.name) : tree
}

/** @throws SourceRefused for the first thing that does not belong there */
async function inspect(tree: string): Promise<void> {
  const root = await realpath(tree)
  await chmod(root, 0o755)
  const visit = async (at: string): Promise<void> => {
    for (const name of await readdir(join(root, at))) {
      const path = at === '' ? name : `${at}/${name}`
      const found = await lstat(join(root, path))
      if (found.isSymbolicLink()) {
        if (await leaves(root, join(root, path)))
          throw new SourceRefused(`the link ${path} leads out of the source.`)
      } else if (found.isDirectory()) await visit(path)
      else if (!found.isFile())
        throw new SourceRefused(`${path} is neither a file, a directory nor a link inside the source.`)
    }
  }
  await visit('')
}

/** Where it leads by way of other links; where to nothing, by its own words. */
async function leaves(root: string, link: string): Promise<boolean> {
  const words = await readlink(link)
  if (words.startsWith('/')) return true
  const end = await realpath(link).catch(() => normalize(join(dirname(link), words)))
  return end !== root && !end.startsWith(root + sep)
}
