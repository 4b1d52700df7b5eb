/**
 * Exec: what `heroku ps:exec` and its like ask of Heroku's exec manager (spec/cli-api.md §2.6). The app is
 * the user name of their credentials, the token its password.
 *
 *   GET /api/v2          dynos that can be connected to
 *   PUT /api/v2/<dyno>   lets a key in to that dyno, and says where and as whom
 */
import type { IncomingMessage } from 'node:http'
import { clientOf } from '../../../src/http/client-address.ts'
import { execFeature, isFeatureOn } from '../../../config/features.ts'
import { ref } from '../../../src/runtime/index.ts'
import type { AppView } from '../../protocols/app.ts'
import { Formation } from '../../protocols/formation.ts'
import type { DynoView } from '../../protocols/shapes.ts'
import { needPermission, needScope, type Caller } from '../access.ts'
import { parseJson } from '../call.ts'
import type { Edge } from '../edge.ts'
import { ApiError, invalid, notFound } from '../errors.ts'
import { audited } from './audited.ts'
import { infoOf } from './git.ts'
import { refusing, sayJson, type Handler, type Mount } from './mount.ts'

/** Where SSH comes in, and whom it lets in. */
export type Tunnel = {
  /** Address that clients dial; the port is theirs to know. */
  readonly host: string
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string
  /** Why nobody can come in now; undefined: they can. */
  readonly refusal: () => Promise<string | undefined>
  readonly isKey: (text: string) => boolean
  /** @returns the user name under which that key is let in to that run */
  readonly reserve: (key: string, grant: { readonly host: string; readonly runId: string }) => string
}

const path = /^\/api\/v2(?:\/([-\w.]+))?\/?$/
const askTimeoutMs = 10_000
const bodyBytesMax = 16 * 1024
/** What a client is told to dial in order to reach the dyno's own ports. */
const loopback = '127.0.0.1'

export const execMount = (edge: Edge, tunnel: Tunnel): Mount => ({
  at(method, pathname) {
    const match = path.exec(pathname)
    if (match === null) return undefined
    const dyno = match[1]
    if (method === 'GET' && dyno === undefined)
      return answering(async (req) => {
        const dynos = await running(edge, (await appOf(edge, req)).app)
        return dynos.map(({ name }) => ({ dyno_name: name }))
      })
    if (method === 'PUT' && dyno !== undefined) return answering((req) => reserve(edge, tunnel, req, dyno))
    return undefined
  },
})

const reserve = async (edge: Edge, tunnel: Tunnel, req: IncomingMessage, name: string): Promise<unknown> => {
  const { app, caller } = await appOf(edge, req)
  const body = parseJson(await textOf(req))
  const key = typeof body === 'object' && body !== null && 'client_key' in body ? body.client_key : undefined
  if (typeof key !== 'string' || !tunnel.isKey(key.trim()))
    throw invalid('client_key must be a public key in the format of OpenSSH.')
  if (!isFeatureOn(execFeature.name, app.features))
    throw new ApiError('forbidden', `The feature ${execFeature.name} of ${app.name} is off.`)
  const dyno = (await running(edge, app)).find((one) => one.name === name)
  if (dyno?.host == null) throw notFound('dyno')
  const refusal = await tunnel.refusal()
  if (refusal !== undefined) throw new ApiError('service_unavailable', `${refusal}.`)
  const grant = { host: dyno.host, runId: dyno.id }
  const { user, authorizationId } = caller
  const asked = { req, user, authorizationId, action: 'dynos.exec', app, params: { dyno: name } }
  const letIn = (): string => tunnel.reserve(key.trim(), grant)
  const clientUser = await audited(edge, asked, letIn, () => ({ status: 200 }))
  return {
    tunnel_host: tunnel.host,
    client_user: clientUser,
    proxy_public_key: tunnel.hostKey,
    dyno_ip: loopback,
  }
}

const running = async (edge: Edge, app: AppView): Promise<readonly DynoView[]> => {
  const { dynos } = await edge.ask(ref(Formation, app.id), { type: 'dynos' }, { timeoutMs: askTimeoutMs })
  return dynos.filter(({ state }) => state === 'up')
}

/** The app of the credentials, if it is theirs. Throws Heroku's 401, 403 and 404. */
const appOf = async (
  edge: Edge,
  req: IncomingMessage,
): Promise<{ readonly app: AppView; readonly caller: Caller }> => {
  const authorization = req.headers.authorization ?? ''
  const caller = await edge.authenticate(authorization, clientOf(req))
  needScope(caller, 'write-protected')
  const [, encoded = ''] = /^basic\s+(\S+)$/i.exec(authorization.trim()) ?? []
  const [name = ''] = Buffer.from(encoded, 'base64').toString('utf8').split(':', 1)
  const app = name === '' ? undefined : await infoOf(edge, name)
  if (app === undefined) throw notFound('app')
  needPermission(app, caller, 'operate')
  return { app, caller }
}

const textOf = async (req: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bodyBytesMax) throw new ApiError('bad_request', `The body is over ${bodyBytesMax} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const answering =
  (answer: (req: IncomingMessage) => Promise<unknown>): Handler =>
  (req, res) =>
    refusing(res, async () => sayJson(res, 200, await answer(req)))
