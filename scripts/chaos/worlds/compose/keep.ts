/** Holds the compose world (see keeper): nothing in it outlives this process, even when that is killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { engineEnv, project } from './docker.ts'

/** `close` removes everything; resolves when it is gone. */
export type Keeper = { readonly close: () => Promise<void> }

/** @throws Error with what the keeper said when the world can't be had */
export const keep = async (name: string, file: string, password: string): Promise<Keeper> => {
  // In a session of its own, no signal to this process's group reaches it.
  const child = spawn(join(import.meta.dirname, 'keeper'), [name, file], {
    cwd: project,
    detached: true,
    env: { ...engineEnv(), NATS_PASSWORD: password },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const said = text(child.stderr)
  const ended = once(child, 'exit') as Promise<[number | null]>
  await Promise.race([
    once(child.stdout, 'data'),
    ended.then(async () => Promise.reject(new Error(`no compose world: ${(await said).trim()}`))),
  ])
  return {
    close: async () => {
      child.stdin.end()
      const [code] = await ended
      if (code !== 0) throw new Error(`the compose world is not gone: ${(await said).trim()}`)
    },
  }
}
