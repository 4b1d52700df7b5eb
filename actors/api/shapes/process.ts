/** What runs: process types, dynos and their sizes, as the Platform API shows them. */
import type { DynoSize } from '../../../config/dyno-sizes.ts'
import { findDynoSize } from '../../../config/dyno-sizes.ts'
import { labelsText } from '../../../config/labels.ts'
import type { DynoView, ProcessType } from '../../protocols/shapes.ts'
import { generation, idFor, named, timeText, type Named } from './common.ts'

export const formationBody = (type: ProcessType, app: Named): object => ({
  app: named(app),
  command: type.command,
  created_at: timeText(type.createdAt),
  dyno_size: { id: findDynoSize(type.size)?.id ?? idFor('dyno-size', type.size), name: type.size },
  id: type.id,
  quantity: type.quantity,
  size: type.size,
  type: type.type,
  updated_at: timeText(type.updatedAt),
  // Not of Heroku's schema: only there when it says something.
  ...(type.singleton ? { singleton: true } : {}),
  ...(labelsText(type.labels) === '' ? {} : { labels: type.labels }),
})

/** Of what an app is made, as `heroku ps` asks before it speaks of Eco hours. Not of Heroku's schema. */
export const processTierOf = (types: readonly ProcessType[]): 'eco' | 'basic' | 'production' => {
  const isOf = (size: string): boolean => types.some((type) => type.size === size)
  if (isOf('Eco')) return 'eco'
  return types.length === 0 || isOf('Basic') ? 'basic' : 'production'
}

/**
 * Clients show state and command as they are: what has no place yet says why in the one, what nothing keeps
 * apart from its host says so in the other.
 * @param isolates whether a host keeps its dynos apart
 * @param attachUrl where the client of an attached run dials; only the answer that made the run has it
 */
export const dynoBody = (
  dyno: DynoView,
  app: Named,
  isolates: (host: string) => boolean,
  attachUrl: string | null = null,
): object => ({
  app: named(app),
  attach_url: attachUrl,
  command: dyno.host === null || isolates(dyno.host) ? dyno.command : `${dyno.command} (not isolated)`,
  created_at: timeText(dyno.createdAt),
  id: dyno.id,
  name: dyno.name,
  release: { id: dyno.releaseId, version: dyno.releaseVersion },
  size: dyno.size,
  state: dyno.waiting === undefined ? dyno.state : `${dyno.state} (${dyno.waiting})`,
  type: dyno.type,
  updated_at: timeText(dyno.updatedAt),
})

const bytesPerGb = 1024 ** 3

export const dynoSizeBody = (size: DynoSize): object => ({
  architecture: 'amd64',
  compute: size.cpuShares,
  cost: { cents: size.centsPerMonth, unit: 'month' },
  dedicated: size.dedicated,
  generation,
  id: size.id,
  memory: size.memoryBytes / bytesPerGb,
  name: size.name,
  precise_dyno_units: size.cpuShares,
  private_space_only: false,
})
