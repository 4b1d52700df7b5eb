/** Changes that are asked for beside the endpoints, by git, `ps:exec` or an operator, in the audit trail. */
import type { IncomingMessage } from 'node:http'
import { clientOf } from '../../../src/http/client-address.ts'
import type { AppView } from '../../protocols/app.ts'
import type { User } from '../accounts/users.ts'
import type { Edge } from '../edge.ts'
import { ApiError } from '../errors.ts'

type Asked = {
  readonly req: IncomingMessage
  readonly user: User
  readonly authorizationId: string | null
  readonly action: string
  readonly app?: AppView
  readonly params?: Readonly<Record<string, string>>
}
type Outcome = { readonly status: number; readonly release?: number | null }

/** Written down before it is done and with what came of it. @throws ApiError when it cannot be */
export const audited = async <T>(
  { audit, random }: Pick<Edge, 'audit' | 'random'>,
  { req, user, authorizationId, action, app, params }: Asked,
  run: () => T | Promise<T>,
  outcome: (made: T) => Outcome,
): Promise<T> => {
  const { end } = await audit.begin({
    requestId: random.uuid(),
    action,
    who: { id: user.id, email: user.email },
    authorizationId,
    from: { address: clientOf(req) ?? '', agent: req.headers['user-agent'] ?? '' },
    appId: app?.id ?? null,
    params: { ...(app && { app: app.name }), ...params },
    fields: [],
  })
  try {
    const made = await run()
    const { status, release } = outcome(made)
    end(status, release ?? undefined)
    return made
  } catch (error) {
    end(error instanceof ApiError ? error.status : 500)
    throw error
  }
}
