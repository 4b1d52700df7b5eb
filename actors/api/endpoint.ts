/**
 * Endpoints: each verb of Heroku's API, as data. One is a NATS service endpoint (`manifold.v1.api.<name>`)
 * and, by its `http` part, an HTTP route: both run the same function.
 */
import type {
  Answer,
  Message,
  QuestionName,
  QuestionOf,
  Ref,
  Static,
  TSchema,
} from '../../src/runtime/index.ts'
import type { Who } from '../protocols/shapes.ts'
import type { Permission } from '../protocols/app.ts'
import type { Caller, Scope } from './access.ts'
import type { Edge } from './edge.ts'

/** The names after `:` in a path. */
export type ParamsOf<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? { readonly [K in Name]: string } & ParamsOf<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? { readonly [K in Name]: string }
    : unknown

/** One call, after authentication and the check of its body. */
export type Request<Params = unknown, Body = unknown> = {
  readonly params: Params
  readonly body: Body
  readonly query: Readonly<Record<string, string>>
  /** The `Range` header: `version ..; max=15, order=desc`. */
  readonly range: string | undefined
  /** On whose behalf. */
  readonly who: Who
  readonly caller: Caller
  /** What it takes at the app that it is about: `thisApp` sees to it. */
  readonly needs: Permission
  readonly requestId: string
  /** For what it makes: the same when the call is sent again. */
  readonly newId: () => string
  /**
   * Asks an actor; a failure becomes the `ApiError` that Heroku would answer.
   * @param about.resource what a refusal `not_found` is about; `app` when left out
   */
  readonly ask: <Q, K extends QuestionName<Q>>(
    to: Ref<Q>,
    message: QuestionOf<Q, K>,
    about?: { readonly resource?: string; readonly timeoutMs?: number },
  ) => Promise<Answer<Q, K>>
  readonly tell: <Q>(to: Ref<Q>, message: Message<Q>) => void
}

/** An answer: a 2xx status, the JSON body, and headers of lists (`Next-Range` and friends). */
export type Reply = {
  readonly status: number
  /** The version of the release that it made, for the audit trail. */
  readonly release?: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}
export const ok = (body: unknown): Reply => ({ status: 200, body })
export const created = (body: unknown): Reply => ({ status: 201, body })
/** The same, with a line that the heroku CLI shows as a warning. */
export const warned = (reply: Reply, text: string): Reply => ({
  ...reply,
  headers: { ...reply.headers, 'Warning-Message': text },
})
export const accepted = (): Reply => ({ status: 202, body: {} })

type Open = boolean | 'password' | 'exchange'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** An endpoint as the service and the face see it. */
export type Endpoint = {
  /** `apps.create`: the subject is `manifold.v1.api.apps.create`. */
  readonly name: string
  readonly http: { readonly method: Method; readonly path: string; readonly also?: readonly string[] }
  readonly summary: string
  readonly body?: TSchema
  /**
   * Answers without credentials; `password`: to an e-mail address and its password, or to a token;
   * `exchange`: to what its body says (exchange.ts).
   */
  readonly open: Open
  /** What the caller must be allowed at the app in question, or that it must run the platform. */
  readonly needs: Permission | 'operator'
  /** What the caller's token must be good for. */
  readonly scope: Scope
  /** Does not count against the rate limit. */
  readonly free: boolean
  /** Whether it changes something, and so belongs into the audit trail. */
  readonly changes: boolean
  /** To make it again is as good as once: it may be when nobody knows what came of it. */
  readonly again: boolean
  /** How long it may take; the default suits everything that only asks. */
  readonly timeoutMs: number
  readonly run: (request: Request<never, never>, edge: Edge) => Promise<Reply>
}

/** With what it takes to say so it stays below 30 s, after which Heroku's own router gives up. */
const timeoutMsDefault = 24_000

/**
 * @param definition.http.also other paths of the same call; their params are not passed on
 * @param definition.body what the body must be; unknown fields are let through
 * @param definition.needs left out: `view` to read, `operate` to change
 * @param definition.changes left out: whatever is not a GET
 * @param definition.again left out: whatever is not a POST
 * @param definition.scope left out: `read` to read, `write` to change
 */
export const endpoint = <const Path extends string, S extends TSchema = TSchema>(definition: {
  readonly name: string
  readonly http: { readonly method: Method; readonly path: Path; readonly also?: readonly string[] }
  readonly summary: string
  readonly body?: S
  readonly open?: Open
  readonly needs?: Permission | 'operator'
  readonly scope?: Scope
  readonly free?: boolean
  readonly changes?: boolean
  readonly again?: boolean
  readonly timeoutMs?: number
  readonly run: (request: Request<ParamsOf<Path>, Static<S>>, edge: Edge) => Reply | Promise<Reply>
}): Endpoint => ({
  open: false,
  free: false,
  changes: definition.http.method !== 'GET',
  again: definition.http.method !== 'POST',
  needs: definition.http.method === 'GET' ? 'view' : 'operate',
  scope: definition.http.method === 'GET' ? 'read' : 'write',
  timeoutMs: timeoutMsDefault,
  ...definition,
  run: async (request, edge) => definition.run(request, edge),
})

/** The names of an endpoint's path params, in order. */
export const paramNames = (path: string): string[] =>
  [...path.matchAll(/:(\w+)/g)].map((match) => match[1] ?? '')
