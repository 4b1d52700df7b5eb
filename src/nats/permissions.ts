/**
 * What a host may say and hear on the bus: pure. A host speaks only as itself, hears only what is meant for
 * it and what is meant for all, and reads only its own answers. Control hosts serve the record besides; the
 * others read it.
 *
 * Other processes of a host have inboxes of their own, its name with a suffix, and the host's key.
 */
import assert from 'node:assert/strict'
import { toToken } from './names.ts'

export type HostUser = {
  readonly name: string
  /** Public half of its key (nkeys.ts). */
  readonly nkey: string
  readonly control: boolean
}
/** Somebody who may ask the API and hear of what happens, and nothing else. */
export type ApiUser = {
  /** In subjects: who it is. */
  readonly id: string
  /** Public half of its key. */
  readonly nkey: string
  /** Hears all events; others only what the platform tells each of them. */
  readonly operator: boolean
}
export type Permissions = { readonly publish: readonly string[]; readonly subscribe: readonly string[] }

export type Grants = {
  /** The cluster's name in subjects, as `openTransport` has it. */
  readonly cluster: string
  /** Streams that every host may read: the record and the objects. */
  readonly readable: readonly string[]
  /** Subjects that control hosts write besides `$KV.>` and `$O.>`: those of histories. */
  readonly written: readonly string[]
  /** Subjects that control hosts serve and ask. */
  readonly served: readonly string[]
  /** What the names of a host's other processes end in. */
  readonly suffixes: readonly string[]
}

/** @throws AssertionError for a name that could be another host's process */
export const permissionsOf = (host: HostUser, grants: Grants): Permissions => {
  assert(!grants.suffixes.some((end) => host.name.endsWith(end)), `a host cannot be called ${host.name}`)
  const cluster = toToken(grants.cluster)
  const selves = ['', ...grants.suffixes].map((end) => toToken(host.name + end))
  const speak = selves.flatMap((self) => [`act.v1.${cluster}.*.${self}`, `top.v1.${cluster}.*.${self}`])
  const hear = selves.flatMap((self) => [`act.v1.${cluster}.${self}.*`, `_HOST.${self}.>`])
  const topics = [`top.v1.${cluster}.>`, 'live.>']
  return host.control
    ? {
        // Answers go to the inbox of whoever asked.
        publish: [...speak, '$JS.API.>', '$KV.>', '$O.>', ...grants.written, ...grants.served].concat([
          '_HOST.>',
          '_INBOX.>',
          '_USER.>',
        ]),
        subscribe: [...hear, ...topics, ...grants.served],
      }
    : { publish: [...speak, ...grants.readable.flatMap(readingOf)], subscribe: [...hear, ...topics] }
}

/** What all requests of API users begin with; their id follows. */
export const userRoot = 'manifold.v1.user'
/** What the inboxes of an API user begin with: answers go nowhere else. */
export const userInbox = (id: string): string => `_USER.${toToken(id)}`

/** What is told to an API user begins with. */
export const userEvents = (id: string): string => `${userRoot}.${toToken(id)}.events`
/** What all events begin with. */
export const eventRoot = 'manifold.v1.events'
/** Looking up what services there are, and what they take. */
const discovery = ['$SRV.PING', '$SRV.PING.>', '$SRV.INFO', '$SRV.INFO.>']

/** The subject says who it is, and the server sees to it that it says so of nobody else. */
export const permissionsOfUser = ({ id, operator }: ApiUser): Permissions => ({
  publish: [`${userRoot}.${toToken(id)}.api.>`, ...discovery],
  subscribe: [`${userInbox(id)}.>`, `${userEvents(id)}.>`, ...(operator ? [`${eventRoot}.>`] : [])],
})

const readingOf = (stream: string): readonly string[] =>
  [`STREAM.MSG.GET.${stream}`, `DIRECT.GET.${stream}`, `DIRECT.GET.${stream}.>`]
    .concat([`CONSUMER.CREATE.${stream}.>`, `CONSUMER.MSG.NEXT.${stream}.>`, `CONSUMER.DELETE.${stream}.>`])
    .map((verb) => `$JS.API.${verb}`)
