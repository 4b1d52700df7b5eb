/**
 * One access line from one record, in Heroku's exact form and order (HTTP Routing, "Heroku router log
 * format"). Pure.
 *
 * Text from clients is quoted or stripped of what could end a field or a line, so that a request can't
 * forge fields of the log it is written to.
 */
import type { AccessRecord } from './contract.ts'

/** `at=info method=GET path="/" host=… request_id=… fwd="…" dyno=… connect=…ms service=…ms status=… …` */
export function formatAccessLine(record: AccessRecord): string {
  const sock = record.sock === '' ? '' : `sock=${record.sock} `
  const cause = record.cause === '' ? '' : ` cause="${quoted(record.cause)}"`
  const code = record.code === '' ? '' : ` code=${record.code} desc="${quoted(record.description)}"${cause}`
  const agent = record.agent === '' ? '' : ` agent="${quoted(record.agent)}"`
  return (
    `${sock}at=${record.at}${code} method=${record.method} path="${quoted(record.path)}"` +
    ` host=${record.host} request_id=${record.requestId} fwd="${quoted(record.fwd)}"` +
    ` dyno=${record.target}${queued(record)} connect=${ms(record.connectMs)} service=${ms(record.serviceMs)}` +
    ` status=${record.status ?? ''} bytes=${record.bytes ?? ''} protocol=${record.protocol}${tls(record.tls)}${agent}`
  )
}

function tls(version: AccessRecord['tls']): string {
  return version === '' ? ' tls=false' : ` tls=true tls_version=${version}`
}

/** As Heroku's lines had it; there only when there was a wait. */
function queued({ queue, waitMs }: AccessRecord): string {
  return waitMs === null ? '' : ` queue=${queue ?? ''} wait=${ms(waitMs)}`
}

function ms(value: number | null): string {
  return value === null ? '' : `${Math.round(value)}ms`
}

// The usual text needs nothing done to it, and testing for that is cheaper than replacing.
const needsCare = /["\\\x00-\x1f\x7f-\x9f]/
const careful = /["\\\x00-\x1f\x7f-\x9f]/g

function quoted(text: string): string {
  if (!needsCare.test(text)) return text
  return text.replace(careful, (character) =>
    character === '"' || character === '\\'
      ? `\\${character}`
      : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
