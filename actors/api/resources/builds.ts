/** Builds: how source becomes a slug. */
import { endpoint, ok } from '../endpoint.ts'
import { cut, listOf } from '../range.ts'
import { timeText } from '../shapes/common.ts'
import { buildBody } from '../shapes/release.ts'
import { thisApp } from './app-of.ts'
import { buildOf, buildsOf } from './build-of.ts'

export const builds = [
  endpoint({
    name: 'builds.list',
    http: { method: 'GET', path: '/apps/:app/builds' },
    summary: 'Builds of an app',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const page = cut(await buildsOf(app.id, edge), request.range, {
        created_at: (build) => timeText(build.createdAt),
        id: (build) => build.id,
      })
      return listOf(page, (build) => buildBody(build, app, edge.settings))
    },
  }),
  endpoint({
    name: 'builds.info',
    http: { method: 'GET', path: '/apps/:app/builds/:build' },
    summary: 'One build',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok(buildBody(await buildOf(app.id, request.params.build, edge), app, edge.settings))
    },
  }),
]
