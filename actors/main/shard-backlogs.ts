/**
 * How many connections wait for the dynos of this host to take them, as a shard sees it: for containers with
 * a network of their own, whose arrivals are nobody else's. Of dynos on other hosts nothing is known.
 */
import { openRecords } from '../../src/oci/record.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { BacklogOf } from '../../src/proxy/backlogs.ts'
import { createBacklogReader } from '../../src/system/backlog.ts'

/** An address that is not known may be of a dyno that has just started, or of another host's. */
const lookAgainMs = 5_000

/** @param folder where the container engine keeps what it holds */
export const openShardBacklogs = (folder: string, clock: Pick<Clock, 'monotonicMs'>): BacklogOf => {
  const records = openRecords(folder)
  const reader = createBacklogReader(() => clock.monotonicMs())
  let pids: ReadonlyMap<string, number> = new Map()
  let lookedMs = Number.NEGATIVE_INFINITY

  const look = async (): Promise<void> => {
    const running = (await records.all()).filter(({ network, pid }) => network === 'own' && pid > 0)
    pids = new Map(running.map(({ address, pid }) => [address, pid]))
  }

  return ({ address, port }, wantsUnread) => {
    const pid = pids.get(address)
    const backlog = pid === undefined ? undefined : reader.read(pid, port, wantsUnread)
    const now = clock.monotonicMs()
    if (backlog === undefined && now - lookedMs >= lookAgainMs) {
      lookedMs = now
      look().catch(() => {
        // There are no containers here; nothing is known then.
      })
    }
    return backlog
  }
}
