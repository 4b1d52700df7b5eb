/**
 * Growing a cluster in a test: keepers of all hosts in one process, steps as they travel, and a writer that
 * notices what is lost.
 */
import type { Test } from 'tap'
import { grow } from '../../src/nats/grow.ts'
import type { Keeper } from '../../src/nats/keeper.ts'
import { performStep, type ServerStep } from '../../src/nats/steps.ts'
import { StoreConflict, StoreUnavailable, type Store } from '../../src/ports/store.ts'
import { systemRandom } from '../../src/system/random.ts'
import { accessOf, keeperOf, placeOf, type ClusterPlan, type HostPlan } from './servers.ts'
import { until } from './until.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array): string => Buffer.from(value).toString()

export const openKeepers = (t: Test, hosts: readonly HostPlan[]): ReadonlyMap<string, Keeper> => {
  const keepers = new Map(hosts.map((host) => [host.name, keeperOf(host)]))
  t.teardown(() => Promise.all([...keepers.values()].map((keeper) => keeper.stop())))
  return keepers
}

/** As it travels between hosts. */
export const callOf =
  (keepers: ReadonlyMap<string, Keeper>) =>
  (host: string, step: ServerStep): Promise<void> =>
    performStep(keepers.get(host)!, JSON.parse(JSON.stringify(step)) as ServerStep)

export const growAll = (plan: ClusterPlan, keepers: ReadonlyMap<string, Keeper>): Promise<void> => {
  const hosts = plan.hosts.slice(0, 3)
  return grow({
    keeper: keepers.get(hosts[0]!.name)!,
    name: hosts[0]!.name,
    cluster: 'm',
    servers: hosts.map(placeOf),
    access: accessOf(plan.hosts),
    call: callOf(keepers),
    random: systemRandom,
    progress: () => undefined,
  })
}

/** Counts in one record by compare-and-set, one write after the other, until stopped. */
export const openWriter = async (store: Store, key: string) => {
  let revision = await store.create(key, bytes('0'))
  let count = 0
  const stopping = new AbortController()
  let lastMs = performance.now()
  let gapMs = 0
  const faults: string[] = []
  const revisions: number[] = [revision]
  const readBack = async (): Promise<void> => {
    // A leader that was stopped and thawed answers reads for up to a second before it learns that it leads no
    // more (nats-server 2.15): what it says is old, and its writes are refused.
    const entry = await until(
      async () => {
        const found = await store.get(key).catch(() => undefined)
        return found !== undefined && Number(text(found.value)) >= count ? found : undefined
      },
      { what: `the record to stand at ${count}`, timeoutMs: 60_000 },
    )
    const stands = Number(text(entry.value))
    if (stands > count + 1) faults.push(`${stands} where ${count} was acknowledged`)
    count = stands
    ;({ revision } = entry)
  }
  const work = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        revision = await store.update(key, bytes(String(count + 1)), revision)
        if (revision <= revisions.at(-1)!) faults.push(`revision ${revision} after ${revisions.at(-1)}`)
        revisions.push(revision)
        count += 1
        gapMs = Math.max(gapMs, performance.now() - lastMs)
        lastMs = performance.now()
      } catch (error) {
        if (error instanceof StoreConflict) await readBack()
        else if (!(error instanceof StoreUnavailable)) throw error
        else if (error.applied === 'unknown') await readBack()
        await new Promise(setImmediate)
      }
    }
  }
  const done = work()
  return {
    count: () => count,
    faults,
    gapMs: () => Math.round(gapMs),
    async stop() {
      stopping.abort()
      await done
      await readBack()
      return { count, revision }
    },
  }
}
