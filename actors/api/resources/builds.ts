/** Builds: how source becomes a slug. */
import { buildIn, buildKey } from '../../protocols/build-record.ts'
import { endpoint, ok } from '../endpoint.ts'
import { notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { cut, list } from '../range.ts'
import { timeText } from '../shapes/common.ts'
import { buildBody } from '../shapes/release.ts'
import { thisApp } from './app-of.ts'

export const builds = [
  endpoint({
    name: 'builds.list',
    http: { method: 'GET', path: '/apps/:app/builds' },
    summary: 'Builds of an app',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const index = await edge.store.list(`builds/${app.id}/`)
      const found = index
        .map((entry) => buildIn(entry.value, edge.now()))
        .filter((build) => build !== undefined)
      const page = cut(found, request.range, {
        created_at: (build) => timeText(build.createdAt),
        id: (build) => build.id,
      })
      return list(
        page,
        page.items.map((build) => buildBody(build, app, edge.settings)),
      )
    },
  }),
  endpoint({
    name: 'builds.info',
    http: { method: 'GET', path: '/apps/:app/builds/:build' },
    summary: 'One build',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const id = request.params.build
      const entry = uuid.test(id) ? await edge.store.get(buildKey(app.id, id)) : undefined
      const build = entry && buildIn(entry.value, edge.now())
      if (build === undefined) throw notFound('build')
      return ok(buildBody(build, app, edge.settings))
    },
  }),
]
