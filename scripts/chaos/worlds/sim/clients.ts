/** Clients of the simulated platform: they ask routers and actors as real ones ask ports. */
import {
  ref,
  type Answer,
  type QuestionName,
  type QuestionOf,
  type Ref,
} from '../../../../src/runtime/index.ts'
import { Formation } from '../../../../actors/protocols/formation.ts'
import { Releases } from '../../../../actors/protocols/releases.ts'
import { appDomain, RouterFailed } from '../../../sim/router.ts'
import type { SeededRandom } from '../../../../src/sim/random.ts'
import { OpFailed, type Clients } from '../../world.ts'
import type { Site } from './site.ts'

export const by = { id: 'u1', email: 'user@example.com' }
const askMs = 15_000
/** Whoever is asked may be gone without a word. */
const patienceMs = 30_000

/** Rejects when there is no answer in time: what dies in the simulation answers nothing at all. */
const inTime = <T>(site: Site, via: string, answer: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = site.cluster.world.clock.after(patienceMs, () =>
      reject(new OpFailed('failed', 'ETIMEDOUT', 'no answer', via)),
    )
    answer.then(resolve, reject).finally(() => timer.cancel())
  })

export type Asking = <P, K extends QuestionName<P>>(
  to: Ref<P>,
  message: QuestionOf<P, K>,
) => Promise<Answer<P, K>>

/** Asks through any API that can be reached. */
export const askingAt =
  (site: Site, random: SeededRandom): Asking =>
  async (to, message) => {
    const hosts = site.apis()
    if (hosts.length === 0) throw new OpFailed('failed', 'ECONNREFUSED', 'no API can be reached')
    const host = random.pick(hosts)
    try {
      return await inTime(site, host, site.cluster.world.node(host).ask(to, message, { timeoutMs: askMs }))
    } catch (error) {
      if (error instanceof OpFailed) throw error
      const kind = (error as { kind?: string }).kind === 'refused' ? 'refused' : 'failed'
      const text = error instanceof Error ? error.message : 'failed'
      throw new OpFailed(kind, kind, text, host, { cause: error })
    }
  }

/** @param ids each app's id by its name */
export const clientsOf = (
  site: Site,
  ids: ReadonlyMap<string, string>,
  ask: Asking,
  random: SeededRandom,
): Clients => {
  const idOf = (app: string): string => ids.get(app) ?? 'unknown'
  const nameOf = (id: string): string => [...ids].find(([, one]) => one === id)?.[0] ?? id
  return {
    request: async (app) => {
      const open = site.reachable().filter((host) => site.routers.has(host))
      if (open.length === 0) throw new OpFailed('failed', 'ECONNREFUSED', 'no router can be reached')
      const via = random.pick(open)
      try {
        const process = await inTime(site, via, site.routers.get(via)!.router.request(`${app}.${appDomain}`))
        const { appId, name, id } = process.run
        return { answered: { app: nameOf(appId), dyno: name, life: id }, via, status: 200 }
      } catch (error) {
        if (error instanceof RouterFailed) throw new OpFailed('failed', error.code, 'no answer', via)
        throw error
      }
    },
    setConfig: async (app, key, value) => {
      const releases = ref(Releases, idOf(app))
      const { version } = await ask(releases, { type: 'setConfig', patch: { [key]: value }, by })
      return { version }
    },
    scale: async (app, type, quantity) => {
      const updates = [{ type, quantity: String(quantity) }]
      await ask(ref(Formation, idOf(app)), { type: 'scale', updates, by })
    },
    info: async (app) => {
      const [id, formation] = [idOf(app), ref(Formation, idOf(app))]
      const { releases } = await ask(ref(Releases, id), { type: 'list' })
      const { types } = await ask(formation, { type: 'types' })
      const { dynos } = await ask(formation, { type: 'dynos' })
      const configId = releases.at(-1)?.configId ?? ''
      return {
        app,
        releases: releases.map((release) => ({ version: release.version, id: release.id })),
        config: site.cluster.outside.vars.get(configId) ?? {},
        quantities: Object.fromEntries(types.map((one) => [one.type, one.quantity])),
        dynos: dynos.map(({ name, state, id: run, host, releaseVersion }) => ({
          name,
          state,
          run,
          host,
          releaseVersion,
        })),
      }
    },
  }
}
