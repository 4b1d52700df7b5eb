/**
 * What this platform truly has none of yet: add-ons, spaces. Lists are empty, single things
 * are not found; the CLI asks for them beside what it is told to do.
 */
import { endpoint, ok, type Endpoint } from '../endpoint.ts'
import { notFound } from '../errors.ts'
import { thisApp } from './app-of.ts'

const none = (name: string, path: '/addons' | '/addon-attachments' | '/spaces', summary: string): Endpoint =>
  endpoint({ name, http: { method: 'GET', path }, summary, run: () => ok([]) })

const noneOfApp = (name: string, path: `/apps/:app/${string}`, summary: string): Endpoint =>
  endpoint({
    name,
    http: { method: 'GET', path: path as '/apps/:app/x' },
    summary,
    run: async (request, edge) => ok((await thisApp(request, edge)) && []),
  })

const noSpace = (name: string, path: '/spaces/:space' | '/spaces/:space/telemetry-drains', summary: string) =>
  endpoint({
    name,
    http: { method: 'GET', path },
    summary,
    run: () => {
      throw notFound('space')
    },
  })

export const nothing = [
  none('addons.list', '/addons', 'Add-ons of the account'),
  none('addon-attachments.list', '/addon-attachments', 'Attachments of the account'),
  none('spaces.list', '/spaces', 'Spaces of the account'),
  noSpace('spaces.info', '/spaces/:space', 'A space'),
  noSpace('telemetry-drains.list-by-space', '/spaces/:space/telemetry-drains', 'Telemetry drains of a space'),
  noneOfApp('addons.list-by-app', '/apps/:app/addons', 'Add-ons of an app'),
  endpoint({
    name: 'addons.usage',
    http: { method: 'GET', path: '/apps/:app/usage' },
    summary: 'What add-ons of an app were used for',
    run: async (request, edge) => ok((await thisApp(request, edge)) && { addons: [] }),
  }),
  noneOfApp('addon-attachments.list-by-app', '/apps/:app/addon-attachments', 'Attachments of an app'),
]
