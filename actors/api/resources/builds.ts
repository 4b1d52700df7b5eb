/** Builds and buildpacks: how source becomes a slug. */
import { is, ref } from '../../../src/runtime/index.ts'
import { App } from '../../protocols/app.ts'
import { buildIn, buildKey } from '../../protocols/build-record.ts'
import type { Edge } from '../edge.ts'
import { endpoint, ok } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { cut, list } from '../range.ts'
import { idFor, timeText } from '../shapes/common.ts'
import { buildBody, buildpackUrl } from '../shapes/release.ts'
import { thisApp } from './app-of.ts'

const shortName = /^[\w-]+\/[\w.-]+$/
const address = /^(https?|git|ssh|file):\/\/\S+$|^git@\S+$/
/** What Heroku's own registry answers with, and how the CLI shows a short name. */
const registryForms = [
  /^urn:buildpack:(?<name>[\w-]+\/[\w.-]+)$/,
  /^https:\/\/buildpack-registry\.s3\.amazonaws\.com\/buildpacks\/(?<name>[\w-]+\/[\w.-]+)\.tgz$/,
]

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
  endpoint({
    name: 'buildpack-installations.list',
    http: { method: 'GET', path: '/apps/:app/buildpack-installations' },
    summary: 'Buildpacks of an app, in order',
    run: async (request, edge) => ok(installations((await thisApp(request, edge)).buildpacks)),
  }),
  endpoint({
    name: 'buildpack-installations.update',
    http: { method: 'PUT', path: '/apps/:app/buildpack-installations' },
    summary: 'Set the buildpacks of builds to come, the whole list',
    body: is.obj({ updates: is.arr(is.obj({ buildpack: is.opt(is.str) })) }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const buildpacks = request.body.updates.map(({ buildpack }) => known(buildpack, edge))
      const changed = await request.ask(ref(App, app.id), { type: 'change', buildpacks })
      return ok(installations(changed.buildpacks))
    },
  }),
  endpoint({
    name: 'buildpacks.info',
    http: { method: 'GET', path: '/buildpacks/:buildpack' },
    summary: 'A buildpack of the registry, by its short name',
    open: true,
    run({ params }, edge) {
      const name = params.buildpack
      if (!edge.settings.buildpacks.includes(name)) throw notFound('buildpack')
      return ok({ id: idFor('buildpack', name), name, blob_url: buildpackUrl(name) })
    },
  }),
]

/**
 * The short name or the address. The CLI sends nothing at all for a short name that its registry does
 * not know.
 */
const known = (buildpack: string | undefined, edge: Edge): string => {
  if (buildpack === undefined || buildpack === '') throw invalid('Buildpack is invalid: no such buildpack.')
  const match = registryForms
    .map((form) => form.exec(buildpack)?.groups?.['name'])
    .find((name) => name !== undefined)
  const name = match ?? buildpack
  if (shortName.test(name) ? edge.settings.buildpacks.includes(name) : address.test(name)) return name
  throw invalid(
    `Buildpack ${buildpack.slice(0, 200)} is invalid: use one of ${edge.settings.buildpacks.join(', ')} ` +
      'or the address of a git repository or a tgz file.',
  )
}

const installations = (buildpacks: readonly string[]): object[] =>
  buildpacks.map((name, ordinal) => ({ ordinal, buildpack: { url: buildpackUrl(name), name } }))
