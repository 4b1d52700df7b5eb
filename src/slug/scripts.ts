/**
 * A buildpack's scripts as Heroku calls them (spec/dyno.md §2.5): bin/detect, bin/compile, bin/release,
 * bin/report. Their working directory is the buildpack's root.
 */
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench, Pack } from './bench.ts'
import { BuildFailure } from './failure.ts'
import { parseRelease, type BuildpackRelease } from './release-yaml.ts'
import * as texts from './texts.ts'

/** It is not part of the build, and must not hold it up. */
const reportMsMax = 30_000

const detectOne = `exec 3>&1
said=$("$1/bin/detect" "$2" 2>&1 1>&3); code=$?
[ $code -eq 0 ] || printf '%s\\n' "$said"
exit $code`

// Of every buildpack that fits, its number and the name it gives.
const detectEach = `build=$1; shift; n=0
for pack in "$@"; do
  if name=$(cd "$pack" && ./bin/detect "$build" 2>/dev/null); then printf '%s %s\\n' $n "\${name%%$'\\n'*}"; fi
  n=$((n + 1))
done`

// "export" files of earlier buildpacks set the environment of later ones.
const compileScript = `pack=$1 build=$2 cache=$3 env=$4; shift 4
for file in "$@"; do [ ! -f "$file" ] || . "$file"; done
exec "$pack/bin/compile" "$build" "$cache" "$env" 2>&1`

const releaseScript = 'exec "$1/bin/release" "$2" 2>/dev/null'
const reportScript = 'exec "$1/bin/report" "$2" "$3" "$4"'

/** Whether a set buildpack takes the app; `said` is its name for it, or why not. */
export async function detect(bench: Bench, pack: Pack): Promise<{ fits: boolean; said: string }> {
  const { code, output } = await bench.run(detectOne, [pack.target, bench.paths.build], pack, {
    capture: true,
  })
  return { fits: code === 0, said: output }
}

/** Those of the buildpacks that take the app, in their order, each with its name for it. */
export async function detectAll(
  bench: Bench,
  packs: readonly Pack[],
): Promise<{ pack: Pack; said: string }[]> {
  const [first] = packs
  if (first === undefined) return []
  const targets = packs.map((each) => each.target)
  const { output } = await bench.run(detectEach, [bench.paths.build, ...targets], first, { capture: true })
  return output.split('\n').flatMap((line) => {
    const [at = '', said = ''] = line.split(/ (.*)/)
    const pack = at === '' ? undefined : packs[Number(at)]
    return pack === undefined ? [] : [{ pack, said }]
  })
}

/** `said` is what detect printed: what the app is. */
export async function compileWith(
  bench: Bench,
  pack: Pack,
  earlier: readonly Pack[],
  said: string,
): Promise<void> {
  bench.language = said.trim().split('\n')[0] || pack.name
  bench.say(texts.detected(bench.language))
  const { build, cache, env } = bench.paths
  const exports = earlier.map((each) => `${each.target}/export`)
  const { code } = await bench.run(compileScript, [pack.target, build, cache, env, ...exports], pack)
  await report(bench, pack)
  if (code !== 0) throw new BuildFailure('COMPILE_FAILED', texts.compileFailed(bench.language))
}

/** After good and bad builds alike; whatever comes of it is nobody's business. */
async function report(bench: Bench, pack: Pack): Promise<void> {
  if (!(await isFile(join(pack.source, 'bin/report')))) return
  const { build, cache, env } = bench.paths
  const bounded = { capture: true, timeoutMs: reportMsMax }
  await bench.run(reportScript, [pack.target, build, cache, env], pack, bounded)
}

/** Of the buildpacks of a build only the last one's bin/release counts; it need not have one. */
export async function releaseOf(bench: Bench, packs: readonly Pack[]): Promise<BuildpackRelease> {
  const last = packs.at(-1)
  if (last === undefined || !(await isFile(join(last.source, 'bin/release')))) return parseRelease('')
  const { code, output } = await bench.run(releaseScript, [last.target, bench.paths.build], last, {
    capture: true,
  })
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
