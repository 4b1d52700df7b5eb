/**
 * The end of a host that is stopped on purpose: its dynos get SIGTERM and their 30 s, what they said last
 * still goes into their apps' histories, and nothing is left that the next start would take for a crash.
 */
import type { Effects } from '../../src/ports/effects.ts'
import type { Driver, Found } from '../../src/oci/driver.ts'
import { createShuttle, filePlaces, shipmentOf } from '../logplex/shuttle.ts'
import type { Part } from '../protocols/channel.ts'
import type { Run } from '../protocols/shapes.ts'

export type Ending = { readonly driver: Driver; readonly effects: Effects; readonly shippingFolder: string }

const graceMs = 30_000

export const endContainers = async (
  { driver, effects, shippingFolder }: Ending,
  progress: (text: string) => void,
): Promise<void> => {
  const found = await driver.list()
  const running = found.filter(({ state }) => state === 'running')
  if (running.length > 0) progress(`stopping ${running.length} dynos`)
  await Promise.all(running.map(({ id }) => end(driver, id)))
  const append = effects['history.append']
  const deliver = async (appId: string, part: Part): Promise<void> => {
    const forever = new AbortController().signal
    try {
      await append?.({ appId, parts: [part] } as never, forever)
    } catch {
      progress(`the last ${part.lines.length} lines of a dyno could not be stored`)
    }
  }
  const shuttle = createShuttle(filePlaces(shippingFolder), driver, deliver, 'end')
  for (const container of found) {
    const run = runOf(container)
    if (run !== undefined && run.attach === null) await shuttle.ship(shipmentOf(run))
    await driver.remove(container.id)
    await shuttle.forget(container.id)
  }
}

const end = async (driver: Driver, id: string): Promise<void> => {
  await driver.signal(id, 'SIGTERM', 'all')
  const timer = setTimeout(() => void driver.signal(id, 'SIGKILL', 'all').catch(() => undefined), graceMs)
  await driver.wait(id)
  clearTimeout(timer)
}

const runOf = ({ labels }: Found): Run | undefined =>
  labels['kind'] === 'dyno' && labels['run'] !== undefined ? (JSON.parse(labels['run']) as Run) : undefined
