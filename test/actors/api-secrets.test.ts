/**
 * Secrets of every call: what an endpoint is given or gives in confidence is in no log line, in no line of
 * the audit trail, and not in the record as it is.
 */
import t from 'tap'
import { openApi, type Json } from '../kit/api.ts'
import { calls, openStage } from '../kit/calls.ts'

t.setTimeout(300_000)

/** Names of fields and headers that open something. */
const opening = new RegExp(
  '^(token|secret|code|seed|password|new_password|private_key|keys|authorization|x-key|heroku-webhook-secret|' +
    'attach_url|logplex_url|put_url|get_url|url)$',
  'i',
)
/** An id by which a token is named, or what a list shows of one; a user's own address that opens nothing. */
const isOpen = (text: string): boolean =>
  /^[0-9a-f-]{36}$|\*{6}|^urn:|^(https|syslog):\/\/([\w.]+\.)?example\.com(:\d+)?(\/[\w.]*)?$/.test(text)

const secretsIn = (value: unknown, name = ''): string[] => {
  if (typeof value === 'string')
    return opening.test(name) && value.length >= 6 && !isOpen(value) ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, one]) => secretsIn(one, Array.isArray(value) ? name : key))
}

/** Addresses are signed, not sealed: what they lead to is there. */
const isAddress = (text: string): boolean => /^(https?|rendezvous):/.test(text)
/** Who writes a log shows this in each line of it, as Heroku has it. */
const isLogToken = (text: string): boolean => text.startsWith('t.')

t.test('what is secret in a call is neither logged nor audited, nor kept as it is', async (t) => {
  const logged: string[] = []
  const api = await openApi(t, { log: (entry) => void logged.push(JSON.stringify(entry)) })
  const secrets = new Map<string, string>()
  const own = async (name: string, sent: object): Promise<Json> => {
    const { json, headers } = await api.call(name, sent)
    for (const one of secretsIn([sent, json, headers])) if (!secrets.has(one)) secrets.set(one, name)
    return json
  }
  for (const [name, call] of Object.entries(calls)) {
    const stage = await openStage(api, own)
    const sent = await call.sent({ ...stage, done: own })
    await own(name, { params: {}, ...sent })
    // And what is wrong with it is said without it.
    await own(name, { params: {}, ...sent, body: { ...(sent['body'] as object | undefined), name: 7 } })
  }
  const of = new Set(secrets.values())
  for (const name of [
    'account.create-bus-key',
    'oauth-tokens.create',
    'oauth-clients.create',
    'users.create',
  ])
    t.ok(of.has(name), name)
  for (const name of ['sni-endpoints.create', 'webhooks.create', 'telemetry-drains.create', 'sources.create'])
    t.ok(of.has(name), name)
  for (const name of ['log-sessions.create', 'dynos.run-inside', 'hosts.invite', 'sealing-keys.create'])
    t.ok(of.has(name), name)

  const { json: audited } = await api.call('audit.list', { range: 'seq ..; max=1000' })
  const kept = await api.store.list('')
  const places = {
    log: logged.join('\n'),
    trail: JSON.stringify(audited),
    record: kept.map(({ value }) => Buffer.from(value).toString('latin1')).join('\n'),
  }
  for (const [place, text] of Object.entries(places)) t.ok(text.length > 10_000, `${place} has something`)
  const found = [...secrets].flatMap(([secret, name]) =>
    Object.entries(places)
      .filter(([place]) => place !== 'record' || !(isAddress(secret) || isLogToken(secret)))
      .filter(([, text]) => text.includes(secret))
      .map(([place]) => `${name} in the ${place}: ${secret.slice(0, 8)}…`),
  )
  t.strictSame(found, [])
})
