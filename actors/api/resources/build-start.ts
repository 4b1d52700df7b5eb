/**
 * Builds from source that was not pushed: where to upload it, a build of it, stopping a build, and the cache
 * that builds leave.
 */
import { is, refAt } from '../../../src/runtime/index.ts'
import { purgeKey } from '../../protocols/build-record.ts'
import { Build, Builds, type BuildArchive, type BuildView } from '../../protocols/build.ts'
import { sourceAt, sourceObject, sourcePath, sourceTimes } from '../../protocols/source.ts'
import type { Edge } from '../edge.ts'
import { accepted, created, endpoint, type Reply, type Request } from '../endpoint.ts'
import { invalid } from '../errors.ts'
import { buildBody } from '../shapes/release.ts'
import { thisApp } from './app-of.ts'
import { buildOf } from './build-of.ts'
import { known } from './buildpacks.ts'

const checksumForm = /^SHA256:[0-9a-f]{64}$/i
const urlCharsMax = 4_096
const wordsCharsMax = 1_000
/** A compilation that is told to stop has ended within this. */
const stopMs = 5_000

export const blobShape = is.obj({
  url: is.str,
  version: is.opt(is.orNull(is.str)),
  checksum: is.opt(is.orNull(is.str)),
  version_description: is.opt(is.orNull(is.str)),
})
type Blob = {
  readonly url: string
  readonly version?: string | null
  readonly checksum?: string | null
  readonly version_description?: string | null
}

export const buildStart = [
  endpoint({
    name: 'sources.create',
    http: { method: 'POST', path: '/sources', also: ['/apps/:app/sources'] },
    summary: 'Addresses to upload source to, and to build it from',
    changes: false,
    run: (_, edge) => created(sourceBody(edge)),
  }),
  endpoint({
    name: 'builds.create',
    http: { method: 'POST', path: '/apps/:app/builds' },
    summary: 'Build an app from a source archive',
    needs: 'deploy',
    body: is.obj({
      source_blob: blobShape,
      buildpacks: is.opt(is.orNull(is.arr(is.obj({ url: is.opt(is.str), name: is.opt(is.str) })))),
    }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const { source_blob: blob, buildpacks } = request.body
      const archive = archiveOf(blob, edge)
      const own: string[] = []
      for (const { url, name } of buildpacks ?? []) own.push(await known(url ?? name, edge))
      const build = edge.random.uuid()
      const job = {
        appId: app.id,
        appName: app.name,
        version: (blob.version ?? '').slice(0, wordsCharsMax),
        sourceDir: '',
        submodules: [],
        archive,
        ...(own.length > 0 && { buildpacks: own }),
        by: request.who,
      }
      await request.ask(refAt(Builds, 'builds', edge.host), { type: 'start', buildId: build, job })
      const view = await request.ask(refAt(Build, build, edge.host), { type: 'begun' }, { resource: 'build' })
      return created(buildBody(view, app, edge.settings))
    },
  }),
  endpoint({
    name: 'builds.cancel',
    http: { method: 'DELETE', path: '/apps/:app/builds/:build' },
    summary: 'Stop a build that is under way',
    needs: 'deploy',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const build = await buildOf(app.id, request.params.build, edge)
      if (build.status !== 'pending') throw invalid(`Build ${build.id} is over: it ${build.status}.`)
      const { host } = build
      if (host === undefined) throw invalid(`Nobody knows where build ${build.id} runs.`)
      return stopped(request, build, refAt(Build, build.id, host)).then((view): Reply => ({
        status: 202,
        body: buildBody(view, app, edge.settings),
      }))
    },
  }),
  endpoint({
    name: 'build-cache.purge',
    http: { method: 'DELETE', path: '/apps/:app/build-cache' },
    summary: 'Empty the cache of builds to come',
    needs: 'deploy',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const key = purgeKey(app.id)
      const mark = Buffer.from(edge.random.uuid())
      const entry = await edge.store.get(key)
      await (entry === undefined
        ? edge.store.create(key, mark)
        : edge.store.update(key, mark, entry.revision))
      return accepted()
    },
  }),
]

const sourceBody = ({ random, signed, now }: Edge): object => {
  const nowMs = now()
  const path = sourcePath(sourceObject(random.uuid(), nowMs + sourceTimes.keptMs))
  return {
    source_blob: {
      get_url: signed.make('GET', path, nowMs + sourceTimes.getMs),
      put_url: signed.make('PUT', path, nowMs + sourceTimes.putMs),
    },
  }
}

/** Throws Heroku's 422 for what can be no source. */
export const archiveOf = ({ url, checksum, version_description }: Blob, edge: Edge): BuildArchive => {
  const text = url.trim()
  if (text.length > urlCharsMax || !URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw invalid('source_blob.url must be the http or https address of a gzip tar.')
  if (checksum != null && !checksumForm.test(checksum))
    throw invalid('source_blob.checksum must be SHA256: and 64 hex digits.')
  const object = edge.signed.holds('GET', text) ? sourceAt(new URL(text).pathname) : undefined
  return {
    url: text,
    checksum: checksum ?? null,
    description: version_description?.slice(0, wordsCharsMax) ?? null,
    object: object ?? null,
  }
}

/** As it ended, or as it was when it takes its time. */
const stopped = async (
  request: Request,
  build: BuildView,
  at: ReturnType<typeof refAt<typeof Build>>,
): Promise<BuildView> => {
  request.tell(at, { type: 'cancel' })
  return request.ask(at, { type: 'finished' }, { timeoutMs: stopMs }).catch(() => build)
}
