/** Features of an app, for `heroku features` and `heroku labs`. */
import { routerFeatures } from '../../../config/features.ts'
import { is, ref } from '../../../src/runtime/index.ts'
import { App, type AppView } from '../../protocols/app.ts'
import { endpoint, ok } from '../endpoint.ts'
import { notFound } from '../errors.ts'
import { featureBody } from '../shapes/feature.ts'
import { thisApp } from './app-of.ts'

export const features = [
  endpoint({
    name: 'features.list',
    http: { method: 'GET', path: '/apps/:app/features' },
    summary: 'Features of an app, on and off',
    run: async (request, edge) => ok(bodies(await thisApp(request, edge))),
  }),
  endpoint({
    name: 'features.info',
    http: { method: 'GET', path: '/apps/:app/features/:feature' },
    summary: 'One feature of an app, by name or id',
    run: async (request, edge) => ok(pick(await thisApp(request, edge), request.params.feature)),
  }),
  endpoint({
    name: 'features.update',
    http: { method: 'PATCH', path: '/apps/:app/features/:feature' },
    summary: 'Turn a feature of an app on or off',
    body: is.obj({ enabled: is.bool }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const { name } = pick(app, request.params.feature)
      const { enabled } = request.body
      return ok(pick(await request.ask(ref(App, app.id), { type: 'feature', name, enabled }), name))
    },
  }),
]

const bodies = (app: AppView) =>
  routerFeatures.map((kind) => featureBody(kind, app.features.includes(kind.name), app))

const pick = (app: AppView, which: string) => {
  const found = bodies(app).find(({ id, name }) => name === which || id === which)
  if (found === undefined) throw notFound('app_feature')
  return found
}
