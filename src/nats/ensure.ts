/**
 * A stream as it should be: made, or changed where it differs, and else left alone (each change is a decision
 * of the whole cluster).
 */
import { isDeepStrictEqual } from 'node:util'
import { setTimeout as pause } from 'node:timers/promises'
import { JetStreamRefused, mayPass, refusal, type JetStream, type StreamConfig } from './jetstream.ts'

const ensureMsMax = 30_000
const retryMs = 250

/**
 * Makes the stream, or brings the one there is to this configuration. Waits for a leader for a while, which
 * takes seconds when servers have just started.
 *
 * Copies are only ever added: a host that started before the cluster grew must not take them away. Its bytes
 * stay what they were when it was made: hosts with other disks would not agree.
 * @throws RequestFailed, JetStreamRefused when it could not be done within half a minute, or never can
 */
export const ensureStream = async (js: JetStream, config: StreamConfig): Promise<void> => {
  const deadline = performance.now() + ensureMsMax
  for (;;) {
    try {
      if (await ensureOnce(js, config)) return
    } catch (error) {
      if (!mayPass(error) || performance.now() > deadline) throw error
    }
    await pause(retryMs)
  }
}

/** @returns false when somebody else made it meanwhile */
const ensureOnce = async (js: JetStream, config: StreamConfig): Promise<boolean> => {
  const found = await infoOf(js, config.name)
  try {
    if (found === undefined) await js.call(`STREAM.CREATE.${config.name}`, config)
    else if (!fits(found, config)) {
      const kept = {
        num_replicas: Math.max(replicasOf(found), replicasOf(config)),
        max_bytes: found['max_bytes'],
      }
      await js.call(`STREAM.UPDATE.${config.name}`, { ...found, ...config, ...kept })
    }
    return true
  } catch (error) {
    if (error instanceof JetStreamRefused && error.serverCode === refusal.streamNameInUse) return false
    throw error
  }
}

const infoOf = async (js: JetStream, name: string): Promise<StreamConfig | undefined> => {
  try {
    return (await js.call<{ config: StreamConfig }>(`STREAM.INFO.${name}`, {})).config
  } catch (error) {
    if (error instanceof JetStreamRefused && error.serverCode === refusal.noStream) return undefined
    throw error
  }
}

const replicasOf = (config: StreamConfig): number => Number(config['num_replicas'] ?? 1)

const keptOnes: ReadonlySet<string> = new Set(['num_replicas', 'max_bytes'])

const fits = (found: StreamConfig, wanted: StreamConfig): boolean =>
  replicasOf(found) >= replicasOf(wanted) &&
  Object.entries(wanted).every(
    ([name, value]) =>
      keptOnes.has(name) || isDeepStrictEqual(found[name], value) || isEmpty(found[name], value),
  )

/** The server leaves out what is zero or false. */
const isEmpty = (found: unknown, wanted: unknown): boolean =>
  found === undefined && (wanted === 0 || wanted === false)
