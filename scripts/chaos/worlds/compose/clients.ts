/** Clients of the platform in its containers: routers by their addresses, the API where git users have it. */
import { request } from 'node:http'
import type { Answered } from '../../history.ts'
import { OpFailed, type Clients } from '../../world.ts'
import type { Answer, Site } from './site.ts'

const requestMs = 30_000
const routerPort = 8080

/** @param reachable hosts that a client can reach now */
export const clientsOf = (site: Site, reachable: () => readonly string[]): Clients => {
  let turn = 0
  const api = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const hosts = reachable()
    const via = hosts[turn++ % Math.max(1, hosts.length)]
    if (via === undefined) throw new OpFailed('failed', 'ECONNREFUSED', 'no API can be reached')
    let answer: Answer
    try {
      answer = await site.api(via, method, path, body)
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
      for (let tries = 0; tries < hosts.length; tries += 1) {
        const via = hosts[turn++ % hosts.length] ?? ''
        const got = await ask(site.address(via), app).catch((error: unknown) => {
          const { code = 'EIO', message } = error as NodeJS.ErrnoException
          if (code === 'ECONNREFUSED' || code === 'EHOSTUNREACH') return undefined
          throw new OpFailed('failed', code, message, via, { cause: error })
        })
        if (got === undefined) continue
        if (got.status !== 200) throw new OpFailed('failed', got.error, `answered ${got.status}`, via)
        return { answered: JSON.parse(got.body) as Answered, via, status: got.status }
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
      type Dyno = {
        readonly id: string
        readonly name: string
        readonly state: string
        readonly release: { readonly version: number }
      }
      const config = await read<Readonly<Record<string, string>>>(`/apps/${app}/config-vars`)
      const types = await read<readonly Type[]>(`/apps/${app}/formation`)
      const dynos = await read<readonly Dyno[]>(`/apps/${app}/dynos`)
      return {
        app,
        config,
        releases: await releases(app),
        quantities: Object.fromEntries(types.map(({ type, quantity }) => [type, quantity])),
        dynos: dynos.map(({ id, name, state, release }) => {
          const host = site.dynos().find(({ run }) => run.id === id)?.host ?? null
          return { name, state, run: id, host, releaseVersion: release.version }
        }),
      }
    },
  }
}

const ask = (
  host: string,
  app: string,
): Promise<{ readonly status: number; readonly body: string; readonly error: string }> =>
  new Promise((resolve, reject) => {
    const headers = { host: `${app}.localhost`, connection: 'close' }
    const sent = request({ host, port: routerPort, path: '/', headers, agent: false }, (answer) => {
      let body = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      answer.once('error', reject)
      answer.once('end', () => {
        const status = answer.statusCode ?? 0
        resolve({ status, body, error: /\bH\d\d\b/.exec(body)?.[0] ?? String(status) })
      })
    })
    sent.setTimeout(requestMs, () =>
      sent.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    )
    sent.once('error', reject)
    sent.end()
  })
