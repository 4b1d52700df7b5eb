/** Large objects in memory: what ports/store.ts promises, for tests that need no server. */
import { createHash } from 'node:crypto'
import type { Objects } from '../../src/ports/store.ts'

export type MemoryObjects = Objects & { readonly held: ReadonlyMap<string, Buffer> }

export const memoryObjects = (): MemoryObjects => {
  const held = new Map<string, Buffer>()
  return {
    held,
    async put(name, source) {
      const chunks: Uint8Array[] = []
      for await (const chunk of source) chunks.push(new Uint8Array(chunk))
      const bytes = Buffer.concat(chunks)
      held.set(name, bytes)
      return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length }
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
    list: async (prefix) => [...held.keys()].filter((name) => name.startsWith(prefix)),
  }
}
