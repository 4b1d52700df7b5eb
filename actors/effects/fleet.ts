/** Telling every placement what runs on this host. */
import { effect } from '../../src/runtime/index.ts'
import type { Announcement } from '../protocols/shapes.ts'

/** Topic on which hosts publish their announcements, encoded as one `announcementShape`. */
export const fleetTopic = 'fleet'

export const Fleet = {
  /** Best effort: who misses one asks for all. The machine's load is added on the way. */
  announce: effect<Omit<Announcement, 'load'>, void>('fleet.announce'),
}
