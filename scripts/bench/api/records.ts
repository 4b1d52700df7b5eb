/** Apps as they stand in the record, all of one owner: what the API is asked about. */
import { appFormat } from '../../../actors/app/kept.ts'
import { newApp } from '../../../actors/app/record.ts'
import { nameKey } from '../../../actors/effects/perform/names.ts'
import { markKey } from '../../../actors/main/list-apps.ts'
import { noReminders, recordKey } from '../../../src/runtime/record.ts'
import { appIdOf, appNameOf } from '../../routes/records.ts'

export const owner = { id: '20000000-0000-4000-8000-000000000001', email: 'owner@example.com' }

const longAgo = 1_700_000_000_000
const encoder = new TextEncoder()

/** Keys and values of so many apps, as their actors would have stored them; their lists are written apart. */
export function* entriesOf(apps: number): Generator<readonly [string, Uint8Array]> {
  yield [markKey, encoder.encode('{}')]
  for (let number = 0; number < apps; number += 1) {
    const [id, name] = [appIdOf(number), appNameOf(number)]
    const made = newApp({ id, name, owner, region: 'local', stack: 'heroku-24' }, longAgo)
    const a = { ...made, phase: 'live' as const, listing: 0, listed: 0 }
    const record = appFormat.encode(a, noReminders, id.slice(-12), [])
    yield [recordKey('app', id), record ?? new Uint8Array()]
    yield [nameKey('app', name), encoder.encode(JSON.stringify({ appId: id }))]
  }
}
