/** Each host has the keys that the record says: looked at when it starts, and when it changed. */
import type { Log } from '../../src/ports/log.ts'
import type { Transport } from '../../src/ports/transport.ts'
import { untilAvailable } from './bus.ts'
import type { Ring } from './seal-ring.ts'

const keysTopic = 'keys'

export type KeysFollowed = {
  /** The record changed here: everybody looks again. */
  readonly changed: () => void
  readonly onChange: (told: () => void) => void
  readonly close: () => void
}

/** @param isNeeded it is to seal with the right key from the first on: waits for the record */
export const followKeys = async (deps: {
  readonly ring: Pick<Ring, 'refresh'>
  readonly transport: Pick<Transport, 'publish' | 'subscribe'>
  readonly log: Log
  readonly isNeeded: boolean
}): Promise<KeysFollowed> => {
  const { ring, transport, log } = deps
  const watchers: (() => void)[] = []
  const look = async (): Promise<void> => {
    try {
      await ring.refresh()
    } catch (error) {
      // Whatever it lacks it asks for when it is to be opened.
      log({ at: 'keys-unread', reason: error instanceof Error ? error.message : 'unknown' })
    }
    for (const told of watchers) told()
  }
  const subscription = transport.subscribe(keysTopic, () => void look())
  if (deps.isNeeded) await untilAvailable(() => ring.refresh())
  else void look()
  return {
    changed: () => {
      transport.publish(keysTopic, new Uint8Array(0))
      void look()
    },
    onChange: (told) => void watchers.push(told),
    close: () => subscription.close(),
  }
}
