/** Git: `/<app>.git/…`, with the answers that git shows its user; the protocol itself is injected. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { clientOf } from '../../../src/http/client-address.ts'
import { ref } from '../../../src/runtime/index.ts'
import { App, type AppView } from '../../protocols/app.ts'
import { needPermission, needScope, type SeenApp } from '../access.ts'
import type { User } from '../accounts/users.ts'
import type { Edge } from '../edge.ts'
import { ApiError, askFailureOf } from '../errors.ts'
import { appIdOf } from '../name-index.ts'
import { seen } from '../resources/team-of.ts'
import { audited } from './audited.ts'
import { sayText, type Handler, type Mount } from './mount.ts'

export type GitContext = {
  readonly app: AppView
  readonly user: User
  /** The path below `/<app>.git`: `/info/refs`. */
  readonly pathInfo: string
}
/** Speaks smart HTTP for one repository. @returns the version of the release that a push made, if it did */
export type GitHandler = (
  req: IncomingMessage,
  res: ServerResponse,
  context: GitContext,
) => Promise<number | null>

const path = /^\/([^/]+)\.git(\/.*)$/
/** Both the request for what there is and the one that brings the rest say which of the two it is. */
const pushes = /git-receive-pack\b/
const pushInfo = '/git-receive-pack'
const infoTimeoutMs = 10_000

export const gitMount = (edge: Edge, git: GitHandler): Mount => ({
  at(_method, pathname) {
    const [, name, pathInfo] = path.exec(pathname) ?? []
    return name === undefined || pathInfo === undefined ? undefined : serve(edge, git, name, pathInfo)
  },
})

const serve =
  (edge: Edge, git: GitHandler, name: string, pathInfo: string): Handler =>
  async (req, res) => {
    try {
      const caller = await edge.authenticate(req.headers.authorization ?? '', clientOf(req))
      const app = await infoOf(edge, name)
      if (app === undefined) {
        sayText(res, 404, `No such app as ${name}.\n`)
        return
      }
      const isPush = pushes.test(req.url ?? '')
      needScope(caller, isPush ? 'write' : 'read')
      needPermission(app, caller, isPush ? 'deploy' : 'view')
      const context = { app, user: caller.user, pathInfo }
      if (pathInfo !== pushInfo) {
        await git(req, res, context)
        return
      }
      const asked = {
        req,
        user: caller.user,
        authorizationId: caller.authorizationId,
        action: 'git.push',
        app,
      }
      await audited(
        edge,
        asked,
        () => git(req, res, context),
        (release) => ({ status: res.statusCode, release }),
      )
    } catch (error) {
      if (!(error instanceof ApiError) || res.headersSent) throw error
      // Git asks its credential helper only after a 401.
      const headers = error.status === 401 ? { 'www-authenticate': 'Basic realm="Manifold"' } : {}
      sayText(res, error.status, `${error.message}\n`, headers)
    }
  }

/** Undefined: there is no app of that name. */
export const infoOf = async (edge: Edge, name: string): Promise<SeenApp | undefined> => {
  const id = await appIdOf(edge.store, name)
  if (id === undefined) return undefined
  try {
    return await seen(await edge.ask(ref(App, id), { type: 'info' }, { timeoutMs: infoTimeoutMs }), edge)
  } catch (error) {
    if (askFailureOf(error)?.kind === 'refused') return undefined
    throw error
  }
}
