/**
 * Packing a slug: system tar's stream, compressed by all cores into one gzip file, hashed on the way.
 *
 * The stream is cut into blocks that become gzip members of their own (RFC 1952 §2.2: members in sequence
 * are one file), so blocks compress in parallel on libuv's threads, and those of an earlier slug need not
 * be compressed again.
 */
import { spawn } from 'node:child_process'
import { createHash, type Hash } from 'node:crypto'
import { open, rm, type FileHandle } from 'node:fs/promises'
import { cachedBlock, compressBlock, pruneBlocks } from './block-cache.ts'
import { SlugError } from './failure.ts'

export type Packed = { readonly sha256: string; readonly bytes: number }

export type PackOptions = {
  /** The file to write; replaced when it is there. */
  file: string
  /** Beyond this the rest is only counted, and no file is left. */
  bytesMax: number
  /** Directory of compressed blocks of earlier slugs, shared by all builds. */
  blockCache?: string
  signal?: AbortSignal
}

const blockCacheBytesMax = 512 * 1024 ** 2
const blockBytes = 1024 * 1024
const inFlightMax = 4
const stderrCharsMax = 4096

/**
 * Packs the directory `app` of `parent` so that every path starts with `./app`, owned by root, readable by
 * all and without set-id bits (a build's user must not make a root program). Sorted by name: equal trees
 * make equal streams.
 */
export async function pack(parent: string, options: PackOptions): Promise<Packed> {
  const argv = ['--create', '--file=-', '--format=gnu', '--sort=name', '--hard-dereference']
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--mode=a+rX,ug-s']
  // Before tar starts: when a child ends, Node throws away what nobody reads from it yet.
  const out = await open(options.file, 'w', 0o600)
  const tar = spawn('tar', [...argv, ...owner, '-C', parent, './app'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
  })
  let stderr = ''
  tar.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-stderrCharsMax)
  })
  const ended = new Promise<number>((resolve, reject) => {
    tar.once('error', reject)
    tar.once('close', (code) => resolve(code ?? 1))
  })
  ended.catch(() => undefined)
  const sink: Sink = { out, hash: createHash('sha256'), bytes: 0, bytesMax: options.bytesMax }
  try {
    await compress(tar.stdout, sink, options.blockCache)
    const code = await ended
    if (code !== 0) throw new SlugError('SLUG_NOT_PACKED', `tar ended with ${code}: ${stderr.trim()}`)
  } catch (cause) {
    tar.kill('SIGKILL')
    await rm(options.file, { force: true })
    throw cause
  } finally {
    await out.close()
  }
  if (sink.bytes > options.bytesMax) await rm(options.file, { force: true })
  return { sha256: sink.hash.digest('hex'), bytes: sink.bytes }
}

type Sink = { readonly out: FileHandle; readonly hash: Hash; bytes: number; readonly bytesMax: number }

async function compress(input: AsyncIterable<Buffer>, sink: Sink, cache: string | undefined): Promise<void> {
  const inFlight: Promise<Buffer>[] = []
  for await (const block of blocks(input)) {
    // The last, short block is never met again.
    const whole = cache !== undefined && block.length === blockBytes
    const member = whole ? cachedBlock(cache, block) : compressBlock(block)
    member.catch(() => undefined)
    inFlight.push(member)
    if (inFlight.length >= inFlightMax) await put(sink, inFlight.shift())
  }
  for (const member of inFlight) await put(sink, member)
  if (cache !== undefined) await pruneBlocks(cache, blockCacheBytesMax)
}

async function put(sink: Sink, member: Promise<Buffer> | undefined): Promise<void> {
  const bytes = await member
  if (bytes === undefined) return
  sink.hash.update(bytes)
  sink.bytes += bytes.length
  if (sink.bytes <= sink.bytesMax) await sink.out.writeFile(bytes)
}

async function* blocks(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pending: Buffer[] = []
  let bytes = 0
  for await (const chunk of input) {
    let rest = chunk
    while (bytes + rest.length >= blockBytes) {
      const end = blockBytes - bytes
      yield Buffer.concat([...pending, rest.subarray(0, end)])
      rest = rest.subarray(end)
      pending = []
      bytes = 0
    }
    if (rest.length > 0) pending.push(rest)
    bytes += rest.length
  }
  if (bytes > 0) yield Buffer.concat(pending)
}
