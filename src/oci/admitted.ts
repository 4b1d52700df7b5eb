/**
 * Who the other hosts are, as this driver was told last: kept in the state directory, so that the next life
 * of the process knows it before anybody tells it again. Until then what runs stays reachable, and is told to
 * be.
 */
import { join } from 'node:path'

import type { Outer } from './driver.ts'
import { readIfAny, replaceFile } from './record.ts'

export type Admitted = {
  hosts(): readonly string[]
  /** This host's own address as others know it; undefined until it was told once. */
  own(): string | undefined
  /** How others reach `port` of this host. */
  outer(port: number | undefined): { outer?: Outer }
  /** @returns whether that is news */
  set(hosts: readonly string[], own: string): Promise<boolean>
}

type Kept = { hosts: readonly string[]; own: string | undefined }

/** What was told last for `stateDir`. */
export const openAdmitted = (stateDir: string): Admitted => {
  const path = join(stateDir, 'hosts.json')
  let kept = parse(readIfAny(path))
  let written: Promise<unknown> = Promise.resolve()
  return {
    hosts: () => kept.hosts,
    own: () => kept.own,
    outer: (port) =>
      port !== undefined && kept.own !== undefined ? { outer: { address: kept.own, port } } : {},
    set: async (hosts, own) => {
      const next: Kept = { hosts: [...new Set(hosts)].toSorted(), own }
      const text = JSON.stringify(next)
      if (text === JSON.stringify(kept)) return false
      kept = next
      // In order, so that no older word overwrites a newer one.
      written = written.then(
        () => replaceFile(path, text),
        () => replaceFile(path, text),
      )
      await written
      return true
    },
  }
}

const parse = (text: string | undefined): Kept => {
  const none: Kept = { hosts: [], own: undefined }
  if (!text) return none
  try {
    const value: unknown = JSON.parse(text)
    return isKept(value) ? { hosts: value.hosts, own: value.own } : none
  } catch (error) {
    // Half a file after power loss: nothing runs that it would matter for.
    if (error instanceof SyntaxError) return none
    throw error
  }
}

const isKept = (value: unknown): value is Kept =>
  typeof value === 'object' &&
  value !== null &&
  'own' in value &&
  typeof value.own === 'string' &&
  'hosts' in value &&
  Array.isArray(value.hosts) &&
  value.hosts.every((host) => typeof host === 'string')
