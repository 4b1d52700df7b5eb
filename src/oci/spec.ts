/**
 * Specifications, pure: which ones can be run as they are, and the record that a container begins with.
 */
import type { Identity } from './addresses.ts'
import type { ContainerSpec } from './driver.ts'
import { OciError } from './errors.ts'
import { checkId, type ContainerRecord } from './record.ts'

/** The record of a container that does not run yet. */
export const newRecord = (spec: ContainerSpec, identity: Identity, attached: boolean): ContainerRecord => ({
  id: spec.id,
  labels: spec.labels,
  attached,
  network: spec.network,
  index: identity.index,
  address: spec.network === 'own' ? identity.address : '127.0.0.1',
  ...(spec.expose === undefined ? {} : { expose: spec.expose }),
  hostname: spec.hostname,
  startedAtMs: 0,
  pid: 0,
  paths: Object.fromEntries([...spec.layers, ...(spec.files ?? [])].map(({ target }) => [target, target])),
})

/** Rejects with `OCI_SPEC`. */
export const checkSpec = (spec: ContainerSpec): void => {
  checkId(spec.id)
  const paths = [spec.root, spec.cwd, ...spec.layers.flatMap(({ source, target }) => [source, target])]
  const relative = paths.find((path) => !path.startsWith('/') || path.split('/').includes('..'))
  if (relative !== undefined) throw new OciError('OCI_SPEC', `${spec.id}: path ${relative} is not absolute`)
  if (spec.argv.length === 0) throw new OciError('OCI_SPEC', `${spec.id}: nothing to run`)
  const text = [...spec.argv, spec.cwd, ...Object.entries(spec.env).flat()]
  if (text.some((each) => each.includes('\0'))) throw new OciError('OCI_SPEC', `${spec.id}: a NUL byte`)
}
