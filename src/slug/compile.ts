/**
 * The slug compiler: source in, slug out, in the order and with the words of Heroku's (spec/dyno.md §2.1,
 * §2.2).
 *
 * checkout → clean → detect → compile, buildpack after buildpack → release → Procfile → pack. Everything
 * that a stranger wrote runs in the sandbox; this process only reads what came of it.
 */
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeBench, scriptEnvironment, type Bench, type BenchOptions, type Pack } from './bench.ts'
import { buildpackName, locateBuildpack, parseBuildpack, type Builtins } from './buildpack.ts'
import { BuildFailure } from './failure.ts'
import { pack } from './pack.ts'
import { parseProcfile } from './procfile.ts'
import { parseRelease, type BuildpackRelease } from './release-yaml.ts'
import { cleanSource, readInside } from './source.ts'
import * as texts from './texts.ts'

export type CompileOptions = Omit<BenchOptions, 'deadlineMs'> & {
  /** Writes the source tree into a directory; its error's message is shown to the pusher. */
  checkout: (into: string) => Promise<void>
  /** The file to write the slug to. */
  slugFile: string
  /** As the app has them set; none: the built-in ones are asked in their order. */
  buildpacks: readonly string[]
  builtins: Builtins
  /** Directory of fetched buildpacks, shared by all builds. */
  buildpackStore: string
  /** Directory of compressed blocks of earlier slugs, shared by all builds. */
  blockCache?: string
  limits?: { timeoutMs?: number; slugBytesMax?: number }
}

export type Compiled = {
  readonly slugFile: string
  /** The compiled tree in `workDir`; with `adopt` this host need not unpack the slug. */
  readonly appDir: string
  /** Hex digits of the file's checksum. */
  readonly sha256: string
  readonly bytes: number
  /** The Procfile's types over the buildpack's defaults: what the release is made of. */
  readonly processTypes: Readonly<Record<string, string>>
  /** Those of the above that only the buildpack gave. */
  readonly defaultTypes: Readonly<Record<string, string>>
  /** What detect said: `Node.js`. */
  readonly buildpackDescription: string
  readonly buildpacks: readonly string[]
  /** Wishes of bin/release for an app's first deploy. */
  readonly addons: readonly string[]
  readonly configVars: Readonly<Record<string, string>>
  readonly stack: string
}

/** Heroku's limits. */
export const compileLimits = {
  timeoutMs: 15 * 60_000,
  slugBytesMax: 500 * 1024 ** 2,
  slugBytesSoft: 300 * 1024 ** 2,
}

const detectSet = `exec 3>&1
said=$("$1/bin/detect" "$2" 2>&1 1>&3); code=$?
[ $code -eq 0 ] || printf '%s\\n' "$said"
exit $code`

// Answers with the number of the first buildpack that fits and the name it gives.
const detectFirst = `build=$1; shift; n=0
for pack in "$@"; do
  if name=$(cd "$pack" && ./bin/detect "$build" 2>/dev/null); then printf '%s\\n%s\\n' $n "$name"; exit 0; fi
  n=$((n + 1))
done
exit 1`

// "export" files of earlier buildpacks set the environment of later ones.
const compileScript = `pack=$1 build=$2 cache=$3 env=$4; shift 4
for file in "$@"; do [ ! -f "$file" ] || . "$file"; done
exec "$pack/bin/compile" "$build" "$cache" "$env" 2>&1`

const releaseScript = 'exec "$1/bin/release" "$2" 2>/dev/null'

/**
 * Makes a slug. What Heroku prints goes to `onOutput` as it happens, up to the packed size; a failure's own
 * text does not: it comes with the BuildFailure that is thrown.
 */
export async function compile(options: CompileOptions): Promise<Compiled> {
  const timeoutMs = options.limits?.timeoutMs ?? compileLimits.timeoutMs
  try {
    return await build({ ...options, deadlineMs: Date.now() + timeoutMs })
  } catch (cause) {
    if (options.signal?.aborted === true) throw new BuildFailure('CANCELLED', texts.cancelled, { cause })
    throw cause
  }
}

