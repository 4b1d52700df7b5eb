/** Git: `/<app>.git/…`, with the answers that git shows its user; the protocol itself is injected. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ref } from '../../../src/runtime/index.ts'
import { App, type AppView } from '../../protocols/app.ts'
import type { User } from '../accounts.ts'
import type { Edge } from '../edge.ts'
import { askFailureOf } from '../errors.ts'
import { appIdOf } from '../name-index.ts'
import { sayText, type Handler, type Mount } from './mount.ts'

export type GitContext = {
  readonly app: AppView
  readonly user: User
  /** The path below `/<app>.git`: `/info/refs`. */
  readonly pathInfo: string
}
/** Speaks smart HTTP for one repository. */
export type GitHandler = (
  req: IncomingMessage,
  res: ServerResponse,
  context: GitContext,
) => Promise<void> | void

const path = /^\/([^/]+)\.git(\/.*)$/
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
    const user = await edge.accounts.authenticate(req.headers.authorization ?? '')
    // Git asks its credential helper only after this.
    if (user === undefined) {
      sayText(res, 401, 'Invalid credentials provided.\n', { 'www-authenticate': 'Basic realm="Manifold"' })
      return
    }
    const app = await infoOf(edge, name)
    if (app === undefined) sayText(res, 404, `No such app as ${name}.\n`)
    else if (app.owner.id !== user.id) sayText(res, 403, `You do not have access to the app ${name}.\n`)
    else await git(req, res, { app, user, pathInfo })
  }

/** Undefined: there is no app of that name. */
export const infoOf = async (edge: Edge, name: string): Promise<AppView | undefined> => {
  const id = await appIdOf(edge.store, name)
  if (id === undefined) return undefined
  try {
    return await edge.ask(ref(App, id), { type: 'info' }, { timeoutMs: infoTimeoutMs })
  } catch (error) {
    if (askFailureOf(error)?.kind === 'refused') return undefined
    throw error
  }
}
