/**
 * Unpacking a slug: its bytes are verified first, then it appears in its place in one step, or not at all.
 *
 * Slugs made elsewhere come in through the API, so an archive is not trusted: only what lies under ./app is
 * kept, nothing may leave it, and only files, directories and links are taken.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, mkdir, mkdtemp, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { SlugError } from './failure.ts'
import { unpackedBytesMaxDefault } from './pack.ts'
import { removeTree } from './remove-tree.ts'
import { isZstd, zstdMagicBytes } from './zstd.ts'

export type UnpackOptions = {
  file: string
  /** Hex digits of the compressed file's checksum. */
  sha256: string
  /**
   * The directory that is to be the app's; its parent is made when missing. When it is there already, it is
   * kept.
   */
  into: string
  /** Bound on what comes out of the archive, in bytes. */
  unpackedBytesMax?: number
  signal?: AbortSignal
}

const timeoutMs = 300_000
// head ends the stream early when there is too much, which tar reports as a damaged archive.
const extract = '"$1" -dcq "$2" | head -c "$3" | tar -x --no-same-owner -C "$4"'
const outputCharsMax = 4096

/** Heroku's R17 says it so: the missing "not" is theirs. */
export const wrongChecksum = (expected: string, actual: string): string =>
  `Checksum does match expected value. Expected: SHA256:${expected} Actual: SHA256:${actual}`

/**
 * Verifies and unpacks. Everything becomes writable by its owner, this process's user, and no more:
 * containers see it as their own by id-mapped mounts or private copies. The directory is a cache: after a
 * power cut it may be torn, so keep it where it goes with the boot.
 * Throws SLUG_CHECKSUM (Heroku's R17, with its text), SLUG_UNSAFE or SLUG_DAMAGED.
 */
export async function unpack(options: UnpackOptions): Promise<void> {
  const actual = await checksum(options.file)
  if (actual !== options.sha256.toLowerCase())
    throw new SlugError('SLUG_CHECKSUM', wrongChecksum(options.sha256, actual))
  await mkdir(dirname(options.into), { recursive: true })
  const scratch = await mkdtemp(`${options.into}.part-`)
  try {
    const bytesMax = String(options.unpackedBytesMax ?? unpackedBytesMaxDefault)
    const argv = ['sh', await decompressorOf(options.file), options.file, bytesMax, scratch]
    const tar = await run('sh', ['-c', extract, ...argv], options.signal)
    if (tar.code !== 0) throw refusal(tar.output)
    const app = join(scratch, 'app')
    if (!(await isDirectory(app))) throw new SlugError('SLUG_DAMAGED', 'there is no ./app in the slug')
    await settle(app, options.into, options.signal)
  } finally {
    await removeTree(scratch)
  }
}

/**
 * Makes a tree that this host compiled what `unpack` would make of its slug: the same rights, owned by
 * root, moved into place. The tree must lie on the same file system as `into`, and nobody may write to it any
 * more; a file with a second name (a hard link) could be written through that, so it is refused.
 */
export async function adopt(app: string, into: string, signal?: AbortSignal): Promise<void> {
  await mkdir(dirname(into), { recursive: true })
  const shared = await run('find', [app, '-type', 'f', '-links', '+1', '-print', '-quit'], signal)
  if (shared.output !== '')
    throw new SlugError('SLUG_UNSAFE', `has another name too: ${shared.output.trim()}`)
  if (process.getuid?.() === 0) await must('chown', ['-R', '-h', '0:0', app], signal)
  await settle(app, into, signal)
}

async function settle(app: string, into: string, signal: AbortSignal | undefined): Promise<void> {
  const kinds = ['!', '-type', 'f', '!', '-type', 'd', '!', '-type', 'l', '-print', '-quit']
  const odd = await run('find', [app, ...kinds], signal)
  if (odd.output !== '')
    throw new SlugError('SLUG_UNSAFE', `not a file, directory or link: ${odd.output.trim()}`)
  await must('chmod', ['-R', 'a+rX,u+w,ug-s', app], signal)
  await rename(app, into).catch(async (cause: unknown) => {
    // Another unpacking of the same slug was first: its result is as good.
    if (!(await isDirectory(into))) throw new SlugError('SLUG_DAMAGED', `cannot move into ${into}`, { cause })
  })
}

async function must(
  command: string,
  argv: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { code, output } = await run(command, argv, signal)
  if (code !== 0) throw new SlugError('SLUG_DAMAGED', `${command}: ${output.trim()}`)
}

/** Slugs that come in through the API may be of gzip, as Heroku's are. */
const decompressorOf = async (file: string): Promise<'zstd' | 'gzip'> => {
  const opened = await open(file, 'r')
  try {
    const { buffer } = await opened.read(Buffer.alloc(zstdMagicBytes), 0, zstdMagicBytes, 0)
    return isZstd(buffer) ? 'zstd' : 'gzip'
  } finally {
    await opened.close()
  }
}

/** SHA-256 of a file, in hex. */
export async function checksum(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), hash)
  return hash.digest('hex')
}

const refusal = (said: string): SlugError =>
  said.includes("Member name contains '..'")
    ? new SlugError('SLUG_UNSAFE', "a path in the slug contains '..'")
    : new SlugError('SLUG_DAMAGED', `tar: ${said.trim()}`)

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw new SlugError('SLUG_DAMAGED', `cannot read ${path}`, { cause })
  }
}

function run(
  command: string,
  argv: readonly string[],
  signal: AbortSignal | undefined,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, argv, { stdio: ['ignore', 'pipe', 'pipe'], signal, timeout: timeoutMs })
    let output = ''
    const keep = (text: string): void => {
      output = (output + text).slice(-outputCharsMax)
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    child.once('error', (cause) =>
      reject(new SlugError('SLUG_DAMAGED', `${command}: ${cause.message}`, { cause })),
    )
    child.once('close', (code) => resolve({ code: code ?? 1, output }))
  })
}
