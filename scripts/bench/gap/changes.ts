/**
 * Changes of an app that is in use, by the Platform API and by git, each awaited until every dyno that it
 * concerns is another one and up, or gone.
 */
import { setTimeout as pause } from 'node:timers/promises'

/** One request of the Platform API; rejects on any answer that is not a success. */
export type Api = <T>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown) => Promise<T>

/** As a user types it, and for scales how many dynos there are to be. */
export type Change =
  | { readonly what: 'git push' | 'release of a slug' | 'rollback' | 'config:set' }
  | { readonly what: 'ps:restart' | 'ps:restart -p web' | 'ps:restart web.1' }
  | { readonly what: 'ps:scale'; readonly to: number }

/** One to four dynos and back to one, with every kind of change on the way. */
export const roundOf = (deploy: 'git push' | 'release of a slug'): readonly Change[] => [
  { what: deploy },
  { what: 'ps:restart' },
  { what: 'ps:scale', to: 3 },
  { what: 'config:set' },
  { what: 'ps:restart web.1' },
  { what: 'ps:scale', to: 4 },
  { what: 'rollback' },
  { what: 'ps:restart -p web' },
  { what: 'ps:scale', to: 2 },
  { what: 'ps:scale', to: 1 },
]

export type Changed = {
  readonly api: Api
  readonly app: string
  /** Pushes another version of the app. */
  readonly push: () => Promise<void>
}

type Release = {
  readonly id: string
  readonly version: number
  readonly slug: { readonly id: string } | null
}
type Dyno = {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly release: { readonly version: number }
}

const pollMs = 150
const effectMsMax = 90_000

/** Resolves when the change has had its effect on all dynos that `heroku ps` shows. */
export const makeChange = async (changed: Changed, change: Change): Promise<void> => {
  const { api, app, push } = changed
  const before = await api<readonly Dyno[]>('GET', `/apps/${app}/dynos`)
  const releases = (): Promise<readonly Release[]> => api('GET', `/apps/${app}/releases`)
  const left = new Set(before.map(({ id }) => id))
  let quantity = before.length
  switch (change.what) {
    case 'git push':
      await push()
      break
    case 'release of a slug': {
      const slug = (await releases()).at(-1)?.slug?.id
      await api('POST', `/apps/${app}/releases`, { slug })
      break
    }
    case 'rollback': {
      const release = (await releases()).at(-2)?.id
      await api('POST', `/apps/${app}/releases`, { release })
      break
    }
    case 'config:set':
      await api('PATCH', `/apps/${app}/config-vars`, { CHANGED_AT: String(Date.now()) })
      break
    case 'ps:restart':
      await api('DELETE', `/apps/${app}/dynos`)
      break
    case 'ps:restart -p web':
      await api('DELETE', `/apps/${app}/formations/web`)
      break
    case 'ps:restart web.1':
      for (const { id, name } of before) if (name !== 'web.1') left.delete(id)
      await api('DELETE', `/apps/${app}/dynos/web.1`)
      break
    case 'ps:scale':
      left.clear()
      quantity = change.to
      await api('PATCH', `/apps/${app}/formation/web`, { quantity })
  }
  const newest = (await releases()).at(-1)?.version
  await until(`${change.what} of ${app}`, async () => {
    const now = await api<readonly Dyno[]>('GET', `/apps/${app}/dynos`)
    const isNew = ({ id, state, release }: Dyno): boolean =>
      state === 'up' && !left.has(id) && release.version === newest
    return now.length === quantity && now.every(isNew)
  })
}

/** Polls; rejects when it takes longer than any change may. */
export const until = async (
  what: string,
  isSeen: () => boolean | Promise<boolean>,
  msMax = effectMsMax,
): Promise<void> => {
  const beganMs = performance.now()
  while (!(await isSeen())) {
    if (performance.now() - beganMs > msMax) throw new Error(`waited in vain for ${what}`)
    await pause(pollMs)
  }
}
