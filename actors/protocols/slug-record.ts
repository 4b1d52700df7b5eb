/**
 * Slugs that were made elsewhere: on record under `slugs/<app>/<slug>` from the promise to upload one until a
 * release carries it, or nobody came for it. Pure.
 */
import { checker, is, type Static } from '../../src/runtime/index.ts'
import { parseJson } from './build-record.ts'
import type { Slug } from './shapes.ts'

const slugRecordShape = is.obj({
  id: is.str,
  appId: is.str,
  stack: is.str,
  commit: is.str,
  description: is.str,
  processTypes: is.map(is.str),
  buildpackDescription: is.str,
  /** Hex sha256 that its bytes are promised to have. */
  checksum: is.orNull(is.str),
  /** What was uploaded, and under which name it lies in the object store. */
  uploaded: is.orNull(is.obj({ object: is.str, sha256: is.str, bytes: is.int })),
  createdAt: is.int,
})
export type SlugRecord = Static<typeof slugRecordShape>

const check = checker(slugRecordShape)

export const slugsPrefix = 'slugs/'
export const slugKey = (appId: string, slugId: string): string => `${slugsPrefix}${appId}/${slugId}`

/** Undefined for what is no such record. */
export const slugRecordIn = (value: Uint8Array): SlugRecord | undefined => {
  const record = parseJson(Buffer.from(value).toString('utf8'))
  return check(record) === undefined ? (record as SlugRecord) : undefined
}

/** As a release carries it; undefined: it was not uploaded. */
export const slugOfRecord = (record: SlugRecord): Slug | undefined => {
  const { id, stack, commit, description, processTypes, buildpackDescription, createdAt, checksum } = record
  if (record.uploaded === null) return undefined
  const broken = checksum !== null && checksum !== record.uploaded.sha256 ? { promised: checksum } : {}
  const made = { stack, commit, description, processTypes, buildpackDescription, createdAt }
  return { id, ...made, ...record.uploaded, ...broken }
}

const pathPattern = /^\/slugs\/([0-9a-f-]{36})\/([0-9a-f-]{36})\.tgz$/

/** Where the bytes of a slug are put. */
export const putPath = (appId: string, slugId: string): string => `/slugs/${appId}/${slugId}.tgz`
/** Each upload of a slug is an object of its own. */
export const uploadObject = (slugId: string, uploadId: string): string => `slug/${slugId}/${uploadId}`
/** Where those of an upload are got. */
export const getPath = (object: string): string => `/slugs/${object.slice('slug/'.length)}.tgz`

/** What such a path names: the key of a record when putting, an object when getting. Undefined: nothing. */
export const slugAt = (method: 'GET' | 'PUT', path: string): string | undefined => {
  const [, first, second] = pathPattern.exec(path) ?? []
  if (first === undefined || second === undefined) return undefined
  return method === 'PUT' ? slugKey(first, second) : uploadObject(first, second)
}
