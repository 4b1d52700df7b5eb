/** An app, as the Platform API shows it. */
import type { AppView } from '../../protocols/app.ts'
import { collaboratorsOf, type SeenApp } from '../access.ts'
import type { User } from '../accounts/users.ts'
import type { Addresses } from '../edge.ts'
import { teamNamed } from './team.ts'
import { generation, idFor, timeOrNull, timeText } from './common.ts'

/** `http://hello.localhost:8080/` */
export const webUrl = (name: string, settings: Addresses): string =>
  `http://${name}.${settings.appDomain}:${settings.routerPort}/`
export const gitUrl = (name: string, settings: Addresses): string =>
  `https://${settings.secureHost}/${name}.git`

/** @param app as it was seen: a team's name is that in the address of its owner */
export const appBody = (app: AppView, settings: Addresses): object => ({
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
  organization: ownersBody(app),
  owner: { email: app.owner.email, id: app.owner.id },
  region: { id: idFor('region', app.region), name: app.region },
  released_at: timeOrNull(app.releasedAt),
  repo_size: app.repoBytes,
  slug_size: app.slugBytes,
  space: null,
  stack: { id: idFor('stack', app.stack), name: app.stack },
  team: ownersBody(app),
  updated_at: timeText(app.updatedAt),
  web_url: webUrl(app.name, settings),
})

const ownersBody = ({ team, owner }: AppView): object | null =>
  team == null ? null : { id: team.id, name: teamNamed(owner.email) }

/** @param user who asks: whether it is among its collaborators */
export const teamAppBody = (app: SeenApp, user: User, settings: Addresses): object => ({
  ...appBody(app, settings),
  joined: collaboratorsOf(app).some((one) => one.user.id === user.id),
  locked: app.team?.isLocked ?? false,
})
