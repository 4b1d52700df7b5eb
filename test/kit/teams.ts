/** Teams as the API sees them, in memory: by the rules of their actor, at once, and on record as it has. */
import { randomUUID } from 'node:crypto'
import { teamsOf } from '../../actors/effects/access.ts'
import { nameKey } from '../../actors/effects/perform/names.ts'
import type { TeamRole } from '../../actors/protocols/team.ts'
import type { Who } from '../../actors/protocols/shapes.ts'
import { teamFormat } from '../../actors/team/kept.ts'
import * as record from '../../actors/team/record.ts'
import type { Store } from '../../src/ports/store.ts'
import { noReminders, recordKey } from '../../src/runtime/record.ts'

type Message = { readonly type: string } & Readonly<Record<string, unknown>>
type Questions = Readonly<Record<string, (key: string, m: Message) => unknown>>
type World = {
  readonly store: Store
  readonly refuse: (code: string, reason: string) => never
  readonly now: number
  readonly show: (shown: object) => Promise<void>
  readonly hasApps: (teamId: string) => boolean
}

export const teamQuestions = ({ store, refuse, now, show, hasApps }: World): Questions => {
  const teams = new Map<string, record.TeamRecord>()
  const at = (key: string): record.TeamRecord => teams.get(key) ?? refuse('not_found', 'no such team')
  const claim = (name: string, key: string): Promise<unknown> =>
    store
      .create(nameKey('team', name), Buffer.from(JSON.stringify({ appId: key })))
      .catch(() => refuse('name_taken', `Name ${name} is already taken`))
  const keep = async (key: string, r: record.TeamRecord): Promise<void> => {
    const former = r.former.map(teamsOf)
    const kept: record.TeamRecord = { ...r, phase: 'live', claiming: null, former: [] }
    teams.set(key, kept)
    const bytes = teamFormat.encode(kept, noReminders, 'w'.repeat(26), [])!
    const stored = await store.get(recordKey('team', key))
    if (stored === undefined) await store.create(recordKey('team', key), bytes)
    else await store.update(recordKey('team', key), bytes, stored.revision)
    const users = r.team.members.map(({ user }) => teamsOf(user.id))
    await show({ appId: key, name: r.team.name, users, former })
  }
  const settled = async <T>(key: string, outcome: record.Outcome<T>): Promise<T> => {
    if ('code' in outcome) return refuse(outcome.code, outcome.reason)
    await keep(key, outcome.r)
    return outcome.answer
  }
  return {
    async 'team.create'(key, m) {
      const [name, owner] = [m['name'] as string, m['owner'] as Who]
      const known = teams.get(key)
      if (known !== undefined) return known.team
      await claim(name, key)
      await keep(key, record.newTeam({ id: key, memberId: randomUUID(), name, owner }, now))
      return at(key).team
    },
    'team.info': (key) => at(key).team,
    async 'team.rename'(key, m) {
      const name = m['name'] as string
      const { team } = at(key)
      if (name === team.name) return team
      await claim(name, key)
      await store.remove(nameKey('team', team.name))
      await keep(key, record.renamed(at(key), name, now))
      return at(key).team
    },
    'team.setMember': (key, m) =>
      settled(
        key,
        record.setMember(
          at(key),
          { user: m['user'] as Who, role: m['role'] as TeamRole, as: m['as'] as 'any' },
          { id: randomUUID(), now },
        ),
      ),
    'team.removeMember': (key, m) => settled(key, record.removeMember(at(key), m['user'] as string, now)),
    'team.admit': (key, m) =>
      settled(
        key,
        record.admit(at(key), m['appId'] as string, m['users'] as Who[], { uuid: () => randomUUID(), now }),
      ),
    async 'team.destroy'(key) {
      const { team } = at(key)
      if (hasApps(key))
        refuse('conflict', `The team ${team.name} has apps or pipelines: transfer or destroy them first.`)
      await store.remove(nameKey('team', team.name))
      await store.remove(recordKey('team', key))
      const former = team.members.map(({ user }) => teamsOf(user.id))
      await show({ appId: key, name: team.name, users: [], former })
      teams.delete(key)
      return team
    },
  }
}
