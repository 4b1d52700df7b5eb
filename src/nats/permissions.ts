/**
 * What a host may say and hear on the bus: pure. A host speaks only as itself, hears only what is meant for it
 * and what is meant for all, and reads only its own answers. Control hosts serve the record besides; the
 * others read it.
 *
 * A host's router processes have inboxes of their own, `<host>-router-<n>`, and the host's key.
 */
import assert from 'node:assert/strict'
import { toToken } from './names.ts'

export type HostUser = {
  readonly name: string
  /** Public half of its key (nkeys.ts). */
  readonly nkey: string
  readonly control: boolean
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
}

/** Router processes a host may have. */
export const routersMax = 8
const routerName = /-router-\d+$/

/** @throws AssertionError for a name that could be another host's router process */
export const permissionsOf = (host: HostUser, grants: Grants): Permissions => {
  assert(!routerName.test(host.name), `a host cannot be called ${host.name}`)
  const cluster = toToken(grants.cluster)
  const selves = [host.name]
    .concat(Array.from({ length: routersMax }, (_, index) => `${host.name}-router-${index}`))
    .map(toToken)
  const speak = selves.flatMap((self) => [`act.v1.${cluster}.*.${self}`, `top.v1.${cluster}.*.${self}`])
  const hear = selves.flatMap((self) => [`act.v1.${cluster}.${self}.*`, `_HOST.${self}.>`])
  const topics = [`top.v1.${cluster}.>`, 'live.>']
  return host.control
    ? {
        // Answers go to the inbox of whoever asked.
        publish: [...speak, '$JS.API.>', '$KV.>', '$O.>', ...grants.written, ...grants.served].concat([
          '_HOST.>',
          '_INBOX.>',
        ]),
        subscribe: [...hear, ...topics, ...grants.served],
      }
    : { publish: [...speak, ...grants.readable.flatMap(readingOf)], subscribe: [...hear, ...topics] }
}

const readingOf = (stream: string): readonly string[] =>
  [`STREAM.MSG.GET.${stream}`, `DIRECT.GET.${stream}`, `DIRECT.GET.${stream}.>`]
    .concat([`CONSUMER.CREATE.${stream}.>`, `CONSUMER.MSG.NEXT.${stream}.>`, `CONSUMER.DELETE.${stream}.>`])
    .map((verb) => `$JS.API.${verb}`)
