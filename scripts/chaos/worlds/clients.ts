/** Clients of real hosts: routers and APIs by HTTP, in whatever way a world reaches them. */
import type { Answered } from '../history.ts'
import { OpFailed, type Clients } from '../world.ts'
import type { Dyno } from './dynos.ts'

export type Answer = { readonly status: number; readonly body: string }
export type Reach = {
  /** One call of the API of that host. Rejects when there is no answer. */
  readonly api: (host: string, method: string, path: string, body?: unknown) => Promise<Answer>
  /** One GET of an app through the router of that host. Rejects with an error that has a `code`. */
  readonly get: (host: string, app: string, headers: Readonly<Record<string, string>>) => Promise<Answer>
  readonly dynos: () => readonly Dyno[]
  /** Hosts that a client can reach now. */
  readonly reachable: () => readonly string[]
}

/** Routers take ids of 20 characters and more. */
const idDigits = 12

export const clientsOf = ({ api: call, get, dynos, reachable }: Reach): Clients => {
  let turn = 0
  let asked = 0
  const api = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const hosts = reachable()
    const via = hosts[turn++ % Math.max(1, hosts.length)]
    if (via === undefined) throw new OpFailed('failed', 'ECONNREFUSED', 'no API can be reached')
    let answer: Answer
    try {
      answer = await call(via, method, path, body)
    } catch (error) {
      throw new OpFailed('failed', 'no_answer', `${via}: no answer`, via, { cause: error })
    }
    if (answer.status < 300) return answer
    const outcome = answer.status < 500 ? 'refused' : 'failed'
    throw new OpFailed(outcome, String(answer.status), answer.body, via)
  }
  const read = async <T>(path: string): Promise<T> => JSON.parse((await api('GET', path)).body) as T
  type Release = { readonly version: number; readonly id: string }
  const releases = async (app: string): Promise<readonly Release[]> =>
    (await read<readonly Release[]>(`/apps/${app}/releases`)).map(({ version, id }) => ({ version, id }))
  return {
    async request(app) {
      const hosts = reachable()
      const first = turn++
      for (let tries = 0; tries < hosts.length; tries += 1) {
        const via = hosts[(first + tries) % hosts.length] ?? ''
        const requestId = `chaos-${app}-${String(asked++).padStart(idDigits, '0')}-request`
        const got = await get(via, app, { 'x-request-id': requestId }).catch((error: unknown) => {
          const { code = 'EIO', message } = error as NodeJS.ErrnoException
          if (code === 'ECONNREFUSED' || code === 'EHOSTUNREACH') return undefined
          throw new OpFailed('failed', code, message, via, { cause: error })
        })
        if (got === undefined) continue
        if (got.status !== 200) {
          const code = /\bH\d\d\b/.exec(got.body)?.[0] ?? String(got.status)
          throw new OpFailed('failed', code, `answered ${got.status}`, via)
        }
        return { answered: JSON.parse(got.body) as Answered, via, status: got.status, requestId }
      }
      throw new OpFailed('failed', 'ECONNREFUSED', 'no router can be reached')
    },
    async setConfig(app, key, value) {
      await api('PATCH', `/apps/${app}/config-vars`, { [key]: value })
      // One writer an app: the newest release is the one that it made.
      return { version: Math.max(...(await releases(app)).map(({ version }) => version)) }
    },
    async scale(app, type, quantity) {
      await api('PATCH', `/apps/${app}/formation`, { updates: [{ type, quantity }] })
    },
    async info(app) {
      type Type = { readonly type: string; readonly quantity: number }
      type Slot = {
        readonly id: string
        readonly name: string
        readonly state: string
        readonly release: { readonly version: number }
      }
      const config = await read<Readonly<Record<string, string>>>(`/apps/${app}/config-vars`)
      const types = await read<readonly Type[]>(`/apps/${app}/formation`)
      const slots = await read<readonly Slot[]>(`/apps/${app}/dynos`)
      return {
        app,
        config,
        releases: await releases(app),
        quantities: Object.fromEntries(types.map(({ type, quantity }) => [type, quantity])),
        dynos: slots.map(({ id, name, state, release }) => {
          const host = dynos().find(({ run }) => run.id === id)?.host ?? null
          return { name, state, run: id, host, releaseVersion: release.version }
        }),
      }
    },
  }
}
