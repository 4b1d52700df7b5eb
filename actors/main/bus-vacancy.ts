/**
 * The place of a bus server whose host was taken out for good: who fills it, and with whom. Pure.
 *
 * Without a control host to spare the place stays empty, on record, until one joins: the servers that are
 * left still agree, and the next one that is lost would end that.
 */
import type { Member } from '../../src/membership/contract.ts'
import type { BusPlace } from './members-file.ts'

export type Vacancy = { readonly dead: string; readonly spare: string }

/** A control host that is up and has no server; `steadyMs`: for so long at least. */
export const spareOf = (
  { servers }: BusPlace,
  members: readonly Member[],
  now: number,
  steadyMs: number,
): string | undefined =>
  members.find(
    ({ name, state, roles, since }) =>
      state === 'up' &&
      roles.includes('control') &&
      now - since >= steadyMs &&
      !servers.some((server) => server.name === name),
  )?.name

/** What `self` is to do now. Of the servers that are up the first by name acts, so that one does. */
export const vacancyOf = (
  place: BusPlace,
  members: readonly Member[],
  self: string,
  now: number,
  steadyMs: number,
): Vacancy | undefined => {
  const [dead] = place.removed ?? []
  if (dead === undefined) return undefined
  const isUp = (name: string): boolean =>
    members.some((member) => member.name === name && member.state === 'up')
  const left = place.servers.map(({ name }) => name).filter((name) => name !== dead && isUp(name))
  const spare = spareOf(place, members, now, steadyMs)
  return spare === undefined || left.sort()[0] !== self ? undefined : { dead, spare }
}

/** The same place with one more server that nobody could take over. */
export const withVacancy = (place: BusPlace, dead: string): BusPlace => ({
  ...place,
  removed: [...new Set([...(place.removed ?? []), dead])],
})
