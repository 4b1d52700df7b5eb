/**
 * A build's workbench: its directories, and running buildpack scripts on them in the sandbox.
 *
 * Inside, everything is where Heroku has it: the source at /tmp/build_<8 hex>, HOME at /app (empty,
 * writable), the cache and one file per config var beside; each buildpack's private copy at
 * /tmp/buildpack_<8 hex>_<n>, which is its scripts' working directory (buildpacks open their own files by
 * relative paths).
 */
import { execFile } from 'node:child_process'
import { chmod, lstat, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { promisify } from 'node:util'
import { borrowCache, keepCache } from './cache.ts'
import { BuildFailure } from './failure.ts'
import * as texts from './texts.ts'
import type { Mount, Sandbox } from './sandbox.ts'

export type BenchOptions = {
  sandbox: Sandbox
  /** Scratch directory of this build alone; the caller removes it afterwards. */
  workDir: string
  /** The app's cache, kept from build to successful build. On one file system with `workDir`. */
  cacheDir: string
  /** 8 hex digits that tell this build's directories from others'. */
  token: string
  stack: string
  sourceVersion: string
  requestId: string
  /** Config vars for ENV_DIR. */
  config: Readonly<Record<string, string>>
  /** The platform's share: see `passEnv`, and MANIFOLD_NODE_DIR with its mount for the Node.js buildpack. */
  platform: { env: Readonly<Record<string, string>>; mounts: readonly Mount[] }
  /** The user that jobs run as, when it is not this process's own: directories are made theirs. */
  owner?: { uid: number; gid: number }
  deadlineMs: number
  signal?: AbortSignal
  onOutput: (text: string) => void
}

/** `timeoutMs`: past it the script is killed and has failed, while the build goes on. */
type RunOptions = { readonly capture?: boolean; readonly timeoutMs?: number }

/** A buildpack of this build. */
export type Pack = { readonly name: string; readonly source: string; readonly target: string }

export type Bench = {
  readonly buildDir: string
  readonly paths: { readonly build: string; readonly cache: string; readonly env: string }
  /** Copies a buildpack's directory for this build. */
  readonly addPack: (name: string, dir: string) => Promise<Pack>
  /** Runs a bash script in a buildpack; output goes to the pusher, or is captured (the first 64 KiB). */
  readonly run: (
    script: string,
    args: readonly string[],
    at: Pack,
    options?: RunOptions,
  ) => Promise<{ code: number; output: string }>
  /** What the build left in its cache is what the next one finds. */
  readonly keepCache: () => Promise<void>
  /** Writes a line of our own; one that a buildpack left open is ended first. */
  readonly say: (text: string) => void
  readonly handOver: (dir: string) => Promise<void>
  /** What the time-out names. */
  language: string
  /** When the newest of the source was changed, in seconds since 1970. */
  sourceTime: number
}

const exec = promisify(execFile)
const captureCharsMax = 64 * 1024
const searchPath = '/usr/local/bin:/usr/bin:/bin'

/** The environment of buildpack scripts; config vars are not in it (they are files in ENV_DIR). */
export const scriptEnvironment = (options: BenchOptions): Record<string, string> => ({
  LANG: 'C.UTF-8',
  CURL_CONNECT_TIMEOUT: '30',
  CURL_TIMEOUT: '180',
  ...options.platform.env,
  PATH: searchPath,
  HOME: '/app',
  STACK: options.stack,
  SOURCE_VERSION: options.sourceVersion,
  REQUEST_ID: options.requestId,
  // Heroku builds in one-off dynos.
  DYNO: `run.${(Number.parseInt(options.token, 16) % 9000) + 1000}`,
})

/** Makes the directories. The source is to be put into `buildDir` afterwards. */
export async function makeBench(options: BenchOptions): Promise<Bench> {
  const { workDir, token } = options
  const buildDir = join(workDir, 'app')
  // Config vars lie in it: nobody else on this machine looks in (mounts need no way through).
  await mkdir(workDir, { recursive: true, mode: 0o700 })
  const dirs = {
    home: join(workDir, 'home'),
    env: join(workDir, 'env'),
    packs: join(workDir, 'packs'),
    cache: join(workDir, 'cache'),
  }
  for (const dir of [buildDir, dirs.home, dirs.env, dirs.packs]) await mkdir(dir, { recursive: true })
  await borrowCache(options.cacheDir, dirs.cache)
  for (const [name, value] of Object.entries(options.config))
    if (/^\w+$/.test(name)) await writeFile(join(dirs.env, name), value)

  const handOver = async (dir: string): Promise<void> => {
    const { owner } = options
    if (owner === undefined || (await stat(dir)).uid === owner.uid) return
    await exec('chown', ['-R', '-h', `${owner.uid}:${owner.gid}`, dir])
  }
  await handOver(dirs.home)
  await handOver(dirs.cache)

  const packs: Pack[] = []
  let lineOpen = false
  const emit = (text: string): void => {
    if (text === '') return
    lineOpen = !text.endsWith('\n')
    options.onOutput(text)
  }
  const paths = { build: `/tmp/build_${token}`, cache: `/tmp/cache_${token}`, env: `/tmp/env_${token}` }
  const bench: Bench = {
    buildDir,
    paths,
    language: 'the',
    sourceTime: 0,
    handOver,
    say: (text) => emit(lineOpen ? `\n${text}` : text),
    async addPack(name, dir) {
      // Its number is that of the call: several may be copied at once.
      const source = join(dirs.packs, String(packs.length))
      const pack = { name, source, target: `/tmp/buildpack_${token}_${packs.length}` }
      packs.push(pack)
      await exec('cp', ['-a', dir, source])
      // As Heroku does: some are kept without the bit. Files alone: a stranger's links may lead anywhere.
      const bin = join(source, 'bin')
      const entries = (await lstat(bin)).isDirectory() ? await readdir(bin, { withFileTypes: true }) : []
      for (const entry of entries) if (entry.isFile()) await chmod(join(bin, entry.name), 0o755)
      if (options.owner !== undefined)
        await exec('chown', ['-R', '-h', `${options.owner.uid}:${options.owner.gid}`, source])
      return pack
    },
    keepCache: () => keepCache(dirs.cache, options.cacheDir),
    async run(script, args, at, { capture = false, timeoutMs = Infinity } = {}) {
      const leftMs = options.deadlineMs - Date.now()
      const late = (): BuildFailure => new BuildFailure('TIMED_OUT', texts.timedOut(bench.language))
      if (leftMs <= 0) throw late()
      options.signal?.throwIfAborted()
      const decoder = new StringDecoder('utf8')
      let output = ''
      const take = (text: string): void => {
        if (!capture) emit(text)
        else if (output.length < captureCharsMax) output += text
      }
      const { code, timedOut } = await options.sandbox({
        argv: ['bash', '-c', script, 'buildpack', ...args],
        cwd: at.target,
        // What compiles Python, and makes archives, writes the same bytes each time then.
        env: { ...scriptEnvironment(options), SOURCE_DATE_EPOCH: String(bench.sourceTime) },
        mounts: [
          { source: buildDir, target: paths.build, mode: 'rw' },
          { source: dirs.home, target: '/app', mode: 'rw' },
          { source: dirs.cache, target: paths.cache, mode: 'rw' },
          { source: dirs.env, target: paths.env, mode: 'ro' },
          ...packs.map((pack) => ({ source: pack.source, target: pack.target, mode: 'rw' as const })),
          ...options.platform.mounts,
        ],
        onOutput: (bytes) => take(decoder.write(bytes)),
        timeoutMs: Math.min(leftMs, timeoutMs),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      })
      take(decoder.end())
      options.signal?.throwIfAborted()
      if (timedOut && leftMs <= timeoutMs) throw late()
      return { code, output }
    },
  }
  return bench
}
