/** The commands about the keys that seal what is secret at rest. */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { SealingKeys } from '../src/client/answers/sealing-keys.ts'
import { named, parsed, UsageError, type Command } from './arguments.ts'
import { Refused, type Client } from './client.ts'
import { table } from './table.ts'

const pollMs = 500
const waitMinutesDefault = 30
const fileBytesMax = 512

const stateText = {
  next: 'is given to the hosts',
  seals: 'seals',
  resealing: 'opens: what it sealed is sealed anew',
  kept: 'opens backups',
}

const list: Command = async (args, open) => {
  const { values } = parsed(args, { json: { type: 'boolean' } }, [])
  const found = await open().call('sealing-keys.list')
  if (values.json === true) {
    console.log(JSON.stringify(found))
    return 0
  }
  const rows = found.keys.map(({ id, state, resealed_at: at }) => [id, stateText[state], at ?? '-'])
  console.log(table([['KEY', 'WHAT IT DOES', 'RESEALED'], ...rows], new Set()))
  const more = progressOf(found)
  if (more !== undefined) console.log(more)
  return 0
}

const isDone = ({ keys }: SealingKeys): boolean =>
  keys.every(({ state }) => state === 'seals' || state === 'kept')

/** Undefined: nothing is under way. */
const progressOf = (found: SealingKeys): string | undefined => {
  const lost =
    found.unreadable === 0 ? '' : `; ${found.unreadable} records are sealed with keys that are not here`
  if (isDone(found)) return lost === '' ? undefined : lost.slice(2)
  const on = found.waiting_for.length === 0 ? '' : `; waits for ${found.waiting_for.join(', ')}`
  if (found.keys.some(({ state }) => state === 'next')) return `hosts are given the new key${on}`
  return `${found.resealed} of ${found.total} records are sealed with the new key${on}${lost}`
}

const rotate: Command = async (args, open) => {
  const options = { wait: { type: 'boolean' }, timeout: { type: 'string' } } as const
  const { values } = parsed(args, options, [])
  const minutes = Number(values.timeout ?? waitMinutesDefault)
  if (!(minutes > 0)) throw new UsageError('--timeout wants minutes')
  const client = open()
  await client.call('sealing-keys.rotate')
  if (values.wait !== true) {
    console.log('a new key is made; manifold keys says how far it is')
    return 0
  }
  return waitUntilDone(client, performance.now() + minutes * 60_000)
}

const waitUntilDone = async (client: Client, deadlineMs: number): Promise<number> => {
  let last: string | undefined
  while (performance.now() < deadlineMs) {
    const found = await client.call('sealing-keys.list').catch((error: unknown) => {
      // The host that leads may go meanwhile: another one goes on.
      if (error instanceof Refused && error.code === 'service_unavailable') return null
      throw error
    })
    if (found !== null && isDone(found)) {
      const id = found.keys.find(({ state }) => state === 'seals')?.id ?? ''
      console.log(`all ${found.total} records are sealed with key ${id}: copy keys/config.key anew`)
      return 0
    }
    const text = found === null ? 'waiting for an answer' : progressOf(found)
    if (text !== undefined && text !== last) console.error(text)
    last = text
    await pause(pollMs)
  }
  console.error('manifold: not all is sealed with the new key yet; it goes on. manifold keys says what waits')
  return 1
}

const add: Command = async (args, open) => {
  const file = named(parsed(args, {}, ['FILE']).positionals, 'the file')
  const bytes = read(file)
  if (bytes.length > fileBytesMax) throw new Refused('file', `${file} is no file of keys`)
  await open().call('sealing-keys.create', { body: { keys: bytes.toString('base64') } })
  console.log('its keys open what they sealed; nothing is sealed with them')
  return 0
}

const read = (file: string): Buffer => {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new Refused('file', `cannot read ${file}`, { cause: error })
  }
}

export const keys: Readonly<Record<string, Command>> = {
  keys: list,
  'keys:rotate': rotate,
  'keys:add': add,
}
