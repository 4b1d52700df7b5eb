/**
 * Which headers an intermediary acts on, told apart by their bytes.
 *
 * A name's length picks the few candidates, so an ordinary header costs one array load and rarely a
 * comparison. Everything else is `other` and passes through untouched.
 */
import { equalsIgnoreCase } from './bytes.ts'

/** Small integers, since they live in the parser's offset array beside the positions. */
export const kind = {
  other: 0,
  connection: 1,
  contentLength: 2,
  transferEncoding: 3,
  host: 4,
  expect: 5,
  upgrade: 6,
  te: 7,
  keepAlive: 8,
  proxyConnection: 9,
  proxyAuthorization: 10,
  http2Settings: 11,
  forwardedFor: 12,
  forwardedProto: 13,
  forwardedPort: 14,
  requestStart: 15,
  requestId: 16,
  via: 17,
  setCookie: 18,
  date: 19,
  server: 20,
  accept: 21,
} as const

const named: readonly (readonly [string, number])[] = [
  ['connection', kind.connection],
  ['content-length', kind.contentLength],
  ['transfer-encoding', kind.transferEncoding],
  ['host', kind.host],
  ['expect', kind.expect],
  ['upgrade', kind.upgrade],
  ['te', kind.te],
  ['keep-alive', kind.keepAlive],
  ['proxy-connection', kind.proxyConnection],
  ['proxy-authorization', kind.proxyAuthorization],
  ['http2-settings', kind.http2Settings],
  ['x-forwarded-for', kind.forwardedFor],
  ['x-forwarded-proto', kind.forwardedProto],
  ['x-forwarded-port', kind.forwardedPort],
  ['x-request-start', kind.requestStart],
  ['x-request-id', kind.requestId],
  ['via', kind.via],
  ['set-cookie', kind.setCookie],
  ['date', kind.date],
  ['server', kind.server],
  ['accept', kind.accept],
]

type Candidate = { readonly first: number; readonly name: Buffer; readonly kind: number }

const byLength: Candidate[][] = Array.from({ length: 32 }, () => [])
for (const [name, id] of named) {
  byLength[name.length]?.push({ first: name.charCodeAt(0), name: Buffer.from(name), kind: id })
}

/** The kind of the header whose name is bytes[start, end). */
export function headerKind(bytes: Buffer, start: number, end: number): number {
  const candidates = byLength[end - start]
  if (candidates === undefined) return kind.other
  const first = (bytes[start] as number) | 0x20
  for (const candidate of candidates) {
    if (candidate.first === first && equalsIgnoreCase(bytes, start, end, candidate.name)) {
      return candidate.kind
    }
  }
  return kind.other
}
