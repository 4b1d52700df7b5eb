/**
 * Before a host stops: others take its dynos over, start before stop, while there is anybody to take them.
 */
import type { Driver } from '../../src/oci/driver.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { placeable, type Neighbours } from './neighbours.ts'

export type EvacuateDeps = {
  readonly name: string
  readonly neighbours: Neighbours
  readonly driver: Pick<Driver, 'list'>
  readonly clock: Clock
  readonly progress: (text: string) => void
}

const waitMsMax = 90_000
const lookMs = 100
const sayEveryMs = 5_000

export const evacuate = async ({
  name,
  neighbours,
  driver,
  clock,
  progress,
}: EvacuateDeps): Promise<void> => {
  const { members } = neighbours
  const others = (): boolean => placeable(members.view()).some((member) => member.name !== name)
  const dynos = async (): Promise<number> =>
    (await driver.list()).filter(({ state, labels }) => state === 'running' && labels['kind'] === 'dyno')
      .length
  if (!others() || (await dynos()) === 0) return
  members.change({ draining: true })
  const beganMs = clock.monotonicMs()
  let saidMs = -sayEveryMs
  for (;;) {
    const left = await dynos()
    const elapsedMs = clock.monotonicMs() - beganMs
    if (left === 0 || !others() || elapsedMs > waitMsMax) return
    if (elapsedMs - saidMs >= sayEveryMs) {
      saidMs = elapsedMs
      progress(`other hosts take over ${left} dynos`)
    }
    await new Promise<void>((resolve) => void clock.after(lookMs, resolve))
  }
}
