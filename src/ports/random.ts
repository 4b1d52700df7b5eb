/** Chance and fresh names: the system's, or a seed's. */
export type Random = {
  /** In [0, 1). */
  next(): number
  /** Lower-case UUIDv4. */
  uuid(): string
  /** A short unguessable name of letters and digits. */
  token(length: number): string
}
