/** Good calls of teams, of who is in them and of their apps: each of a team that the caller makes first. */
import type { Json, OpenedApi } from './api.ts'

type Sent = Readonly<Record<string, unknown>>
type Stage = {
  readonly api: OpenedApi
  readonly unique: string
  readonly own: (name: string, sent: Sent) => Promise<Json>
}
type Plain<C> = (
  right: 'account',
  scope: 'read' | 'write',
  status?: number,
) => (shape?: string, sent?: (stage: Stage) => Sent | Promise<Sent>) => C

const body = (fields: Sent): Sent => ({ body: fields })
const nameOf = ({ unique }: Stage): string => `team-${unique}`
const team = async (stage: Stage): Promise<Sent> => {
  await stage.own('teams.create', body({ name: nameOf(stage) }))
  return { params: { team: nameOf(stage) } }
}
const guestOf = async ({ api, unique }: Stage): Promise<string> => {
  const email = `guest-${unique}@example.com`
  await api.accounts.users.add(email, {})
  return email
}
const member = async (stage: Stage): Promise<Sent> => {
  const { params } = (await team(stage)) as { readonly params: Sent }
  const email = await guestOf(stage)
  await stage.own('team-members.create', { params, ...body({ email, role: 'member' }) })
  return { params: { ...params, member: email } }
}
const appOf = async (stage: Stage): Promise<Sent> => {
  await team(stage)
  const made: Json = await stage.own(
    'team-apps.create',
    body({ team: nameOf(stage), name: `its-${stage.unique}` }),
  )
  return { params: { app: made['name'] ?? 'none' } }
}
const guest = async (stage: Stage): Promise<Sent> => {
  const { params } = (await appOf(stage)) as { readonly params: Sent }
  const user = await guestOf(stage)
  await stage.own('team-collaborators.create', { params, ...body({ user, permissions: ['deploy'] }) })
  return { params: { ...params, collaborator: user } }
}
const both = async (one: Promise<Sent>, more: Sent): Promise<Sent> => ({ ...(await one), ...more })

export const teamCalls = <C>(plain: Plain<C>): Readonly<Record<string, C>> => {
  const read = plain('account', 'read')
  const change = plain('account', 'write')
  const make = plain('account', 'write', 201)
  return {
    'teams.list': read('team', async (stage) => (await team(stage), {})),
    'teams.create': make('team', (stage) => body({ name: nameOf(stage) })),
    'teams.permissions': read('team-app-permission'),
    'teams.info': read('team', team),
    'teams.update': change('team', (stage) => both(team(stage), body({ name: `re${nameOf(stage)}` }))),
    'teams.delete': change('team', team),
    'teams.features': read('team-feature', team),
    'teams.feature': read('team-feature', async (stage) => {
      const { params } = (await team(stage)) as { readonly params: Sent }
      return { params: { ...params, feature: 'org-access-controls' } }
    }),
    'team-members.list': read('team-member', member),
    'team-members.set': make('team-member', async (stage) =>
      both(team(stage), body({ email: await guestOf(stage), role: 'admin' })),
    ),
    'team-members.create': make('team-member', async (stage) =>
      both(team(stage), body({ email: await guestOf(stage), role: 'member' })),
    ),
    'team-members.update': change('team-member', async (stage) =>
      both(member(stage), body({ email: `guest-${stage.unique}@example.com`, role: 'collaborator' })),
    ),
    'team-members.delete': change('team-member', member),
    'team-members.apps': read('team-app', member),
    'team-apps.create': make('team-app', async (stage) => {
      await team(stage)
      return body({ team: nameOf(stage), name: `its-${stage.unique}` })
    }),
    'team-apps.list': read('team-app', async (stage) => {
      await appOf(stage)
      return { params: { team: nameOf(stage) } }
    }),
    'team-apps.info': read('team-app', appOf),
    'team-apps.update': change('team-app', (stage) => both(appOf(stage), body({ locked: true }))),
    'team-collaborators.list': read('team-app-collaborator', guest),
    'team-collaborators.info': read('team-app-collaborator', guest),
    'team-collaborators.create': make('team-app-collaborator', async (stage) =>
      both(appOf(stage), body({ user: await guestOf(stage), permissions: ['view', 'operate'] })),
    ),
    'team-collaborators.update': change('team-app-collaborator', (stage) =>
      both(guest(stage), body({ permissions: ['manage'] })),
    ),
    'team-collaborators.delete': change('team-app-collaborator', guest),
  }
}
