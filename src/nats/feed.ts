/** The changes of a bucket (ports/feed.ts): its stream, read from a sequence on in bounded batches. */
import assert from 'node:assert/strict'
import type { Changed, Feed } from '../ports/feed.ts'
import type { Connection } from './connection.ts'
import { inPortWords } from './failures.ts'
import { jetStream, type StoredMessage } from './jetstream.ts'
import { gather, gatherMax } from './gather.ts'
import { filterOf, keyOf, subjectOf } from './keys.ts'
import { countUnder, pull } from './pull.ts'
import { isMarker } from './store.ts'

const everything = '>'
const standingMsMax = 5_000

export const openFeed = (connection: Connection, bucket: string): Feed => {
  const js = jetStream(connection)
  const stream = `KV_${bucket}`
  const root = `$KV.${bucket}`
  return {
    position: async () => (await inPortWords(bucket, js.last(stream, everything)))?.sequence ?? 0,
    count: (prefix) => inPortWords(prefix, countUnder(js, { stream, filter: filterOf(root, prefix) })),
    since: (prefix, revision) => changes(prefix, revision),
    async standing(keys) {
      assert(keys.length <= gatherMax, `${keys.length} keys are more than ${gatherMax}`)
      const subjects = keys.map((key) => subjectOf(root, key))
      const found = await inPortWords(bucket, gather(js, stream, subjects, standingMsMax))
      return found.map(changed)
    },
  }

  function changed(message: StoredMessage): Changed {
    const value = isMarker(message) ? undefined : message.bytes
    return { key: keyOf(root, message.subject), revision: message.sequence, value }
  }

  async function* changes(prefix: string, revision: number): AsyncGenerator<Changed, void, undefined> {
    const messages = pull(js, { stream, filter: filterOf(root, prefix), fromSequence: revision + 1 })
    try {
      for (;;) {
        const next = await inPortWords(prefix, messages.next())
        if (next.done === true) return
        const change = changed(next.value)
        if (change.key.startsWith(prefix)) yield change
      }
    } finally {
      // Whoever reads may end early.
      await messages.return()
    }
  }
}
