/** What this platform answers with that Heroku's schema does not have, or not so. */
import { is, type TProperties } from '../../../src/runtime/index.ts'
import { teamRoles } from '../../protocols/team.ts'
import heroku from './heroku.json' with { type: 'json' }

export type Shape = object
type Fields = {
  readonly properties: object
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean
}

/** Just these, and no others. */
const obj = (fields: TProperties): Fields => ({ ...is.obj(fields), additionalProperties: false })
/** With these besides. */
const and = <B extends Fields>(base: B, more: TProperties): B & Fields => {
  const { properties, required = [] } = is.obj(more) as Fields
  return {
    ...base,
    properties: { ...base.properties, ...properties },
    required: [...new Set([...(base.required ?? []), ...required])],
  }
}
const shape = (of: Shape): ReturnType<typeof is.obj> => of as unknown as ReturnType<typeof is.obj>
const list = (of: Shape) => is.arr(shape(of))
const textOrNull = is.orNull(is.str)
const time = shape({ type: 'string', format: 'date-time' })
/** With its milliseconds. */
const instant = shape({ type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' })
const timeOrNull = is.orNull(time)
const texts = is.arr(is.str)
const id = shape({ type: 'string', format: 'uuid' })
const named = shape(obj({ id, name: is.str }))
const ofId = shape(obj({ id }))

const coupling = heroku['pipeline-coupling']
const sni = heroku['sni-endpoint']
const told = heroku['app-webhook-event']
/** Heroku's schema knows no viewer. */
const role = is.orNull(is.oneOf(...teamRoles))
const user = and(heroku.account, { operator: is.bool })
const delivery = obj({
  state: is.str,
  lag: is.orNull(is.int),
  dropped: is.int,
  reason: textOrNull,
  delivered_at: timeOrNull,
})

export const own = {
  nothing: obj({}),
  // What the stock CLI reads of these, and Heroku's schema lacks.
  app: and(heroku.app, {
    create_status: is.opt(is.str),
    process_tier: is.opt(is.str),
    // Of a team's.
    joined: is.opt(is.bool),
    locked: is.opt(is.bool),
  }),
  team: and(heroku.team, { role }),
  'team-member': and(heroku['team-member'], { role }),
  // Its secret is told to those who may have it.
  'oauth-client': {
    ...heroku['oauth-client'],
    required: heroku['oauth-client'].required.filter((name) => name !== 'secret'),
  },
  'team-app': and(heroku.app, { create_status: is.str, joined: is.bool, locked: is.bool }),
  'app-webhook-event': and(told, { payload: shape(and(told.properties.payload, { published_at: time })) }),
  'pipeline-coupling': and(coupling, {
    pipeline: shape(and(coupling.properties.pipeline, { name: is.str })),
  }),
  'sni-endpoint': and(sni, { ssl_cert: shape(and(sni.properties.ssl_cert, { acm: is.bool })) }),
  // Ours besides: how placement is to treat its dynos.
  formation: and(heroku.formation, { singleton: is.opt(is.bool), labels: is.opt(is.map(is.str)) }),
  user,
  'user-token': and(user, { token: is.str, authorization: ofId }),
  'bus-key': obj({
    seed: is.str,
    urls: texts,
    subject_prefix: is.str,
    inbox_prefix: is.str,
    event_prefix: is.str,
  }),
  'oauth-session': obj({ created_at: time, description: is.str, expires_in: is.int, id }),
  'config-vars': is.map(is.str),
  buildpack: obj({
    id,
    namespace: is.str,
    name: is.str,
    description: is.str,
    category: is.str,
    blob_url: is.str,
    source: is.union(
      shape(obj({ type: is.lit('github'), owner: is.str, repo: is.str })),
      shape(obj({ type: is.lit('platform') })),
    ),
    support: shape(obj({ method: is.str, address: is.str })),
    updated_at: time,
  }),
  'buildpack-revision': obj({
    id,
    release: is.int,
    status: is.str,
    license: textOrNull,
    created_at: time,
    updated_at: time,
  }),
  'buildpack-readme': obj({ content: is.str, encoding: is.lit('base64') }),
  'log-drain': and(heroku['log-drain'], { delivery: is.opt(shape(delivery)) }),
  delivery,
  channel: obj({ channel: is.str, tokens: is.opt(is.map(is.str)) }),
  'log-token': obj({ token: is.str, name: is.str }),
  'app-quota': obj({
    account_quota: is.int,
    quota_used: is.int,
    apps: list(obj({ app_uuid: id, quota_used: is.int })),
  }),
  usage: obj({
    month: is.str,
    apps: list(
      obj({
        app: named,
        destroyed: is.bool,
        dynos: list(obj({ type: is.str, size: is.str, seconds: is.int })),
      }),
    ),
  }),
  'addon-usage': obj({ addons: is.arr(is.json) }),
  host: obj({
    name: is.str,
    state: is.str,
    roles: texts,
    labels: is.map(is.str),
    address: is.str,
    version: is.str,
    protocol: is.int,
    server: is.str,
    since: instant,
    leader: is.bool,
    dynos: is.orNull(is.int),
    memory_bytes: is.orNull(is.int),
    reserved_bytes: is.orNull(is.int),
    load: is.orNull(is.num),
  }),
  'host-draining': obj({ name: is.str, draining: is.bool }),
  'host-removed': obj({ name: is.str, warning: textOrNull }),
  invite: obj({ url: is.str }),
  cluster: obj({ number: is.int, leader: is.str, self: is.str, braked: is.bool, hosts: is.int }),
  finding: obj({
    what: is.str,
    level: is.oneOf('ok', 'warn', 'fail'),
    detail: is.str,
    todo: textOrNull,
  }),
  'host-event': obj({
    created_at: time,
    id,
    include: is.lit('api:host'),
    payload: shape(
      obj({
        action: is.oneOf('create', 'update', 'destroy'),
        actor: shape(obj({ email: is.str, id })),
        data: is.json,
        previous_data: is.json,
        published_at: time,
        resource: is.lit('host'),
        version: is.str,
      }),
    ),
    updated_at: time,
  }),
  'sealing-keys': obj({
    keys: list(
      obj({
        id: is.str,
        state: is.oneOf('next', 'seals', 'resealing', 'kept'),
        resealed_at: is.orNull(instant),
      }),
    ),
    resealed: is.int,
    total: is.int,
    unreadable: is.int,
    waiting_for: texts,
  }),
  'audit-event': obj({
    action: is.str,
    actor: shape(obj({ id: is.str, email: is.str })),
    app: is.orNull(ofId),
    authorization: is.orNull(ofId),
    created_at: instant,
    fields: texts,
    from: shape(obj({ address: is.str, agent: is.str })),
    params: is.map(is.str),
    release: is.orNull(shape(obj({ version: is.int }))),
    request_id: is.str,
    status: is.orNull(is.int),
  }),
  status: obj({
    status: list(obj({ system: is.str, status: is.str })),
    incidents: is.arr(is.json),
    scheduled: is.arr(is.json),
  }),
  schema: is.json,
}
