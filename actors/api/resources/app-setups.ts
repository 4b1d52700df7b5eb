/** App set-ups: an app from a source archive and its app.json, in one call. */
import { is, ref } from '../../../src/runtime/index.ts'
import { buildKey } from '../../protocols/build-record.ts'
import { Setup, type SetupView } from '../../protocols/setup.ts'
import type { Edge } from '../edge.ts'
import { endpoint, ok } from '../endpoint.ts'
import { ApiError, notFound } from '../errors.ts'
import { uuid } from '../name-index.ts'
import { webUrl } from '../shapes/app.ts'
import { timeText } from '../shapes/common.ts'
import { buildStream } from '../shapes/release.ts'
import { newApp } from './apps.ts'
import { archiveOf, blobShape } from './build-start.ts'
import { known } from './buildpacks.ts'

export const appSetups = [
  endpoint({
    name: 'app-setups.create',
    http: { method: 'POST', path: '/app-setups' },
    summary: 'Make an app from source and its app.json',
    scope: 'write-protected',
    body: is.obj({
      source_blob: blobShape,
      app: is.opt(
        is.orNull(is.obj({ name: is.opt(is.str), region: is.opt(is.json), stack: is.opt(is.json) })),
      ),
      overrides: is.opt(
        is.orNull(
          is.obj({
            env: is.opt(is.orNull(is.map(is.str))),
            buildpacks: is.opt(is.orNull(is.arr(is.obj({ url: is.str })))),
          }),
        ),
      ),
    }),
    async run(request, edge) {
      const { source_blob: blob, app: wanted, overrides } = request.body
      const archive = archiveOf(blob, edge)
      const buildpacks: string[] = []
      for (const { url } of overrides?.buildpacks ?? []) buildpacks.push(await known(url, edge))
      const app = await newApp(request, edge, wanted ?? {})
      const view = await request.ask(ref(Setup, edge.random.uuid()), {
        type: 'start',
        appId: app.id,
        appName: app.name,
        archive,
        version: blob.version ?? '',
        stack: app.buildStack,
        env: overrides?.env ?? {},
        buildpacks,
        by: request.who,
      })
      return { status: 202, body: setupBody(view, edge) }
    },
  }),
  endpoint({
    name: 'app-setups.info',
    http: { method: 'GET', path: '/app-setups/:setup' },
    summary: 'How the set-up of an app stands',
    async run(request, edge) {
      const id = request.params.setup
      if (!uuid.test(id)) throw notFound('app_setup')
      const view = await request.ask(ref(Setup, id), { type: 'info' }, { resource: 'app_setup' })
      if (view.by.id !== request.who.id) throw new ApiError('forbidden', 'You do not have access to it.')
      return ok(setupBody(await withBuild(view, edge), edge))
    },
  }),
]

/** Its build as that stands, which a set-up that was interrupted does not know. */
const withBuild = async (view: SetupView, { store, lostBuilds }: Edge): Promise<SetupView> => {
  const entry = view.build && (await store.get(buildKey(view.appId, view.build.id)))
  const build = entry && (await lostBuilds.view(entry))
  return view.build && build ? { ...view, build: { ...view.build, status: build.status } } : view
}

const setupBody = (view: SetupView, { settings }: Edge): object => ({
  app: { id: view.appId, name: view.appName },
  build: view.build && {
    id: view.build.id,
    output_stream_url: buildStream({ ...view.build, appId: view.appId }, settings),
    status: view.build.status,
  },
  created_at: timeText(view.createdAt),
  failure_message: view.failure,
  id: view.id,
  manifest_errors: view.manifestErrors,
  postdeploy: view.postdeploy && {
    exit_code: view.postdeploy.exitCode,
    output: view.postdeploy.output,
  },
  resolved_success_url: resolved(view, webUrl(view.appName, settings)),
  status: view.status,
  updated_at: timeText(view.updatedAt),
})

const resolved = ({ status, successUrl }: SetupView, appUrl: string): string | null => {
  if (status !== 'succeeded' || successUrl === null) return null
  return URL.canParse(successUrl, appUrl) ? new URL(successUrl, appUrl).href : null
}
