/**
 * Packing a slug: system tar's stream, compressed by all cores into one zstd file, hashed on the way.
 *
 * The stream is cut into blocks that become frames of their own (RFC 8878 §3: frames in sequence are one
 * file), so blocks compress in parallel on libuv's threads.
 */
import { spawn } from 'node:child_process'
import { createHash, type Hash } from 'node:crypto'
import { open, rm, type FileHandle } from 'node:fs/promises'
import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import { openBlocks } from './blocks.ts'
import { BuildFailure, SlugError } from './failure.ts'
import * as texts from './texts.ts'

export type Packed = { readonly sha256: string; readonly bytes: number }

export type PackOptions = {
  /** The file to write; replaced when it is there. */
  file: string
  /** Beyond this the rest is only counted, and no file is left. */
  bytesMax: number
  /** Beyond this before it is compressed it is given up: a file of holes has no end. */
  unpackedBytesMax?: number
  /** Is given what is written, as it is written; packing waits for it, and fails when it fails. */
  onFrame?: (frame: Uint8Array) => Promise<void>
  signal?: AbortSignal
}

/** What hosts unpack at most. */
export const unpackedBytesMaxDefault = 4 * 1024 ** 3

const compressBlock = promisify(zstdCompress)
/** Of a binary of Node: 5 ms a MB and 37 % left; level 3 takes 8 and leaves 33; gzip's quickest 14 and 39. */
const params = { [constants.ZSTD_c_compressionLevel]: 1 }
const blockBytes = 4 * 1024 ** 2
/**
 * A block that does not compress has room in one piece of output (zstd's own bound is a 256th more): by
 * default there is a turn of the event loop, and a piece of memory, for each 16 KB.
 */
const chunkSize = blockBytes + blockBytes / 256
const inFlightMax = 4
const stderrCharsMax = 4096

/**
 * Packs the directory `app` of `parent` so that every path starts with `./app`, owned by root, readable by
 * all and without set-id bits (a build's user must not make a root program). Sorted by name: equal trees
 * make equal streams. Throws BuildFailure TOO_LARGE for what no host would unpack.
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
  const { bytesMax, onFrame } = options
  const sink: Sink = { out, hash: createHash('sha256'), bytes: 0, bytesMax, onFrame }
  try {
    await compress(bounded(tar.stdout, options.unpackedBytesMax ?? unpackedBytesMaxDefault), sink)
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

type Sink = {
  readonly out: FileHandle
  readonly hash: Hash
  bytes: number
  readonly bytesMax: number
  readonly onFrame: PackOptions['onFrame']
}

async function compress(input: AsyncIterable<Buffer>, sink: Sink): Promise<void> {
  const inFlight: Promise<Buffer>[] = []
  const blocks = openBlocks(blockBytes)
  for await (const block of blocks.of(input)) {
    const frame = compressBlock(block, { params, chunkSize }).finally(() => blocks.done(block))
    frame.catch(() => undefined)
    inFlight.push(frame)
    if (inFlight.length >= inFlightMax) await put(sink, inFlight.shift())
  }
  for (const frame of inFlight) await put(sink, frame)
}

async function put(sink: Sink, frame: Promise<Buffer> | undefined): Promise<void> {
  const bytes = await frame
  if (bytes === undefined) return
  sink.hash.update(bytes)
  sink.bytes += bytes.length
  if (sink.bytes > sink.bytesMax) return
  await sink.out.writeFile(bytes)
  await sink.onFrame?.(bytes)
}

async function* bounded(input: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const chunk of input) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new BuildFailure('TOO_LARGE', texts.tooLargeUnpacked(bytesMax))
    yield chunk
  }
}
