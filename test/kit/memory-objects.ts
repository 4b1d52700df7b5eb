/** Large objects in memory: what ports/store.ts promises, for tests that need no server. */
import { createHash } from 'node:crypto'
import type { Objects } from '../../src/ports/store.ts'

export type MemoryObjects = Objects & { readonly held: ReadonlyMap<string, Buffer> }

export const memoryObjects = (now = (): number => Date.now()): MemoryObjects => {
  const held = new Map<string, Buffer>()
  const put = new Map<string, { readonly revision: number; readonly putAtMs: number }>()
  let revision = 0
  return {
    held,
    async put(name, source) {
      const chunks: Uint8Array[] = []
      for await (const chunk of source) chunks.push(new Uint8Array(chunk))
      const bytes = Buffer.concat(chunks)
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      const full = typeof name === 'string' ? name : name(sha256)
      held.set(full, bytes)
      revision += 1
      put.set(full, { revision, putAtMs: now() })
      return { sha256, bytes: bytes.length }
    },
    async get(name) {
      const bytes = held.get(name)
      return (
        bytes &&
        (async function* () {
          yield bytes
        })()
      )
    },
    async remove(name) {
      held.delete(name)
    },
    async *entries(prefix) {
      for (const [name, at] of put) if (held.has(name) && name.startsWith(prefix)) yield { name, ...at }
    },
    async removeOne(entry) {
      return put.get(entry.name)?.revision === entry.revision && held.delete(entry.name)
    },
    list: async (prefix) => [...held.keys()].filter((name) => name.startsWith(prefix)),
  }
}
