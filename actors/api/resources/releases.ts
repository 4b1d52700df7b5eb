/** Releases: what an app has run, and going back to it. */
import { is, ref } from '../../../src/runtime/index.ts'
import { Releases } from '../../protocols/releases.ts'
import { slugKey } from '../../protocols/slug-record.ts'
import { created, endpoint, ok } from '../endpoint.ts'
import { invalid } from '../errors.ts'
import { cut, listOf } from '../range.ts'
import { releaseBody } from '../shapes/release.ts'
import { thisApp } from './app-of.ts'
import { releasable } from './slug-of.ts'

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
      return listOf(page, (r) => releaseBody(r, app, r.version === ledger.currentVersion, edge.settings))
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
    needs: 'deploy',
    body: is.obj({
      slug: is.opt(is.str),
      release: is.opt(is.str),
      description: is.opt(is.str),
      oci_image: is.opt(is.orNull(is.str)),
    }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const { release: to, slug: slugId, description, oci_image: image } = request.body
      if (image != null) throw invalid('OCI images are not offered here: oci_image must be left out.')
      const ledger = ref(Releases, app.id)
      if (to !== undefined) {
        const made = await request.ask(
          ledger,
          { type: 'rollback', to, by: request.who },
          { resource: 'release' },
        )
        const body = releaseBody(made, app, made.status === 'succeeded', edge.settings)
        return { ...created(body), release: made.version }
      }
      if (slugId === undefined) throw invalid('Either slug or release is required.')
      const slug = await releasable(request, app.id, slugId, edge)
      const text = description ?? `Deploy ${(slug.commit || slug.id).slice(0, commitDigits)}`
      const deploy = { type: 'deploy', slug, description: text, by: request.who, isNew: true } as const
      const made = await request.ask(ledger, deploy)
      // It is the ledger's now; what stays behind is swept.
      await edge.store.remove(slugKey(app.id, slug.id)).catch(() => undefined)
      const body = releaseBody(made, app, made.status === 'succeeded', edge.settings)
      return { ...created(body), release: made.version }
    },
  }),
]
