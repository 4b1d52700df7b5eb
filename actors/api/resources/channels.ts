/**
 * Channels: what Logplex says of an app's log, under the paths of its own API (v3): who may write into it,
 * and where it is sent on to. A channel is there as long as its app.
 */
import { ref } from '../../../src/runtime/index.ts'
import { App, type AppView, type LogToken } from '../../protocols/app.ts'
import type { Edge } from '../edge.ts'
import { endpoint, ok, type Request } from '../endpoint.ts'
import { ApiError, notFound } from '../errors.ts'
import { thisApp } from './app-of.ts'

type ChannelRequest = Request<{ readonly app: string }>

export const channels = [
  endpoint({
    name: 'channels.info',
    http: { method: 'GET', path: '/v3/channels/:app' },
    summary: 'Tokens and drains of the log of an app',
    scope: 'read-protected',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      return ok(channelBody(app, app.logTokens ?? []))
    },
  }),
  endpoint({
    name: 'channels.update',
    http: { method: 'PUT', path: '/v3/channels/:app' },
    summary: 'Log tokens of just these names: those there are stay, others are made or end',
    scope: 'write-protected',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const names = namesIn(request.body)
      const remove = (app.logTokens ?? []).map(({ name }) => name).filter((name) => !names.includes(name))
      return ok(channelBody(app, await changed(request, app, { add: names, remove })))
    },
  }),
  endpoint({
    name: 'log-tokens.create',
    http: { method: 'POST', path: '/v3/channels/:app/tokens' },
    summary: 'A token that writes into the log of an app under a name; the one there is, if there is one',
    scope: 'write-protected',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const name = checkName((request.body as { readonly name?: unknown }).name)
      const made = (await changed(request, app, { add: [name], remove: [] })).find((one) => one.name === name)
      if (made === undefined) throw new ApiError('conflict', `The token ${name} was removed meanwhile.`)
      return ok(tokenBody(made))
    },
  }),
  endpoint({
    name: 'log-tokens.delete',
    http: { method: 'DELETE', path: '/v3/channels/:app/tokens/:token' },
    summary: 'End a log token, by its name or by itself',
    scope: 'write-protected',
    async run(request, edge) {
      const { app, found } = await thisToken(request, edge)
      await changed(request, app, { add: [], remove: [found.name] })
      return ok(tokenBody(found))
    },
  }),
]

const thisToken = async (
  request: Request<{ readonly app: string; readonly token: string }>,
  edge: Edge,
): Promise<{ readonly app: AppView; readonly found: LogToken }> => {
  const app = await thisApp(request, edge)
  const which = request.params.token
  const found = app.logTokens?.find(({ name, token }) => name === which || token === which)
  if (found === undefined) throw notFound('log_token')
  return { app, found }
}

const changed = async (
  request: ChannelRequest,
  { id }: AppView,
  change: { readonly add: string[]; readonly remove: string[] },
): Promise<readonly LogToken[]> =>
  (await request.ask(ref(App, id), { type: 'changeLogTokens', ...change })).tokens

/** The source of its lines, which is one word wherever they are shown or sent. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,47}$/

const checkName = (name: unknown): string => {
  if (name === undefined || name === null || name === '')
    throw new ApiError('bad_request', 'name is a required field')
  if (typeof name === 'string' && namePattern.test(name)) return name
  const allowed = 'must be 1 to 48 letters, digits, dashes, dots and underscores, a letter or digit first'
  throw new ApiError('bad_request', `name ${allowed}`)
}

const namesIn = (body: unknown): string[] => {
  const { tokens = [] } = body as { readonly tokens?: unknown }
  if (!Array.isArray(tokens)) throw new ApiError('bad_request', 'invalid payload: tokens is a list of names')
  return tokens.map(checkName)
}

const tokenBody = ({ token, name }: LogToken): object => ({ token, name })

/** As there, what is empty is left out. */
const channelBody = (app: AppView, tokens: readonly LogToken[]): object => ({
  channel: app.id,
  ...(tokens.length > 0 && { tokens: Object.fromEntries(tokens.map(({ name, token }) => [name, token])) }),
  ...((app.drains ?? []).length > 0 && {
    drains: (app.drains ?? []).map(({ id, token, url }) => ({ id, token, url })),
  }),
})
