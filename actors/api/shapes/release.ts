/** Releases, slugs and builds, as the Platform API shows them. */
import type { BuildView } from '../../protocols/build.ts'
import type { SlugRecord } from '../../protocols/slug-record.ts'
import type { Release, Slug } from '../../protocols/shapes.ts'
import type { Addresses } from '../edge.ts'
import { gitUrl } from './app.ts'
import { idFor, named, timeText, type Named } from './common.ts'

export const releaseBody = (release: Release, app: Named, current: boolean, settings: Addresses): object => ({
  addon_plan_names: [],
  app: named(app),
  artifacts: release.slug === null ? [] : [{ type: 'slug', id: release.slug.id }],
  created_at: timeText(release.createdAt),
  current,
  description: release.description,
  // Without a slug there is nothing to go back to: v1 and v2 are never offered.
  eligible_for_rollback: release.status === 'succeeded' && release.slug !== null,
  id: release.id,
  output_stream_url: release.hasPhase === true ? `${settings.apiUrl}/streams/${release.id}` : null,
  slug: release.slug === null ? null : { id: release.slug.id },
  status: release.status,
  updated_at: timeText(release.updatedAt),
  user: { email: release.userEmail, id: release.userId },
  version: release.version,
})

/** @param url where its bytes are got */
export const slugBody = (slug: Slug, url: string): object => ({
  blob: { method: 'get', url },
  buildpack_provided_description: slug.buildpackDescription || null,
  checksum: `SHA256:${slug.promised ?? slug.sha256}`,
  commit: slug.commit || null,
  commit_description: slug.description || null,
  created_at: timeText(slug.createdAt),
  deleted_at: null,
  id: slug.id,
  process_types: slug.processTypes,
  size: slug.bytes,
  stack: { id: idFor('stack', slug.stack), name: slug.stack },
  updated_at: timeText(slug.createdAt),
})

/** One that was not uploaded yet. @param url where its bytes are to be put */
export const emptySlugBody = (slug: SlugRecord, url: string): object => ({
  ...slugBody({ ...slug, sha256: '', bytes: 0 }, url),
  blob: { method: 'put', url },
  checksum: slug.checksum === null ? null : `SHA256:${slug.checksum}`,
  size: null,
})

export const buildBody = (build: BuildView, app: Named, settings: Addresses): object => ({
  app: { id: app.id },
  buildpacks: build.buildpacks.map((name) => ({ name, url: buildpackUrl(name) })),
  created_at: timeText(build.createdAt),
  generation: 'cedar',
  id: build.id,
  output_stream_url: buildStream(build, settings),
  release: build.releaseId === null ? null : { id: build.releaseId },
  slug: build.slugId === null ? null : { id: build.slugId },
  source_blob: {
    checksum: build.archive?.checksum ?? null,
    url: build.archive?.url ?? gitUrl(app.name, settings),
    version: build.version === '' ? null : build.version,
    version_description: build.archive?.description ?? null,
  },
  stack: build.stack,
  status: build.status,
  updated_at: timeText(build.updatedAt),
  user: { email: build.by.email, id: build.by.id },
})

/** Any host knows by it where the build is, and when that host is gone what became of it. */
export const buildStream = (
  { id, host, appId }: Pick<BuildView, 'id' | 'host' | 'appId'>,
  { apiUrl }: Addresses,
): string =>
  `${apiUrl}/streams/${id}${host === undefined ? '' : `?on=${encodeURIComponent(host)}&of=${appId}`}`

/** Short names get a `urn:` that the CLI strips again; addresses stand for themselves. */
export const buildpackUrl = (name: string): string =>
  /^[\w-]+\/[\w.-]+$/.test(name) ? `urn:buildpack:${name}` : name
