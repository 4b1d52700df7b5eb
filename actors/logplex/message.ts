/**
 * Lines as syslog messages. Logplex gives every line a priority (spec/logplex.md §1.7); what was observed of
 * Heroku's is facility × 8 + severity of who speaks. What came in with one keeps it. Pure.
 */
import type { LogMessage } from '../../src/syslog/message.ts'
import type { Line } from '../protocols/channel.ts'

const priorities = {
  /** local7.info */
  app: 190,
  /** local3.info */
  router: 158,
  /** local0.info */
  sample: 134,
  /** syslog.notice: a dyno's state */
  dyno: 45,
  /** local5.warning: lines are lost */
  loss: 172,
  /** local7.warning */
  certificate: 188,
}
const sampleMark = Buffer.from('sample#')
const certificateMark = Buffer.from('Error L14')

const startsWith = (text: Uint8Array, mark: Buffer): boolean =>
  text.length >= mark.length && mark.every((byte, at) => text[at] === byte)

const priorityOf = ({ source, process, text }: Line): number => {
  if (process === 'log-shuttle') return priorities.loss
  if (source === 'app') return priorities.app
  if (process === 'router') return priorities.router
  if (process === 'logplex')
    return startsWith(text, certificateMark) ? priorities.certificate : priorities.loss
  // `source=web.1 dyno=… sample#memory_total=…` (log-runtime-metrics)
  return Buffer.from(text.buffer, text.byteOffset, text.length).includes(sampleMark)
    ? priorities.sample
    : priorities.dyno
}

export const messageOf = (line: Line): LogMessage => ({
  ...line,
  priority: line.priority ?? priorityOf(line),
})
