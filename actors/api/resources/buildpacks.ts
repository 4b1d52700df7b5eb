/** Buildpacks: those of an app in order, and the registry of those that have a short name. */
import { is, ref } from '../../../src/runtime/index.ts'
import type { NamedBuildpack } from '../../../src/slug/registry.ts'
import { App } from '../../protocols/app.ts'
import type { Edge } from '../edge.ts'
import { endpoint, ok } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { idFor, timeText } from '../shapes/common.ts'
import { buildpackUrl } from '../shapes/release.ts'
import { thisApp } from './app-of.ts'

const shortName = /^[\w-]+\/[\w.-]+$/
const address = /^(https?|git|ssh|file):\/\/\S+$|^git@\S+$/
/** What Heroku's own registry answers with, and how the CLI shows a short name. */
const registryForms = [
  /^urn:buildpack:(?<name>[\w-]+\/[\w.-]+)$/,
  /^https:\/\/buildpack-registry\.s3\.amazonaws\.com\/buildpacks\/(?<name>[\w-]+\/[\w.-]+)\.tgz$/,
]

export const buildpacks = [
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
      const wanted: string[] = []
      for (const { buildpack } of request.body.updates) wanted.push(await known(buildpack, edge))
      const changed = await request.ask(ref(App, app.id), { type: 'change', buildpacks: wanted })
      return ok(installations(changed.buildpacks))
    },
  }),
  endpoint({
    name: 'buildpacks.list',
    http: { method: 'GET', path: '/buildpacks' },
    summary: 'The buildpacks of the registry, or those of a namespace, a name or a description',
    open: true,
    async run({ query }, edge) {
      // The CLI sends one of them for each name, which comes here with commas.
      const some = (field: string) => query[field]?.split(',') ?? []
      const spaces = some('in[namespace][]')
      const names = some('in[name][]')
      const about = query['like[description]']?.toLowerCase() ?? ''
      const found = (await edge.buildpacks.list()).filter((each) => {
        const [space = '', name = ''] = each.name.split('/')
        const isIn = (list: readonly string[], text: string) => list.length === 0 || list.includes(text)
        return isIn(spaces, space) && isIn(names, name) && each.about.toLowerCase().includes(about)
      })
      return ok(found.map(registered))
    },
  }),
  endpoint({
    name: 'buildpacks.info',
    http: { method: 'GET', path: '/buildpacks/:buildpack' },
    summary: 'A buildpack of the registry, by its short name',
    open: true,
    run: async ({ params }, edge) => ok(registered(await named(params.buildpack, edge))),
  }),
  endpoint({
    name: 'buildpacks.revisions',
    http: { method: 'GET', path: '/buildpacks/:buildpack/revisions' },
    summary: 'Its versions: the one there is',
    open: true,
    async run({ params }, edge) {
      const { name, changedAtMs } = await named(params.buildpack, edge)
      const at = timeText(changedAtMs)
      const id = idFor('buildpack-revision', `${name} ${at}`)
      return ok([{ id, release: 1, status: 'published', license: null, created_at: at, updated_at: at }])
    },
  }),
  endpoint({
    name: 'buildpacks.readme',
    http: { method: 'GET', path: '/buildpacks/:buildpack/readme' },
    summary: 'Its README',
    open: true,
    async run({ params }, edge) {
      const { readme } = await named(params.buildpack, edge)
      return ok({ content: Buffer.from(readme).toString('base64'), encoding: 'base64' })
    },
  }),
]

const named = async (name: string, edge: Edge): Promise<NamedBuildpack> => {
  const found = await edge.buildpacks.find(name)
  if (found === undefined) throw notFound('buildpack')
  return found
}

/** As Heroku's registry answers; the CLI sets what `blob_url` says. */
const registered = ({ name, about, source, changedAtMs }: NamedBuildpack): object => {
  const url = 'url' in source ? source.url : ''
  const [namespace = '', short = ''] = name.split('/')
  const [, owner, repo] = /^https:\/\/github\.com\/([^/]+)\/([^/#]+?)(?:\.git)?(?:#.*)?$/.exec(url) ?? []
  return {
    id: idFor('buildpack', name),
    namespace,
    name: short,
    description: about,
    category: namespace === 'heroku' ? 'languages' : 'tools',
    blob_url: buildpackUrl(name),
    source: owner === undefined ? { type: 'platform' } : { type: 'github', owner, repo },
    support: { method: 'platform', address: 'the operator of this platform' },
    updated_at: timeText(changedAtMs),
  }
}

/**
 * The short name or the address. The CLI sends nothing at all for a short name that its registry does
 * not know.
 */
export const known = async (buildpack: string | undefined, edge: Edge): Promise<string> => {
  if (buildpack === undefined || buildpack === '') throw invalid('Buildpack is invalid: no such buildpack.')
  const match = registryForms
    .map((form) => form.exec(buildpack)?.groups?.['name'])
    .find((name) => name !== undefined)
  const name = match ?? buildpack
  const isKnown = shortName.test(name) ? (await edge.buildpacks.find(name)) !== undefined : address.test(name)
  if (isKnown) return name
  const names = (await edge.buildpacks.list()).map((each) => each.name)
  throw invalid(
    `Buildpack ${buildpack.slice(0, 200)} is invalid: use one of ${names.slice(0, 20).join(', ')} ` +
      'or the address of a git repository or a tgz file.',
  )
}

const installations = (names: readonly string[]): object[] =>
  names.map((name, ordinal) => ({ ordinal, buildpack: { url: buildpackUrl(name), name } }))
