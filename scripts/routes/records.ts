/** Apps as they stand in the record, one dyno each, up: what a table of many routes is made of. Pure. */
import { nameKey } from '../../actors/effects/perform/names.ts'
import { formationFormat } from '../../actors/formation/kept.ts'
import { formed, type Formed } from '../../actors/formation/record.ts'
import { noReminders, recordKey } from '../../src/runtime/record.ts'

/** As long as the real ones: lower-case UUIDs. */
export const appIdOf = (number: number): string => `00000000-0000-4000-8000-${hex(number, 12)}`
export const appNameOf = (number: number): string => `app-${number}`
/** One app of four has a domain of its own. */
export const domainOf = (number: number): string | undefined =>
  number % 4 === 0 ? `www.customer-${number}.example.com` : undefined

/** Where the one dyno of each app listens, and whether its owner has it closed for now. */
export type Place = {
  readonly host: string
  readonly address: string
  readonly port: number
  readonly maintenance: boolean
}

const hex = (number: number, digits: number): string => number.toString(16).padStart(digits, '0')
const longAgo = 1_700_000_000_000

/** @param later so many changes after the first state */
export const formationOf = (
  number: number,
  { host, address, port, maintenance }: Place,
  later = 0,
): Formed => {
  const domain = domainOf(number)
  const times = { createdAt: longAgo, updatedAt: longAgo }
  const release = {
    id: `10000000-0000-4000-8000-${hex(number, 12)}`,
    version: 3,
    description: 'Deploy 60a874b3',
    status: 'succeeded' as const,
    userId: '20000000-0000-4000-8000-000000000001',
    userEmail: 'owner@example.com',
    configId: `30000000-0000-4000-8000-${hex(number, 12)}`,
    slug: {
      id: `40000000-0000-4000-8000-${hex(number, 12)}`,
      sha256: hex(number, 64),
      bytes: 20_000_000,
      stack: 'heroku-24',
      commit: hex(number, 40),
      description: 'Deploy 60a874b3',
      processTypes: { web: 'npm start' },
      buildpackDescription: 'Node.js',
      createdAt: longAgo,
    },
    ...times,
  }
  const web = { type: 'web', command: 'npm start', size: 'Basic' }
  const runId = `50000000-0000-4000-8000-${hex(number, 12)}`
  const id = `60000000-0000-4000-8000-${hex(number, 12)}`
  const at = { host, address, port, outer: null }
  const run = { id: runId, epoch: longAgo, phase: 'up' as const, at: longAgo, since: 1, halted: false, ...at }
  return {
    ...formed(appNameOf(number)),
    maintenance,
    hostnames: domain === undefined ? [] : [domain],
    release,
    types: [{ id, ...web, quantity: 1, singleton: false, ...times }],
    slots: [
      {
        name: 'web.1',
        ...web,
        ...times,
        state: 'up',
        releaseId: release.id,
        releaseVersion: 3,
        run,
        old: null,
        lastRunId: runId,
        crashes: 0,
        dueAt: 0,
        oneOff: null,
      },
    ],
    epoch: longAgo,
    routeVersion: longAgo + later,
  }
}

const encoder = new TextEncoder()

/** Keys and values of one app, as its actors would have stored them. */
export const entriesOf = (
  number: number,
  place: Place,
  later = 0,
): readonly (readonly [string, Uint8Array])[] => {
  const appId = appIdOf(number)
  const held = encoder.encode(JSON.stringify({ appId }))
  const domain = domainOf(number)
  const record = formationFormat.encode(formationOf(number, place, later), noReminders, hex(number, 26), [])
  return [
    [recordKey('formation', appId), record ?? new Uint8Array()],
    [nameKey('app', appNameOf(number)), held],
    ...(domain === undefined ? [] : [[nameKey('host', domain), held] as const]),
  ]
}
