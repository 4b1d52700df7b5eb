/** Releases and slugs: what an app has run, and going back to it. */
import { is, ref } from '../../../src/runtime/index.ts'
import { Releases } from '../../protocols/releases.ts'
import type { Slug } from '../../protocols/shapes.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { cut, list } from '../range.ts'
import { releaseBody, slugBody } from '../shapes/release.ts'
import { thisApp } from './app-of.ts'

const commitDigits = 8

export const releases = [
  endpoint({
    name: 'releases.list',
    http: { method: 'GET', path: '/apps/:app/releases' },
    summary: 'Releases of an app',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const ledger = await request.ask(ref(Releases, app.id), { type: 'list' })
      const page = cut(ledger.releases, request.range, { version: (r) => r.version, id: (r) => r.id })
      return list(
        page,
        page.items.map((r) => releaseBody(r, app, r.version === ledger.currentVersion, edge.settings)),
      )
    },
  }),
  endpoint({
    name: 'releases.info',
    http: { method: 'GET', path: '/apps/:app/releases/:release' },
    summary: 'One release, by version or id',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const which = request.params.release.replace(/^v(?=\d+$)/, '')
      const found = await request.ask(ref(Releases, app.id), { type: 'find', which }, { resource: 'release' })
      return ok(releaseBody(found.release, app, found.current, edge.settings))
    },
  }),
  endpoint({
    name: 'releases.create',
    http: { method: 'POST', path: '/apps/:app/releases' },
    summary: 'Release a slug, or roll back to a release',
    body: is.obj({ slug: is.opt(is.str), release: is.opt(is.str), description: is.opt(is.str) }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const { release: to, slug: slugId, description } = request.body
      const ledger = ref(Releases, app.id)
      if (to !== undefined) {
        const made = await request.ask(
          ledger,
          { type: 'rollback', to, by: request.who },
          { resource: 'release' },
        )
        return created(releaseBody(made, app, made.status === 'succeeded', edge.settings))
      }
      if (slugId === undefined) throw invalid('Either slug or release is required.')
      const slug = await slugOf(request, app.id, slugId)
      const text = description ?? `Deploy ${slug.commit.slice(0, commitDigits)}`
      const deploy = { type: 'deploy', slug, description: text, by: request.who, isNew: true } as const
      const made = await request.ask(ledger, deploy)
      return created(releaseBody(made, app, made.status === 'succeeded', edge.settings))
    },
  }),
  endpoint({
    name: 'slugs.info',
    http: { method: 'GET', path: '/apps/:app/slugs/:slug' },
    summary: 'One slug of a release',
    run: async (request, edge) => ok(await slugAnswer(request, edge)),
  }),
]

const slugAnswer = async (
  request: Request<{ readonly app: string; readonly slug: string }>,
  edge: Edge,
): Promise<object> => {
  const app = await thisApp(request, edge)
  return slugBody(await slugOf(request, app.id, request.params.slug), edge.settings)
}

/** Slugs are known by the releases that carry them. */
const slugOf = async (request: Request, appId: string, slugId: string): Promise<Slug> => {
  const ledger = await request.ask(ref(Releases, appId), { type: 'list' })
  const carrier = ledger.releases.findLast((release) => release.slug?.id === slugId)
  if (carrier?.slug == null) throw notFound('slug')
  return carrier.slug
}
