/** Config vars: the environment of an app. Each change is a release, made before the answer. */
import { is, ref } from '../../../src/runtime/index.ts'
import { Releases } from '../../protocols/releases.ts'
import { endpoint, ok } from '../endpoint.ts'
import { thisApp } from './app-of.ts'

export const configVars = [
  endpoint({
    name: 'config-vars.list',
    http: { method: 'GET', path: '/apps/:app/config-vars' },
    summary: 'Config vars of the current release',
    scope: 'read-protected',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const { release } = await request.ask(ref(Releases, app.id), { type: 'current' })
      return ok(await edge.vault.open(app.id, release.configId))
    },
  }),
  endpoint({
    name: 'config-vars.update',
    http: { method: 'PATCH', path: '/apps/:app/config-vars' },
    summary: 'Set config vars, or remove those given as null; restarts the app',
    scope: 'write-protected',
    needs: 'deploy',
    body: is.map(is.orNull(is.str)),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const change = { type: 'setConfig', patch: request.body, by: request.who } as const
      const { configId, version } = await request.ask(ref(Releases, app.id), change)
      return { ...ok(await edge.vault.open(app.id, configId)), release: version }
    },
  }),
  endpoint({
    name: 'releases.config-vars',
    http: { method: 'GET', path: '/apps/:app/releases/:release/config-vars' },
    summary: 'Config vars as a release had them',
    scope: 'read-protected',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const which = request.params.release.replace(/^v(?=\d+$)/, '')
      const { release } = await request.ask(
        ref(Releases, app.id),
        { type: 'find', which },
        { resource: 'release' },
      )
      return ok(await edge.vault.open(app.id, release.configId))
    },
  }),
]
