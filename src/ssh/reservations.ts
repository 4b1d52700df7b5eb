/**
 * Reservations: who may come in by SSH, under a user name that only the one who reserved was told, with one
 * key, for a while.
 */
export type Reservation<Grant> = {
  /** The client's public key, as it was reserved. */
  readonly key: string
  readonly grant: Grant
}

export type Reservations<Grant> = {
  /** @returns the user name. Beyond `max` the one that was used longest ago makes room. */
  readonly reserve: (reservation: Reservation<Grant>) => string
  /** Undefined: nobody of that name, or not any more. Being found keeps it for a while longer. */
  readonly find: (user: string) => Reservation<Grant> | undefined
}

export type ReservationLimits = {
  readonly max: number
  /** Unused for so long it is gone; and after so long in any case. */
  readonly idleMs: number
  readonly lifeMs: number
}

type Entry<Grant> = Reservation<Grant> & { readonly madeAt: number; usedAt: number }

export const createReservations = <Grant>(
  limits: ReservationLimits,
  now: () => number,
  token: () => string,
): Reservations<Grant> => {
  /** The one used longest ago first. */
  const entries = new Map<string, Entry<Grant>>()

  const isOver = ({ madeAt, usedAt }: Entry<Grant>): boolean =>
    now() - usedAt >= limits.idleMs || now() - madeAt >= limits.lifeMs

  return {
    reserve(reservation) {
      for (const [user, entry] of entries) if (isOver(entry)) entries.delete(user)
      const [oldest] = entries.keys()
      if (entries.size >= limits.max && oldest !== undefined) entries.delete(oldest)
      const user = token()
      entries.set(user, { ...reservation, madeAt: now(), usedAt: now() })
      return user
    },
    find(user) {
      const entry = entries.get(user)
      if (entry === undefined) return undefined
      entries.delete(user)
      if (isOver(entry)) return undefined
      entry.usedAt = now()
      entries.set(user, entry)
      return entry
    },
  }
}
