/** The audit trail, printed: who changed what, when, from where, and what came of it. */
import type { AuditEvent } from '../src/client/answers/audit-event.ts'
import { parsed, UsageError, type Command } from './arguments.ts'
import { table } from './table.ts'

const numDefault = 50
const numMax = 1000

export const audit: Command = async (args, open) => {
  const options = {
    app: { type: 'string', short: 'a' },
    num: { type: 'string', short: 'n' },
    json: { type: 'boolean' },
  } as const
  const { values } = parsed(args, options, [])
  const num = Number(values.num ?? numDefault)
  if (!(Number.isInteger(num) && num >= 1 && num <= numMax)) throw new UsageError(`--num is 1 to ${numMax}`)
  const range = `seq ..; max=${num}`
  const events = await (values.app === undefined
    ? open().call('audit.list', { range })
    : open().call('audit.list-by-app', { params: { app: values.app }, range }))
  console.log(values.json === true ? JSON.stringify(events) : auditTable(events))
  return 0
}

const auditTable = (events: readonly AuditEvent[]): string => {
  const head = ['WHEN', 'WHO', 'WHAT', 'STATUS', 'RELEASE', 'FROM']
  const rows = events.map(({ actor, action, params, fields, from, release, status, created_at: at }) => [
    at,
    actor.email,
    [action, ...Object.values(params), fields.length > 0 ? `(${fields.join(', ')})` : ''].join(' ').trim(),
    status === null ? 'begun' : String(status),
    release === null ? '-' : `v${release.version}`,
    [from.address, from.agent].join(' ').trim(),
  ])
  return table([head, ...rows], new Set())
}
