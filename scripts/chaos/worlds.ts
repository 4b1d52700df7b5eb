/** The worlds there are; each is loaded when it is used. */
import type { WorldName } from './language.ts'
import type { Door } from './world.ts'

export const doors: Partial<Record<WorldName, () => Promise<Door>>> = {
  netns: async () => (await import('./worlds/netns/door.ts')).door,
  sim: async () => (await import('./worlds/sim/door.ts')).door,
  compose: async () => (await import('./worlds/compose/door.ts')).door,
}