async function build(options: CompileOptions & BenchOptions): Promise<Compiled> {
  const bench = await makeBench(options)
  bench.say(texts.building(options.stack))
  await options.checkout(bench.buildDir).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new BuildFailure('CHECKOUT_FAILED', texts.checkoutFailed(why), { cause })
  })
  const dropped = await cleanSource(bench.buildDir)
  if (dropped !== undefined) bench.say(texts.ignored(dropped))
  await bench.handOver(bench.buildDir)

  bench.say(texts.using(options.buildpacks.map(buildpackName)))
  const used =
    options.buildpacks.length === 0 ? await buildDetected(bench, options) : await buildSet(bench, options)
  const release = await releaseOf(bench, used)

  const procfile = parseProcfile((await readInside(bench.buildDir, 'Procfile')) ?? '')
  bench.say(texts.processTypes(Object.keys(procfile), Object.keys(release.defaultTypes)))
  bench.say(texts.compressing)
  const bytesMax = options.limits?.slugBytesMax ?? compileLimits.slugBytesMax
  const packed = await pack(options.workDir, {
    file: options.slugFile,
    bytesMax,
    ...(options.blockCache === undefined ? {} : { blockCache: options.blockCache }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  if (packed.bytes > bytesMax) throw new BuildFailure('TOO_LARGE', texts.tooLarge(packed.bytes, bytesMax))
  bench.say(texts.compressed(packed.bytes))
  return {
    slugFile: options.slugFile,
    appDir: bench.buildDir,
    ...packed,
    processTypes: { ...release.defaultTypes, ...procfile },
    defaultTypes: Object.fromEntries(
      Object.entries(release.defaultTypes).filter(([type]) => !Object.hasOwn(procfile, type)),
    ),
    buildpackDescription: bench.language,
    buildpacks: used.map((each) => each.name),
    addons: release.addons,
    configVars: release.configVars,
    stack: options.stack,
  }
}

/** No buildpack is set: the first built-in one that fits builds. */
async function buildDetected(bench: Bench, options: CompileOptions): Promise<Pack[]> {
  const packs: Pack[] = []
  for (const [name, dir] of Object.entries(options.builtins)) packs.push(await bench.addPack(name, dir))
  const first = packs[0]
  if (first === undefined) throw new BuildFailure('NO_LANGUAGE', texts.noLanguage)
  const targets = packs.map((each) => each.target)
  const { code, output } = await bench.run(detectFirst, [bench.paths.build, ...targets], first, true)
  const [at = '', name = ''] = output.split('\n')
  const chosen = packs[Number(at)]
  if (code !== 0 || chosen === undefined) throw new BuildFailure('NO_LANGUAGE', texts.noLanguage)
  await compileWith(bench, chosen, [], name)
  return [chosen]
}

/** Every buildpack that is set detects and compiles, in order. */
async function buildSet(bench: Bench, options: CompileOptions & BenchOptions): Promise<Pack[]> {
  const packs: Pack[] = []
  for (const text of options.buildpacks) {
    const source = parseBuildpack(text, options.builtins)
    const name = buildpackName(text)
    if (source === undefined) throw new BuildFailure('UNKNOWN_BUILDPACK', texts.unknownBuildpack(name))
    const dir = await locateBuildpack(source, options.builtins, {
      sandbox: options.sandbox,
      store: options.buildpackStore,
      env: scriptEnvironment(options),
      handOver: bench.handOver,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
    const pack = await bench.addPack(name, dir)
    const { code, output } = await bench.run(detectSet, [pack.target, bench.paths.build], pack, true)
    if (code !== 0) throw new BuildFailure('NOT_COMPATIBLE', texts.notCompatible(text, output))
    await compileWith(bench, pack, packs, output)
    packs.push(pack)
  }
  return packs
}

async function compileWith(bench: Bench, pack: Pack, earlier: readonly Pack[], said: string): Promise<void> {
  bench.language = said.trim().split('\n')[0] || pack.name
  bench.say(texts.detected(bench.language))
  const { build, cache, env } = bench.paths
  const exports = earlier.map((each) => `${each.target}/export`)
  const { code } = await bench.run(compileScript, [pack.target, build, cache, env, ...exports], pack)
  if (code !== 0) throw new BuildFailure('COMPILE_FAILED', texts.compileFailed(bench.language))
}

/** Only the last buildpack's bin/release counts; it need not have one. */
async function releaseOf(bench: Bench, packs: readonly Pack[]): Promise<BuildpackRelease> {
  const last = packs.at(-1)
  if (last === undefined || !(await isFile(join(last.source, 'bin/release')))) return parseRelease('')
  const { code, output } = await bench.run(releaseScript, [last.target, bench.paths.build], last, true)
  try {
    if (code !== 0) throw new TypeError(`it ended with ${code}`)
    return parseRelease(output)
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new BuildFailure('RELEASE_FAILED', texts.badRelease(last.name, cause.message), { cause })
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw new Error(`cannot read ${path}`, { cause })
  }
}
