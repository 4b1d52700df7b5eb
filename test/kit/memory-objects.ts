/** The object store in memory: what ports/store.ts promises, for tests that need no server. */
import { createHash } from 'node:crypto'
import type { Objects } from '../../src/ports/store.ts'

export const memoryObjects = (): Objects => {
  const objects = new Map<string, Buffer>()
  return {
    async put(name, source) {
      const parts: Uint8Array[] = []
      for await (const part of source) parts.push(part)
      const bytes = Buffer.concat(parts)
      objects.set(name, bytes)
      return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length }
    },
    async get(name) {
      const bytes = objects.get(name)
      return (
        bytes &&
        (async function* () {
          yield bytes
        })()
      )
    },
    async remove(name) {
      objects.delete(name)
    },
    list: async (prefix) => [...objects.keys()].filter((name) => name.startsWith(prefix)),
  }
}
