/** An app and the people at it, as the Platform API shows them. */
import type { AppView } from '../../protocols/app.ts'
import type { User } from '../accounts.ts'
import type { ApiSettings } from '../edge.ts'
import { generation, idFor, named, timeOrNull, timeText } from './common.ts'

/** `http://hello.localhost:8080/` */
export const webUrl = (name: string, settings: ApiSettings): string =>
  `http://${name}.${settings.appDomain}:${settings.routerPort}/`
export const gitUrl = (name: string, settings: ApiSettings): string =>
  `https://${settings.secureHost}/${name}.git`

export const appBody = (app: AppView, settings: ApiSettings): object => ({
  acm: false,
  archived_at: null,
  build_stack: { id: idFor('stack', app.buildStack), name: app.buildStack },
  buildpack_provided_description: app.buildpackDescription,
  // Not in the schema, but `apps:info -s` prints it.
  create_status: 'complete',
  created_at: timeText(app.createdAt),
  generation,
  git_url: gitUrl(app.name, settings),
  id: app.id,
  internal_routing: false,
  maintenance: app.maintenance,
  name: app.name,
  organization: null,
  owner: { email: app.owner.email, id: app.owner.id },
  region: { id: idFor('region', app.region), name: app.region },
  released_at: timeOrNull(app.releasedAt),
  repo_size: app.repoBytes,
  slug_size: app.slugBytes,
  space: null,
  stack: { id: idFor('stack', app.stack), name: app.stack },
  team: null,
  updated_at: timeText(app.updatedAt),
  web_url: webUrl(app.name, settings),
})

export const accountBody = (user: User): object => ({
  allow_tracking: false,
  beta: false,
  country_of_residence: null,
  created_at: timeText(user.createdAt),
  default_organization: null,
  default_team: null,
  delinquent_at: null,
  email: user.email,
  federated: false,
  id: user.id,
  identity_provider: null,
  last_login: null,
  name: null,
  sms_number: null,
  suspended_at: null,
  two_factor_authentication: false,
  updated_at: timeText(user.updatedAt),
  verified: true,
})

const ownerMay = ['view', 'deploy', 'operate', 'manage'].map((name) => ({
  name,
  description: `Can ${name} the app`,
}))

/** The owner as a collaborator: the only one an app has. */
export const ownerBody = (app: AppView): object => ({
  app: named(app),
  created_at: timeText(app.createdAt),
  id: idFor('collaborator', app.id, app.owner.id),
  permissions: ownerMay,
  role: 'owner',
  updated_at: timeText(app.createdAt),
  user: { email: app.owner.email, federated: false, id: app.owner.id },
})
