/**
 * The slug compiler: source in, slug out, in the order and with the words of Heroku's (spec/dyno.md §2.1,
 * §2.2).
 *
 * checkout → clean → detect → compile, buildpack after buildpack → release → Procfile → pack. Everything
 * that a stranger wrote runs in the sandbox; this process only reads what came of it.
 */
import { makeBench, scriptEnvironment, type Bench, type BenchOptions, type Pack } from './bench.ts'
import { buildpackName, locateBuildpack, parseBuildpack, type FindNamed } from './buildpack.ts'
import { BuildFailure } from './failure.ts'
import { pack } from './pack.ts'
import { parseProcfile } from './procfile.ts'
import { compileWith, detect, detectAll, releaseOf } from './scripts.ts'
import { cleanSource, readInside } from './source.ts'
import { installSubmodules, type Submodule } from './submodules.ts'
import * as texts from './texts.ts'
import { boundTimes, newestTime } from './times.ts'

export type CompileOptions = Omit<BenchOptions, 'deadlineMs'> & {
  /** Writes the source tree into a directory; its error's message is shown to the pusher. */
  checkout: (into: string) => Promise<unknown>
  /** Where in it the commits of other repositories are to be. */
  submodules?: readonly Submodule[]
  /** The file to write the slug to. */
  slugFile: string
  /** Is given the slug piece by piece while it is packed; packing waits for it, and fails when it fails. */
  onSlug?: (piece: Uint8Array) => Promise<void>
  /** As the app has them set; none: the default ones are asked in their order. */
  buildpacks: readonly string[]
  /** Names of the buildpacks that are asked when none is set. */
  defaults: readonly string[]
  /** Those of the defaults that are taken only when none of the others fits. */
  fallbacks?: readonly string[]
  findNamed: FindNamed
  /** Directory of fetched buildpacks, shared by all builds. */
  buildpackStore: string
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
  /** Those that built it, by name or address. */
  readonly buildpacks: readonly string[]
  /** The default one that was found rather than set; not a fallback, which is no choice to keep to. */
  readonly detected: string | undefined
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
  bench.sourceTime = await newestTime(bench.buildDir)
  await installSubmodules(bench, options.submodules ?? [])
  const dropped = await cleanSource(bench.buildDir)
  if (dropped !== undefined) bench.say(texts.ignored(dropped))
  await bench.handOver(bench.buildDir)

  const wanted = wantedBuildpacks(options)
  bench.say(texts.using(wanted.map(buildpackName)))
  const used =
    wanted.length === 0 ? await buildDetected(bench, options) : await buildSet(bench, wanted, options)
  const release = await releaseOf(bench, used)

  const procfile = parseProcfile((await readInside(bench.buildDir, 'Procfile')) ?? '')
  bench.say(texts.processTypes(Object.keys(procfile), Object.keys(release.defaultTypes)))
  bench.say(texts.compressing)
  await boundTimes(bench.buildDir, bench.sourceTime)
  const bytesMax = options.limits?.slugBytesMax ?? compileLimits.slugBytesMax
  const packed = await pack(options.workDir, {
    file: options.slugFile,
    bytesMax,
    ...(options.onSlug === undefined ? {} : { onFrame: options.onSlug }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  if (packed.bytes > bytesMax) throw new BuildFailure('TOO_LARGE', texts.tooLarge(packed.bytes, bytesMax))
  bench.say(texts.compressed(packed.bytes))
  await bench.keepCache()
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
    detected: used.map((each) => each.name).find((name) => wanted.length === 0 && !isFallback(name, options)),
    addons: release.addons,
    configVars: release.configVars,
    stack: options.stack,
  }
}

/** The config var is the way of before apps had lists of buildpacks; a list goes before it. */
function wantedBuildpacks({ buildpacks, config }: CompileOptions): readonly string[] {
  const legacy = config['BUILDPACK_URL']?.trim() ?? ''
  return buildpacks.length > 0 || legacy === '' ? buildpacks : [legacy]
}

const isFallback = (name: string, { fallbacks = [] }: CompileOptions): boolean => fallbacks.includes(name)

/** No buildpack is set: the first default one that fits builds. */
async function buildDetected(bench: Bench, options: CompileOptions & BenchOptions): Promise<Pack[]> {
  const dirs: { readonly name: string; readonly dir: string }[] = []
  for (const text of options.defaults) dirs.push(await fetchPack(text, bench, options))
  const copies = await Promise.allSettled(dirs.map(({ name, dir }) => bench.addPack(name, dir)))
  const failed = copies.find((each) => each.status === 'rejected')
  // All are over by now: nothing more is written into what a failed build clears away.
  if (failed !== undefined) throw failed.reason
  const packs = copies.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const fits = await detectAll(bench, packs)
  const sure = fits.filter(({ pack }) => !isFallback(pack.name, options))
  const chosen = sure[0] ?? fits[0]
  if (chosen === undefined) throw new BuildFailure('NO_LANGUAGE', texts.noLanguage)
  if (sure.length > 1) bench.say(texts.several(sure.map(({ said }) => said)))
  await compileWith(bench, chosen.pack, [], chosen.said)
  return [chosen.pack]
}

/** Every buildpack that is set detects and compiles, in order. */
async function buildSet(
  bench: Bench,
  buildpacks: readonly string[],
  options: CompileOptions & BenchOptions,
): Promise<Pack[]> {
  const packs: Pack[] = []
  for (const text of buildpacks) {
    const { name, dir } = await fetchPack(text, bench, options)
    const pack = await bench.addPack(name, dir)
    const { fits, said } = await detect(bench, pack)
    if (!fits) throw new BuildFailure('NOT_COMPATIBLE', texts.notCompatible(text, said))
    await compileWith(bench, pack, packs, said)
    packs.push(pack)
  }
  return packs
}

async function fetchPack(
  text: string,
  bench: Bench,
  options: CompileOptions & BenchOptions,
): Promise<{ readonly name: string; readonly dir: string }> {
  const name = buildpackName(text)
  const source = await parseBuildpack(text, options.findNamed)
  if (source === undefined) throw new BuildFailure('UNKNOWN_BUILDPACK', texts.unknownBuildpack(name))
  const dir = await locateBuildpack(source, {
    sandbox: options.sandbox,
    name,
    store: options.buildpackStore,
    env: scriptEnvironment(options),
    mounts: options.platform.mounts,
    handOver: bench.handOver,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  return { name, dir }
}
