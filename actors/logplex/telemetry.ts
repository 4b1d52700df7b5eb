/**
 * Lines as OpenTelemetry's log records, with the names that its conventions and Heroku's Fir have (spec/
 * logplex.md §6). Pure.
 *
 * The resource is the dyno, or the app when the platform speaks of it. Its release is not told: a line does
 * not say which one wrote it.
 */
import type { Attributes, LogRecord, ResourceLogs } from '../../src/otlp/logs.ts'
import type { LogMessage } from '../../src/syslog/message.ts'

export type Service = { readonly appId: string; readonly appName: string }

/** Who passes them on. */
export const telemetryScope = 'manifold'

/** About what a record takes beside its texts: times, severity, names of attributes, its id. */
const recordBytesFixed = 192

/** Not exactly: a bound on what is sent in one request. */
export const recordBytes = ({ text, source, process }: LogMessage): number =>
  recordBytesFixed + text.length + source.length + process.length

/** @param frameId the same when they are sent again as they were */
export const recordsOf = (
  service: Service,
  messages: readonly LogMessage[],
  frameId: string,
): readonly ResourceLogs[] => {
  const groups = new Map<string, LogRecord[]>()
  for (const [at, message] of messages.entries()) {
    const dyno = dynoOf(message)
    const records = groups.get(dyno) ?? []
    records.push(recordOf(message, uidOf(message, service) ?? `${frameId}-${at}`))
    groups.set(dyno, records)
  }
  return [...groups].map(([dyno, records]) => ({ attributes: resourceOf(service, dyno), records }))
}

/**
 * Receivers know repeats by it. After a crash lines come again in other frames, so it is the line's own; with
 * its time, for a history that has lost its end gives numbers a second time.
 */
const uidOf = ({ number, atUs }: LogMessage, { appId }: Service): string | undefined =>
  number === undefined ? undefined : `${appId}-${number}-${atUs}`

/** `web.1`, `run.4711`; empty: not a dyno, as `router` is none, nor what others write into the log. */
const dynoOf = ({ source, process }: LogMessage): string =>
  (source === 'app' || source === 'heroku') && /^[\w-]+\.\d+$/.test(process) ? process : ''

const resourceOf = ({ appId, appName }: Service, dyno: string): Attributes => [
  ['cloud.provider', 'heroku'],
  ['heroku.app.id', appId],
  ['service.name', appName],
  ...(dyno === ''
    ? []
    : ([
        ['heroku.dyno.name', dyno],
        ['service.instance.id', dyno],
      ] as const)),
]

const severityMask = 7

const recordOf = ({ atUs, priority, source, process, text }: LogMessage, uid: string): LogRecord => ({
  atUs,
  severity: priority & severityMask,
  body: text,
  attributes: [
    ['heroku.log.source', source],
    ['heroku.log.process', process],
    ['log.record.uid', uid],
  ],
})
