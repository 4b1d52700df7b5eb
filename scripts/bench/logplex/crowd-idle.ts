/** What a channel weighs that has kept a line and rests. What the store keeps of it is not counted. */
import { setTimeout as pause } from 'node:timers/promises'
import { packBatch } from '../../../actors/logplex/packed.ts'
import { Channel, type Line, type Part } from '../../../actors/protocols/channel.ts'
import { ref, type Node } from '../../../src/runtime/index.ts'
import { nowhere } from '../actors/crew.ts'
import { startNode } from './crowd-node.ts'

export type Idle = { readonly channels: number }
export type IdleResult = {
  readonly bytesEach: number
  readonly residentEach: number
  readonly leftEach: number
}

/** A host's is five minutes; here long enough for all of them to be there at once. */
const idleMsOf = (channels: number): number => 4_000 + channels / 10
const passivatedMsMax = 60_000
const askTimeoutMs = 30_000
const atOnce = 256

export const weighIdle = async ({ channels }: Idle): Promise<IdleResult> => {
  const absent = (): Promise<never> => Promise.reject(new Error('channels have no record'))
  const effects = {
    'history.append': ({ parts }: { parts: readonly Part[] }) => {
      const lines = parts.flatMap((part) => part.lines)
      const bytes = packBatch({ first: 0, lines })
      return Promise.resolve({ sequence: 1, after: 0, first: 0, count: lines.length, bytes })
    },
  }
  const store = { get: absent, peek: absent, create: absent, update: absent, remove: absent, list: absent }
  const node = await startNode({ transport: nowhere, store, effects }, () => [], idleMsOf(channels))
  // What is made once for all is not counted for each.
  await logOnce(node, 0, atOnce)
  const before = weigh()
  await logOnce(node, atOnce, channels + atOnce)
  const active = weigh()
  const deadline = performance.now() + passivatedMsMax
  while ((node.report().actors['channel'] ?? 0) > 0 && performance.now() < deadline) await pause(250)
  const after = weigh()
  await node.stop()
  const each = (bytes: number): number => bytes / channels
  return {
    bytesEach: each(active.used - before.used),
    residentEach: each(active.resident - before.resident),
    leftEach: each(after.used - before.used),
  }
}

const logOnce = async (node: Node, from: number, to: number): Promise<void> => {
  let next = from
  const text = new TextEncoder().encode('State changed from starting to up')
  const one = async (): Promise<void> => {
    while (next < to) {
      const id = `app-${String(next++).padStart(32, '0')}`
      const line: Line = { atUs: Date.now() * 1000, source: 'heroku', process: 'web.1', text }
      const message = { type: 'deliver', source: `${id}.web.1:life`, first: 0, lines: [line] } as const
      await node.ask(ref(Channel, id), { ...message, lines: [line] }, { timeoutMs: askTimeoutMs })
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}

const weigh = (): { readonly used: number; readonly resident: number } => {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc')
  for (let times = 0; times < 3; times++) globalThis.gc()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { used: heapUsed + external, resident: rss }
}
