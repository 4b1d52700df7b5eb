/**
 * Log records as OpenTelemetry's collectors take them: a request to export them (opentelemetry-proto,
 * `collector/logs/v1`), and what is in its answer. Pure.
 */
import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { fieldsOf, writeBackwards, type Field, type Writer } from './protobuf.ts'

export type Attributes = readonly (readonly [name: string, value: string])[]

export type LogRecord = {
  /** Microseconds since 1970. */
  readonly atUs: number
  /** Of syslog: 0, which is worst, to 7. */
  readonly severity: number
  /** Strings are UTF-8 there: what is none becomes U+FFFD. */
  readonly body: Uint8Array
  readonly attributes: Attributes
}

/** Records of one resource, in order. */
export type ResourceLogs = { readonly attributes: Attributes; readonly records: readonly LogRecord[] }

/** By syslog's severity (OpenTelemetry's logs data model, appendix B). */
const severities: readonly { readonly number: number; readonly text: string }[] = [
  { number: 21, text: 'emerg' },
  { number: 19, text: 'alert' },
  { number: 18, text: 'crit' },
  { number: 17, text: 'err' },
  { number: 13, text: 'warning' },
  { number: 10, text: 'notice' },
  { number: 9, text: 'info' },
  { number: 5, text: 'debug' },
]

// Numbers of fields, by their message.
const exportRequest = { resourceLogs: 1 } as const
const resourceLogs = { resource: 1, scopeLogs: 2 } as const
const resource = { attributes: 1 } as const
const scopeLogs = { scope: 1, logRecords: 2 } as const
const instrumentationScope = { name: 1 } as const
const logRecord = {
  time: 1,
  severityNumber: 2,
  severityText: 3,
  body: 5,
  attributes: 6,
  observedTime: 11,
} as const
const keyValue = { key: 1, value: 2 } as const
const anyValue = { string: 1 } as const
const exportResponse = { partialSuccess: 1 } as const
const partialSuccess = { rejected: 1, message: 2 } as const

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * @param scope who says that they were written
 * @param bytesExpected about what it will be
 */
export const encodeLogs = (
  groups: readonly ResourceLogs[],
  scope: string,
  bytesExpected = 16_384,
): Buffer => {
  const writer = writeBackwards(bytesExpected)
  for (const group of groups.toReversed())
    writer.message(exportRequest.resourceLogs, () => {
      writer.message(resourceLogs.scopeLogs, () => {
        for (const record of group.records.toReversed())
          writer.message(scopeLogs.logRecords, () => putRecord(writer, record))
        writer.message(scopeLogs.scope, () => writer.text(instrumentationScope.name, scope))
      })
      writer.message(resourceLogs.resource, () =>
        putAttributes(writer, resource.attributes, group.attributes),
      )
    })
  return writer.finish()
}

const putRecord = (writer: Writer, { atUs, severity, body, attributes }: LogRecord): void => {
  // One that cannot be said is none there (0): a record that cannot be written would hold up all behind it.
  const atNs = BigInt(Math.max(0, atUs)) * 1000n
  const { number, text } = found(severity)
  // When the platform saw it: a dyno's line has that time, of others it is not known.
  writer.fixed64(logRecord.observedTime, atNs)
  putAttributes(writer, logRecord.attributes, attributes)
  writer.message(logRecord.body, () => writer.bytes(anyValue.string, asUtf8(body)))
  writer.text(logRecord.severityText, text)
  writer.varint(logRecord.severityNumber, number)
  writer.fixed64(logRecord.time, atNs)
}

const found = (severity: number) => {
  const one = severities[severity]
  assert(one !== undefined, 'a severity is 0 to 7')
  return one
}

const putAttributes = (writer: Writer, field: number, attributes: Attributes): void => {
  for (const [name, value] of attributes.toReversed())
    writer.message(field, () => {
      writer.message(keyValue.value, () => writer.text(anyValue.string, value))
      writer.text(keyValue.key, name)
    })
}

const asUtf8 = (bytes: Uint8Array): Uint8Array => (isUtf8(bytes) ? bytes : Buffer.from(decoder.decode(bytes)))

export type Rejection = { readonly count: number; readonly message: string }

/** What of a request was not taken, and is not to be sent again; undefined: nothing that can be read. */
export const readRejection = (answer: Uint8Array): Rejection | undefined => {
  try {
    const partial = lastOf(answer, exportResponse.partialSuccess)
    if (!(partial instanceof Uint8Array)) return undefined
    const count = lastOf(partial, partialSuccess.rejected)
    const message = lastOf(partial, partialSuccess.message)
    // A warning has no count; a negative one is none.
    if (typeof count !== 'bigint' || count === 0n || count >= 2n ** 63n) return undefined
    return { count: Number(count), message: message instanceof Uint8Array ? decoder.decode(message) : '' }
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** Of a field that is there more than once the last one counts. */
const lastOf = (bytes: Uint8Array, which: number): Field['value'] | undefined => {
  let value: Field['value'] | undefined
  for (const one of fieldsOf(bytes)) if (one.field === which) ({ value } = one)
  return value
}
