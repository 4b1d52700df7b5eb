/** Pipelines and promotions as the API sees them, in memory: by the rules of their actors, at once. */
import { couple, uncouple } from '../../actors/app/coupled.ts'
import type { AppView } from '../../actors/protocols/app.ts'
import type { Stage } from '../../actors/protocols/pipeline.ts'
import type { PromotionView } from '../../actors/protocols/promotion.ts'
import type { Release, Who } from '../../actors/protocols/shapes.ts'
import * as record from '../../actors/pipeline/record.ts'
import { nameKey } from '../../actors/effects/perform/names.ts'
import type { Store } from '../../src/ports/store.ts'

type Message = { readonly type: string } & Readonly<Record<string, unknown>>
type Questions = Readonly<Record<string, (key: string, m: Message) => unknown>>
type World = {
  readonly store: Store
  readonly refuse: (code: string, reason: string) => never
  readonly now: number
  readonly app: (id: string) => { app: AppView }
  /** Of the app; null: it is not there any more. */
  readonly deploy: (appId: string, m: Message) => Release
}

export const pipelineQuestions = ({ store, refuse, now, app, deploy }: World): Questions => {
  const pipelines = new Map<string, record.PipelineRecord>()
  const promotions = new Map<string, PromotionView>()
  const at = (key: string): record.PipelineRecord =>
    pipelines.get(key) ?? refuse('not_found', 'no such pipeline')
  const keyOf = (owner: Who, name: string): string => nameKey('pipeline', `${owner.id}/${name}`)
  const claim = (owner: Who, name: string, key: string): Promise<unknown> =>
    store
      .create(keyOf(owner, name), Buffer.from(JSON.stringify({ appId: key })))
      .catch(() => refuse('name_taken', `Name ${name} is already taken`))
  const settled = (key: string, outcome: ReturnType<typeof record.join>) => {
    if ('code' in outcome) return refuse(outcome.code, outcome.reason)
    pipelines.set(key, outcome.p)
    return outcome
  }
  const letGo = (key: string, appId: string, createdAt: number): void => {
    const kept = app(appId)
    kept.app = uncouple(kept.app, { pipelineId: key, at: createdAt })
  }
  return {
    async 'pipeline.create'(key, m) {
      const [name, owner] = [m['name'] as string, m['owner'] as Who]
      await claim(owner, name, key)
      pipelines.set(key, {
        ...record.newPipeline({ id: key, name, owner, isOfTeam: m['isOfTeam'] === true }, now),
        phase: 'live',
        claiming: null,
      })
      return at(key).pipeline
    },
    'pipeline.info': (key) => at(key).pipeline,
    async 'pipeline.rename'(key, m) {
      const { pipeline } = at(key)
      const name = m['name'] as string
      if (name === pipeline.name) return pipeline
      await claim(pipeline.owner, name, key)
      await store.remove(keyOf(pipeline.owner, pipeline.name))
      pipelines.set(key, { ...at(key), pipeline: { ...pipeline, name } })
      return at(key).pipeline
    },
    'pipeline.couple'(key, m) {
      const { coupling } = settled(key, record.join(at(key), m['appId'] as string, m['stage'] as Stage, now))
      const kept = app(coupling.appId)
      const coupled = couple(kept.app, { pipelineId: key, at: coupling.createdAt })
      if ('code' in coupled) {
        pipelines.set(key, record.notJoined(at(key), coupling.appId, coupling.createdAt))
        return refuse(coupled.code, coupled.reason)
      }
      kept.app = coupled
      pipelines.set(key, record.joined(at(key), coupling.appId, coupling.createdAt, now)!.p)
      return coupling
    },
    'pipeline.restage': (key, m) =>
      settled(key, record.restage(at(key), m['appId'] as string, m['stage'] as Stage, now + 1)).coupling,
    'pipeline.uncouple'(key, m) {
      const { coupling } = settled(key, record.leave(at(key), m['appId'] as string, now))
      letGo(key, coupling.appId, coupling.createdAt)
      pipelines.set(key, record.isOut(at(key), coupling.appId, coupling.createdAt))
      return coupling
    },
    async 'pipeline.destroy'(key) {
      const { pipeline } = at(key)
      for (const { appId, createdAt } of pipeline.couplings) letGo(key, appId, createdAt)
      await store.remove(keyOf(pipeline.owner, pipeline.name))
      pipelines.delete(key)
      return pipeline
    },
    'promotion.start'(id, m) {
      const { pipelineId, source, targets, by } = m as unknown as PromotionView
      const made = targets.map(({ appId, error }): PromotionView['targets'][number] =>
        error === null
          ? { appId, status: 'succeeded', error, releaseId: deploy(appId, m).id }
          : { appId, status: 'failed', error, releaseId: null },
      )
      const view = { id, pipelineId, source, targets: made, by, createdAt: now, updatedAt: now }
      promotions.set(id, view)
      return view
    },
    'promotion.info': (id) => promotions.get(id) ?? refuse('not_found', 'no such promotion'),
  }
}
