/**
 * Features of an app, for `heroku features` and `heroku labs`: those of the platform, and one for each
 * process type, which marks it as a singleton as `PATCH /apps/:app/formation` does.
 */
import { appFeatures, isFeatureOn, isOnByItself, markOf, singletonFeature } from '../../../config/features.ts'
import { is, ref } from '../../../src/runtime/index.ts'
import { App, type AppView } from '../../protocols/app.ts'
import { Formation } from '../../protocols/formation.ts'
import type { ProcessType } from '../../protocols/shapes.ts'
import { endpoint, ok, type Request } from '../endpoint.ts'
import { notFound } from '../errors.ts'
import { featureBody, type FeatureBody } from '../shapes/feature.ts'
import { thisApp } from './app-of.ts'

export const features = [
  endpoint({
    name: 'features.list',
    http: { method: 'GET', path: '/apps/:app/features' },
    summary: 'Features of an app, on and off',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok(bodies(app, await typesOf(request, app)))
    },
  }),
  endpoint({
    name: 'features.info',
    http: { method: 'GET', path: '/apps/:app/features/:feature' },
    summary: 'One feature of an app, by name or id',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok(pick(bodies(app, await typesOf(request, app)), request.params.feature))
    },
  }),
  endpoint({
    name: 'features.update',
    http: { method: 'PATCH', path: '/apps/:app/features/:feature' },
    summary: 'Turn a feature of an app on or off',
    body: is.obj({ enabled: is.bool }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const types = await typesOf(request, app)
      const { name } = pick(bodies(app, types), request.params.feature)
      const { enabled } = request.body
      const single = types.find(({ type }) => singletonFeature(type).name === name)
      if (single === undefined) {
        const mark = { name: markOf(name), enabled: enabled !== isOnByItself(name) }
        const changed = await request.ask(ref(App, app.id), { type: 'feature', ...mark })
        return ok(pick(bodies(changed, types), name))
      }
      // Processes are restarted when they become the only one: not for what is so already.
      if (single.singleton === enabled) return ok(pick(bodies(app, types), name))
      const updates = [{ type: single.type, singleton: enabled }]
      const scaled = await request.ask(ref(Formation, app.id), { type: 'scale', updates, by: request.who })
      return ok(pick(bodies(app, scaled.types), name))
    },
  }),
]

/** Those that run on: of a release command there is one life anyhow. */
const typesOf = async (request: Request, app: AppView): Promise<readonly ProcessType[]> => {
  const { types } = await request.ask(ref(Formation, app.id), { type: 'types' })
  return types.filter(({ type }) => type !== 'release')
}

const bodies = (app: AppView, types: readonly ProcessType[]): readonly FeatureBody[] => [
  ...appFeatures.map((kind) => featureBody(kind, isFeatureOn(kind.name, app.features), app)),
  ...types.map(({ type, singleton }) => featureBody(singletonFeature(type), singleton, app)),
]

const pick = (all: readonly FeatureBody[], which: string): FeatureBody => {
  const found = all.find(({ id, name }) => name === which || id === which)
  if (found === undefined) throw notFound('app_feature')
  return found
}
