/** Clients of real hosts: routers and APIs by HTTP, in whatever way a world reaches them. */
import { ApiRefused, type ApiClient } from '../../../src/client/client.ts'
import type { Answered, FinalApp } from '../history.ts'
import { OpFailed, type Clients } from '../world.ts'
import type { Dyno } from './dynos.ts'

export type Answer = { readonly status: number; readonly body: string }
export type Reach = {
  /** The API of that host. */
  readonly api: (host: string) => ApiClient
  /** One GET of an app through the router of that host. Rejects with an error that has a `code`. */
  readonly get: (host: string, app: string, headers: Readonly<Record<string, string>>) => Promise<Answer>
  readonly dynos: () => readonly Dyno[]
  /** Hosts that a client can reach now. */
  readonly reachable: () => readonly string[]
}

/** Routers take ids of 20 characters and more. */
const idDigits = 12

/** Asks the API of a host. @throws OpFailed */
export const operate = async <T>(
  via: string,
  api: ApiClient,
  ask: (api: ApiClient) => Promise<T>,
): Promise<T> => {
  try {
    return await ask(api)
  } catch (error) {
    if (!(error instanceof ApiRefused))
      throw new OpFailed('failed', 'no_answer', `${via}: no answer`, via, { cause: error })
    const { code, status, message } = error
    const isRefused = code !== 'broken' && status < 500
    throw new OpFailed(isRefused ? 'refused' : 'failed', String(status), `${code}: ${message}`, via)
  }
}

export const clientsOf = ({ api, get, dynos, reachable }: Reach): Clients => {
  let turn = 0
  let asked = 0
  const any = async <T>(ask: (api: ApiClient) => Promise<T>): Promise<T> => {
    const hosts = reachable()
    const via = hosts[turn++ % Math.max(1, hosts.length)]
    if (via === undefined) throw new OpFailed('failed', 'ECONNREFUSED', 'no API can be reached')
    return operate(via, api(via), ask)
  }
  const releases = async (app: string): Promise<FinalApp['releases']> =>
    (await any((api) => api.call('releases.list', { params: { app } }))).map(({ version, id }) => ({
      version,
      id,
    }))
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
      await any((api) => api.call('config-vars.update', { params: { app }, body: { [key]: value } }))
      // One writer an app: the newest release is the one that it made.
      return { version: Math.max(...(await releases(app)).map(({ version }) => version)) }
    },
    async scale(app, type, quantity) {
      const updates = [{ type, quantity }]
      await any((api) => api.call('formation.batch-update', { params: { app }, body: { updates } }))
    },
    async info(app) {
      const of = { params: { app } }
      const config = await any((api) => api.call('config-vars.list', of))
      const types = await any((api) => api.call('formation.list', of))
      const slots = await any((api) => api.call('dynos.list', of))
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
