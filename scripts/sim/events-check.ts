/**
 * What is told of changes in a simulated run, held against what clients were answered: each acknowledged
 * change has its event, each event is there once, and those of one actor come in their order.
 */
import type { ProcessType } from '../../actors/protocols/shapes.ts'
import type { StoredEvent } from '../../src/ports/events.ts'
import type { Cluster } from './cluster.ts'
import type { Known } from './known.ts'

type Told = {
  readonly id: string
  readonly action: string
  readonly resource: string
  readonly source: string
  readonly n: number
  readonly data: Readonly<Record<string, unknown>>
}

const decoder = new TextDecoder()
const toldOf = ({ id, bytes }: StoredEvent): Told => {
  const [, source = '', n = ''] = /^(.*)\/(\d+)$/.exec(id) ?? []
  return { ...(JSON.parse(decoder.decode(bytes)) as Told), source, n: Number(n) }
}

/** @param undone the end of the record was lost: what followed from it was told, too */
export const eventFaults = (c: Cluster, apps: readonly Known[], undone: boolean): string[] => {
  const all = c.outside.events.truth()
  const seen = new Set<string>()
  const newest = new Map<string, number>()
  const faults: string[] = []
  for (const told of all.map(toldOf)) {
    if (seen.has(told.id)) faults.push(`${told.resource} ${told.action} ${told.id} is told twice`)
    seen.add(told.id)
    if (told.n <= (newest.get(told.source) ?? 0) && !undone)
      faults.push(`${told.source} tells ${told.n} after ${newest.get(told.source)}`)
    newest.set(told.source, told.n)
  }
  return [...faults, ...apps.flatMap((app) => [...missingOf(app, all), ...unsentOf(c, app)])]
}

const missingOf = (app: Known, all: readonly StoredEvent[]): string[] => {
  const own = all.filter(({ subject }) => subject.startsWith(`app.${app.id}.`)).map(toldOf)
  const has = (resource: string, action: string): readonly Told[] =>
    own.filter((one) => one.resource === resource && one.action === action)
  const faults: string[] = []
  if (app.created && has('app', 'create').length === 0) faults.push('was created, and nobody was told')
  if (app.destroyed && has('app', 'destroy').length === 0) faults.push('was destroyed, and nobody was told')
  const made = has('release', 'create')
  for (const [version, { id }] of app.releases) {
    const found = made.filter(({ data }) =>
      id === undefined ? data['version'] === version : data['id'] === id,
    )
    if (found.length === 0) faults.push(`v${version} was acknowledged, and nobody was told`)
    if (id !== undefined && found.length > 1) faults.push(`v${version} is told ${found.length} times`)
  }
  return faults.map((text) => `${app.name} ${app.id.slice(0, 8)}: ${text}`)
}

/** What was acknowledged since the hook was, by ids: it may have come more than once. */
const unsentOf = (c: Cluster, app: Known): string[] => {
  if (!app.hooked || app.destroying) return []
  const sent = c.outside.posted.map((text) => JSON.parse(text) as Told).filter(({ data }) => isOf(data, app))
  return [...app.releases]
    .filter(([version, { id }]) => !app.before.has(version) && id !== undefined)
    .filter(([, { id }]) => !sent.some(({ data }) => data['id'] === id))
    .map(([version]) => `${app.name} ${app.id.slice(0, 8)}: no webhook was told of v${version}`)
}
const isOf = (data: Told['data'], app: Known): boolean =>
  (data['app'] as { readonly id?: string } | undefined)?.id === app.id

/** What was told last of each type is what it is. */
export const typeFaults = (c: Cluster, appId: string, types: readonly ProcessType[]): string[] =>
  types.flatMap(({ type, quantity }) => {
    const told = c.outside.events
      .truth()
      .filter(({ subject }) => subject.startsWith(`app.${appId}.formation.`))
      .map(toldOf)
      .findLast(({ data }) => data['type'] === type)
    return told?.data['quantity'] === quantity
      ? []
      : [`${type} has ${quantity}, told: ${String(told?.data['quantity'])}`]
  })
