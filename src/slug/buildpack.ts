/**
 * Buildpacks: from what an app has set (`heroku/nodejs`, a git URL with #ref, a tgz URL or path) to a
 * directory.
 *
 * Fetching runs in the sandbox, with the build's own network and files, so a URL can reach nothing that a
 * build could not. What was fetched is kept by its content (commit id or checksum) and shared by all
 * builds.
 */
import { randomBytes } from 'node:crypto'
import { lstat, mkdir, readdir, rename, stat, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BuildFailure } from './failure.ts'
import { readInside } from './source.ts'
import { removeTree } from './remove-tree.ts'
import * as texts from './texts.ts'
import type { Job, Mount, Sandbox } from './sandbox.ts'

export type BuildpackSource =
  /** A directory of this host, with the buildpack in it. */
  | { readonly kind: 'folder'; readonly dir: string }
  /** An archive on this host, in a folder that a build may read. */
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'git'; readonly url: string; readonly ref: string }
  | { readonly kind: 'tgz'; readonly url: string }

/** What a short name stands for; undefined when nobody knows it. */
export type FindNamed = (name: string) => Promise<BuildpackSource | undefined>

const fetchTimeoutMs = 90_000
const fetchTries = 3
const keptMax = 50
const registryTarget = '/tmp/registry'

/** The name under which a buildpack is shown: registry forms of a named one are cut down to the name. */
export function buildpackName(text: string): string {
  const registry = /^https:\/\/buildpack-registry\.[^/]+\/buildpacks\/([\w-]+\/[\w-]+)\.tgz$/.exec(text)
  return registry?.[1] ?? text.replace(/^urn:buildpack:/, '')
}

/** Reads what an app has set. Gives undefined when it is neither a known name nor a fetchable address. */
export async function parseBuildpack(text: string, find: FindNamed): Promise<BuildpackSource | undefined> {
  const name = buildpackName(text)
  return (await find(name)) ?? (await find(`heroku/${name}`)) ?? parseAddress(name)
}

/** A git URL, which may name a branch, tag or commit after `#`, or a tgz. */
export function parseAddress(text: string): BuildpackSource | undefined {
  // Names of branches may hold it too.
  const [url = '', ref = ''] = text.split(/#(.*)/s)
  if (!/^(https?|git|ssh|file):\/\/./.test(url) && !url.startsWith('/')) return undefined
  if (ref.startsWith('-')) return undefined
  return /\.(tgz|tar\.gz)(\?.*)?$/.test(url) ? { kind: 'tgz', url } : { kind: 'git', url, ref }
}

// A commit is no branch to clone by, and a repository of plain files (on a build mirror) has no shallow ones.
const fetchGit = `set -e; cd "$1"
branch=(); [ -z "$3" ] || branch=(--branch "$3")
if ! git clone -q --depth 1 "\${branch[@]}" -- "$2" pack 2>/dev/null; then
  rm -rf pack; git clone -q -- "$2" pack; [ -z "$3" ] || git -C pack checkout -q "$3"
fi
git -C pack rev-parse HEAD > id
rm -rf pack/.git; chmod 0755 pack/bin/*`

// A tgz made by a code host has one directory around everything.
const fetchTgz = `set -e; cd "$1"
case "$2" in
  *://*) curl -fsSL --connect-timeout 30 --max-time 80 -o pack.tgz -- "$2" ;;
  *) cp -- "$2" pack.tgz ;;
esac
sha256sum < pack.tgz | cut -d ' ' -f 1 > id
mkdir all; tar -xzf pack.tgz -C all
if [ -d all/bin ]; then mv all pack; else mv all/* pack; fi
chmod 0755 pack/bin/*`

export type FetchOptions = {
  sandbox: Sandbox
  /** As the pusher knows it. */
  name: string
  /** Directory of fetched buildpacks, shared by all builds. */
  store: string
  env: Readonly<Record<string, string>>
  /** What the variables name, beside the buildpack's own. */
  mounts: readonly Mount[]
  /** Makes a directory writable for the sandbox's user. */
  handOver: (dir: string) => Promise<void>
  signal?: AbortSignal
}

/**
 * Gives the directory of a buildpack, fetching it when need be: three tries of 90 s. Throws a BuildFailure.
 */
export async function locateBuildpack(source: BuildpackSource, options: FetchOptions): Promise<string> {
  if (source.kind === 'folder') return source.dir
  let said = ''
  for (let tries = 0; tries < fetchTries; tries++) {
    const part = join(options.store, `part-${randomBytes(6).toString('hex')}`)
    await mkdir(part, { recursive: true })
    await options.handOver(part)
    try {
      const fetched = await fetchOnce(source, part, options)
      if (fetched.id !== undefined) return await keep(part, fetched.id, options.store)
      said = fetched.said
    } finally {
      await removeTree(part)
    }
  }
  throw new BuildFailure('FETCH_FAILED', texts.fetchFailed(options.name, said))
}

async function fetchOnce(
  source: Exclude<BuildpackSource, { kind: 'folder' }>,
  part: string,
  options: FetchOptions,
): Promise<{ id?: string; said: string }> {
  const target = '/tmp/buildpack'
  const script = source.kind === 'git' ? fetchGit : fetchTgz
  const url = source.kind === 'file' ? `${registryTarget}/${basename(source.path)}` : source.url
  const beside: Mount[] =
    source.kind === 'file' ? [{ source: dirname(source.path), target: registryTarget, mode: 'ro' }] : []
  let said = ''
  const job: Job = {
    argv: ['bash', '-c', script, 'fetch', target, url, source.kind === 'git' ? source.ref : ''],
    cwd: '/',
    env: { ...options.env, HOME: target, GIT_TERMINAL_PROMPT: '0' },
    mounts: [{ source: part, target, mode: 'rw' }, ...beside, ...options.mounts],
    onOutput: (bytes) => {
      said = (said + bytes.toString('utf8')).slice(-2000)
    },
    timeoutMs: fetchTimeoutMs,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  }
  const { code, timedOut } = await options.sandbox(job)
  if (timedOut) return { said: `not fetched within ${fetchTimeoutMs / 1000} seconds` }
  if (code !== 0) return { said }
  const id = (await readInside(part, 'id'))?.trim() ?? ''
  // A link in its place would lead somewhere else on this host than in the sandbox.
  const isFolder = (await lstat(join(part, 'pack')).catch(() => undefined))?.isDirectory() === true
  return isFolder && /^[0-9a-f]{40,64}$/.test(id) ? { id, said } : { said: 'there is no bin directory in it' }
}

/** Moves what was fetched to its place by content; equal content that is there already is used instead. */
async function keep(part: string, id: string, store: string): Promise<string> {
  const dir = join(store, id)
  await rename(join(part, 'pack'), dir).catch((cause: unknown) => {
    const code = (cause as NodeJS.ErrnoException).code ?? ''
    if (!['ENOTEMPTY', 'EEXIST'].includes(code)) throw new Error(`cannot keep buildpack ${id}`, { cause })
  })
  const now = Date.now() / 1000
  await utimes(dir, now, now)
  await prune(store)
  return dir
}

/** Bounds the store: the fetched buildpacks that were used longest ago go. */
async function prune(store: string): Promise<void> {
  const names = (await readdir(store)).filter((name) => !name.startsWith('part-'))
  if (names.length <= keptMax) return
  const aged = await Promise.all(
    names.map(async (name) => ({ name, usedMs: (await stat(join(store, name))).mtimeMs })),
  )
  const old = aged.toSorted((a, b) => b.usedMs - a.usedMs).slice(keptMax)
  for (const { name } of old) await removeTree(join(store, name))
}
